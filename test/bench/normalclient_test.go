package main

import (
	"errors"
	"io"
	"testing"
	"time"
)

// A normal client fails with one question that is not answered, and those for cold pages count unless they may fail.
func TestNormalReplies(t *testing.T) {
	good, refused := reply{took: time.Millisecond}, reply{code: "OVERLOADED"}
	none := reply{err: io.ErrUnexpectedEOF}
	shed := reply{err: errors.New(`503 Service Unavailable: {"errors":[{"extensions":{"code":"OVERLOADED"}}]}`)}
	for name, test := range map[string]struct {
		hot, cold []reply
		errors    string
		fails     bool
		failsCold bool // also where cold pages may fail
	}{
		"all are answered": {[]reply{good, good}, []reply{good}, "0", false, false},
		"one is refused":   {[]reply{good, refused}, []reply{good}, "OVERLOADED 1", true, true},
		"one by a status":  {[]reply{shed}, nil, "OVERLOADED 1", true, true},
		"one has none":     {[]reply{none, good}, nil, "none or wrong 1", true, true},
		"a cold one":       {[]reply{good}, []reply{refused, good, refused}, "cold: OVERLOADED 2", true, false},
		"both":             {[]reply{none}, []reply{refused}, "none or wrong 1; cold: OVERLOADED 1", true, true},
	} {
		n := newNormalReplies(test.hot, test.cold)
		if got := n.errors(); got != test.errors {
			t.Errorf("%s: %s, not %s", name, got, test.errors)
		}
		if (n.failed(false) != nil) != test.fails || (n.failed(true) != nil) != test.failsCold {
			t.Errorf("%s: %v, and where cold pages may fail %v", name, n.failed(false), n.failed(true))
		}
	}
}
