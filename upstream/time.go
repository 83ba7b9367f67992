package upstream

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
)

// A time is RFC 3339 text in UTC once it is read, with three digits of a second where upstream sent any, if only zeros.
const (
	secondsLayout = `"2006-01-02T15:04:05Z"`
	millisLayout  = `"2006-01-02T15:04:05.000Z"`
)

// appendTime appends the time as a JSON string.
func appendTime(dst []byte, t time.Time, millis bool) []byte {
	if millis {
		return t.AppendFormat(dst, millisLayout)
	}
	return t.AppendFormat(dst, secondsLayout)
}

// isCanonicalTime reports whether a text that is a time is already as [appendTime] writes it.
func isCanonicalTime(text []byte) bool {
	last := len(text) - 1
	return text[last] == 'Z' && text[10] == 'T' && (last == len("2006-01-02T15:04:05") || last == len("2006-01-02T15:04:05.000") && text[19] == '.')
}

// parseTime reads ISO 8601 text as JavaScript and Python write it: with or without a fraction, with `T` or a space;
// without a zone it is UTC.
func parseTime(text []byte) (t time.Time, millis, ok bool) {
	millis = bytes.ContainsAny(text, ".,")
	if t.UnmarshalText(text) == nil {
		return inYears(t, millis)
	}
	s := string(text)
	for _, layout := range []string{
		time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05",
	} {
		if t, err := time.Parse(layout, s); err == nil { // each layout takes a fraction, too
			return inYears(t, millis)
		}
	}
	return time.Time{}, false, false
}

// epochTime reads seconds or milliseconds since 1970. Beyond 1e11 (the year 5138 in seconds, 1973 in milliseconds)
// it is milliseconds.
func epochTime(number string) (t time.Time, millis, ok bool) {
	n, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil, math.Abs(n) > 1e15:
		return time.Time{}, false, false
	case math.Abs(n) < 1e11:
		return inYears(time.UnixMilli(int64(math.Round(n*1000))), n != math.Trunc(n))
	default:
		return inYears(time.UnixMilli(int64(math.Round(n))), true)
	}
}

// inYears refuses what RFC 3339 cannot write: years have four digits.
func inYears(t time.Time, millis bool) (time.Time, bool, bool) {
	t = t.UTC()
	return t, millis, t.Year() >= 0 && t.Year() <= 9999
}

// emptyObject reports whether the JSON value is `{}`, which the documentation shows for a time.
func emptyObject(value []byte) bool { return strings.Trim(string(value), "{} \t\r\n") == "" }
