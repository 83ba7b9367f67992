package upstream

import (
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

// isCanonicalTime reports whether text in the form of RFC 3339 is already as [appendTime] writes it.
func isCanonicalTime(text []byte) bool {
	last := len(text) - 1
	const seconds, millis = len("2006-01-02T15:04:05"), len("2006-01-02T15:04:05.000")
	return text[last] == 'Z' && (last == seconds || last == millis && text[seconds] == '.')
}

// readTime is a point in time as it was sent.
type readTime struct {
	time.Time
	millis    bool // with a fraction of a second
	canonical bool // as appendTime writes it
}

// parseTime reads a point in time from text. What it knows beyond RFC 3339 is what databases, languages and their
// libraries write:
//
//   - ISO 8601 without separators, without seconds, with a comma, an offset of hours alone, or no zone, which is UTC;
//   - a space or a small `t` for the T, and a small `z` (RFC 3339 §5.6), as PostgreSQL does:
//     `2026-03-14 09:26:53.1+00`;
//   - a space before the offset, or `UTC` for it, as Ruby does; slashes in a date that begins with the year;
//   - the name of a zone in brackets behind the offset (RFC 9557), as Java does;
//   - an HTTP date (RFC 9110 §5.6.7), as JavaScript's toUTCString and Flask do;
//   - the seconds, milli-, micro- or nanoseconds since 1970.
//
// A leap second is the second after it. A date alone is no point in time.
func parseTime(text []byte) (readTime, bool) {
	var t time.Time
	if t.UnmarshalText(text) == nil {
		fraction := text[len("2006-01-02T15:04:05")]
		return newReadTime(t, fraction == '.' || fraction == ',', isCanonicalTime(text))
	}
	if len(text) > longestTime {
		return readTime{}, false
	}
	s := strings.ToUpper(strings.TrimSpace(string(text)))
	if isEpoch(s) {
		return epochTime(s)
	}
	s, leap := plainTime(s)
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil { // each layout takes a fraction of a second, too
			return newReadTime(t.Add(leap), strings.ContainsAny(s[len("2006"):], ".,"), false)
		}
	}
	return readTime{}, false
}

// longestTime bounds the text that is taken for a time, in bytes: with the name of a zone it has about 70.
const longestTime = 100

// timeLayouts are the forms of text that [plainTime] leaves.
var timeLayouts = func() (layouts []string) {
	for _, local := range []string{
		"2006-01-02T15:04:05", "2006-01-02T15:04", "20060102T150405", "20060102T1504", "20060102150405",
	} {
		for _, zone := range []string{"Z07", "Z07:00", "", "Z0700", "Z07:00:00"} {
			layouts = append(layouts, local+zone)
		}
	}
	return append(layouts, "Mon, 02 Jan 2006 15:04:05Z07:00", "Mon, 02 Jan 2006 15:04:05Z0700")
}()

// plainTime writes text in capitals in fewer forms, and takes out a leap second.
func plainTime(s string) (plain string, leap time.Duration) {
	if i := strings.IndexByte(s, '['); i > 0 && s[len(s)-1] == ']' {
		s = s[:i]
	}
	for _, utc := range []string{"UTC", "GMT"} {
		if rest, ok := strings.CutSuffix(s, utc); ok {
			s = rest + "Z"
		}
	}
	const date, second = len("2006-01-02"), len("2006-01-02T15:04")
	if len(s) >= second && s[4] == s[7] && (s[4] == '-' || s[4] == '/') {
		s = s[:4] + "-" + s[5:7] + "-" + s[8:]
		if s[date] == ' ' {
			s = s[:date] + "T" + s[date+1:]
		}
		if strings.HasPrefix(s[second:], ":60") {
			s, leap = s[:second]+":59"+s[second+len(":60"):], time.Second
		}
	}
	for _, zone := range []string{" Z", " +", " -"} {
		s = strings.Replace(s, zone, zone[1:], 1)
	}
	return s, leap
}

// isEpoch reports whether text is a count since 1970: its digits are as many as such a count has in this century, and
// not as many as a date has.
func isEpoch(s string) bool {
	whole, fraction, _ := strings.Cut(s, ".")
	if strings.Trim(whole+fraction, "0123456789") != "" {
		return false
	}
	switch len(whole) {
	case 9, 10, 12, 13, 15, 16, 18, 19:
		return true
	default:
		return false
	}
}

// epochTime reads seconds since 1970, or milli-, micro- or nanoseconds. A count is of the largest unit with which it
// lies before the year 5138, which begins 1e11 seconds after 1970: none is taken for another from 1973 on.
func epochTime(number string) (readTime, bool) {
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || math.Abs(n) >= 1e20 {
		return readTime{}, false
	}
	millis := n != math.Trunc(n)
	n = math.Round(n * 1000)
	for math.Abs(n) >= 1e14 {
		n, millis = math.Floor(n/1000), true
	}
	return newReadTime(time.UnixMilli(int64(n)), millis, false)
}

// newReadTime refuses what RFC 3339 cannot write (years have four digits), and what means no time at all: 0
// seconds since 1970, and the first moment of the year 1 of Go and .NET. No call is as old as that.
func newReadTime(t time.Time, millis, canonical bool) (readTime, bool) {
	t = t.UTC()
	return readTime{t, millis, canonical}, t.Unix() > 0 && t.Year() <= 9999
}

// emptyObject reports whether the JSON value is `{}`, which the documentation shows for a time.
func emptyObject(value []byte) bool { return strings.Trim(string(value), "{} \t\r\n") == "" }
