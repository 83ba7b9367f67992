package stress

import (
	"errors"
	"io"
	"testing"
	"time"

	"revox-graphql/test/bench/load"
)

// One failed request is an error; failures of cold pages count unless they are allowed.
func TestNormalReplies(t *testing.T) {
	good, refused := load.Reply{Latency: time.Millisecond}, load.Reply{Code: "OVERLOADED"}
	none := load.Reply{Err: io.ErrUnexpectedEOF}
	shed := load.Reply{Err: errors.New(`503 Service Unavailable: {"errors":[{"extensions":{"code":"OVERLOADED"}}]}`)}
	for name, test := range map[string]struct {
		hot, cold []load.Reply
		errors    string
		fails     bool
		failsCold bool // also where cold pages may fail
	}{
		"no failure":                 {[]load.Reply{good, good}, []load.Reply{good}, "0", false, false},
		"one rejected":               {[]load.Reply{good, refused}, []load.Reply{good}, "OVERLOADED 1", true, true},
		"one rejected with a status": {[]load.Reply{shed}, nil, "OVERLOADED 1", true, true},
		"one without a response":     {[]load.Reply{none, good}, nil, "none or incorrect 1", true, true},
		"cold ones": {
			[]load.Reply{good}, []load.Reply{refused, good, refused}, "cold: OVERLOADED 2", true, false,
		},
		"both": {
			[]load.Reply{none}, []load.Reply{refused}, "none or incorrect 1; cold: OVERLOADED 1", true, true,
		},
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
