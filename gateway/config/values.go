package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"revox-graphql/gateway/auth"
)

// value is what a setting accepts, and where its value goes.
type value struct {
	// kind stands for the value in the help, such as `duration`.
	kind string
	// accepts describes the accepted values; "" if the kind says enough.
	accepts string
	// parse sets the value. Its error completes a sentence that begins with the setting: "must be from 1 to 100, and is
	// 0".
	parse func(text string) error
}

// What a value must be that strconv or package time reads, see [Unread].
const (
	WholeNumber = "a whole number"
	Number      = "a number"
	Duration    = "a duration like 1m30s"
	Boolean     = "true or false"
)

// Unread is the error of a value that strconv or package time cannot read. It completes a sentence that begins with the
// flag.
func Unread(must, text string, err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("is out of range: %s", text)
	}
	return fmt.Errorf("must be %s, and is %q", must, text)
}

// boolKind is the kind whose flags need no value.
const boolKind = "bool"

// choiceKind is the kind that accepts a few names.
const choiceKind = "name"

// listKind is the kind whose flags may be repeated.
const listKind = "list"

// ordered accepts values within bounds. A most that is the largest value of the type is no bound.
func ordered[T cmp.Ordered](
	to *T, kind string, least, most, none T, parse func(string) (T, error), show func(T) string,
) value {
	var zero T
	accepts := show(least) + " to " + show(most)
	must := "must be from " + accepts
	if most == none {
		switch {
		case least == zero:
			accepts, must = "", "must not be negative"
		case kind == "duration":
			accepts, must = "more than 0", "must be more than 0"
		default:
			accepts, must = show(least)+" or more", "must be "+show(least)+" or more"
		}
	}
	return value{kind, accepts, func(text string) error {
		n, err := parse(text)
		if err != nil {
			return err
		}
		if within := n >= least && n <= most; !within { // as NaN is not
			return fmt.Errorf("%s, and is %s", must, text)
		}
		*to = n
		return nil
	}}
}

func number(to *int, least, most int) value {
	return ordered(to, "number", least, most, math.MaxInt, func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, Unread(WholeNumber, text, err)
		}
		return n, nil
	}, strconv.Itoa)
}

func fraction(to *float64, least, most float64) value {
	return ordered(to, "number", least, most, math.Inf(1), func(text string) (float64, error) {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, Unread(Number, text, err)
		}
		return n, nil
	}, func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) })
}

func duration(to *time.Duration, least, most time.Duration) value {
	return ordered(to, "duration", least, most, forever, func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, Unread(Duration, text, err)
		}
		return d, nil
	}, shortDuration)
}

// shortDuration is a duration without the zeros at its end: 1h, and not 1h0m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// mostBytes bounds sizes: beyond a pebibyte a size is a slip of the pen.
const mostBytes = 1 << 50

func size(to *int, least, most int) value {
	return ordered(to, "bytes", least, most, mostBytes, func(text string) (int, error) {
		n, err := humanize.ParseBytes(text)
		if err != nil || n > mostBytes {
			return 0, fmt.Errorf("must be a number of bytes like 256MiB, and is %q", text)
		}
		return int(n), nil
	}, func(n int) string {
		return strings.NewReplacer(".0 ", "", " ", "").Replace(humanize.IBytes(uint64(n)))
	})
}

// zeroOr accepts 0 too, which is like leaving the setting unset.
func zeroOr(v value) value {
	parse := v.parse
	v.parse = func(text string) error {
		if text == "0" {
			return nil
		}
		return parse(text)
	}
	return v
}

func boolean(to *bool) value {
	return value{boolKind, "", func(text string) (err error) {
		if *to, err = strconv.ParseBool(text); err != nil {
			return Unread(Boolean, text, err)
		}
		return nil
	}}
}

func choice(to *string, options ...string) value {
	return value{choiceKind, strings.Join(options, ", "), func(text string) error {
		if !slices.Contains(options, text) {
			return fmt.Errorf("must be one of %s, and is %q", strings.Join(options, ", "), text)
		}
		*to = text
		return nil
	}}
}

// list accepts texts separated by commas. White space around them is ignored.
func list(to *[]string, check func(string) error) value {
	return value{listKind, "", func(text string) error {
		var errs []error
		for item := range strings.SplitSeq(text, ",") {
			item = strings.TrimSpace(item)
			if err := check(item); err != nil {
				errs = append(errs, fmt.Errorf("%w, and has %q", err, item))
			}
			*to = append(*to, item)
		}
		return errors.Join(errs...)
	}}
}

// tokens is a list whose errors quote nothing of it.
func tokens(to *[]string) value {
	return value{listKind, "", func(text string) error {
		for item := range strings.SplitSeq(text, ",") {
			item = strings.TrimSpace(item)
			*to = append(*to, item)
			if err := auth.CheckToken(item); err != nil {
				return fmt.Errorf("must be separated by single commas: number %d of them %w", len(*to), err)
			}
		}
		return nil
	}}
}

func file(to *string) value {
	return value{"file", "", func(text string) error {
		*to = text
		return nil
	}}
}

// address accepts addresses to listen on.
func address(to *string) value {
	return value{"host:port", "", func(text string) error {
		if err := CheckAddress(text); err != nil {
			return err
		}
		*to = text
		return nil
	}}
}

// CheckAddress rejects what is no address to listen on. Its error completes a sentence that begins with the flag.
func CheckAddress(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("must be host:port, and is %q", text)
	}
	if !isPort(port) {
		return fmt.Errorf("must have a port from 0 to 65535, and is %q", text)
	}
	return nil
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// loopbackAddress accepts addresses that only this machine can reach.
func loopbackAddress(to *string) value {
	v := address(to)
	parse := v.parse
	v.parse = func(text string) error {
		if host, _, err := net.SplitHostPort(text); err != nil || !Loopback(host) {
			return fmt.Errorf("must be host:port on this machine, like 127.0.0.1:6060, and is %q", text)
		}
		return parse(text)
	}
	return v
}

// Loopback reports whether only this machine can reach the host. An empty host is every address.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// endpoint accepts the address of a collector.
func endpoint(to *string, example string) value {
	return value{"url", "", func(text string) error {
		if !isAddress(text) {
			return errors.New("must be an address like " + example)
		}
		*to = text
		return nil
	}}
}

func baseURL(to **url.URL) value {
	return value{"url", "", func(text string) error {
		if !isAddress(text) {
			return errors.New("must be an address like " + defaultBaseURL)
		}
		address, _ := url.Parse(text)
		if path.Base(address.Path) == "call" {
			return errors.New("must end before /call, which the gateway adds")
		}
		*to = address
		return nil
	}}
}

// isAddress reports whether a text is the address of a server, and holds no secret.
func isAddress(text string) bool {
	u, ok := ParseServer(text)
	return ok && u.User == nil
}

// ParseServer reads the address of a server over HTTP, which has neither a query nor a fragment, and reports whether it
// is one.
func ParseServer(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	return u, err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") &&
		(u.Port() == "" || isPort(u.Port())) && u.RawQuery == "" && u.Fragment == ""
}
