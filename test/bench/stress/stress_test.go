package stress

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/test/bench/lists"
	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/servers"
)

// -short chooses the short scenarios and a duration, unless other flags do.
func TestShortForm(t *testing.T) {
	for name, test := range map[string]struct {
		args  []string
		long  time.Duration
		names []string // nil: those that are short
	}{
		"short":        {nil, 3 * time.Second, nil},
		"longer":       {[]string{"-for", "5s"}, 5 * time.Second, nil},
		"chosen":       {[]string{"-scenario", "large,slow"}, 3 * time.Second, []string{"large", "slow"}},
		"chosen twice": {[]string{"-scenario", "slow", "-for", "1s"}, time.Second, []string{"slow"}},
	} {
		o := &options{}
		flags := flag.NewFlagSet(name, flag.ContinueOnError)
		o.AddFlags(flags, o.scenarios())
		flags.DurationVar(&o.duration, "for", time.Minute, "")
		if err := flags.Parse(test.args); err != nil {
			t.Fatal(err)
		}
		o.shorten(flags)
		var names []string
		for _, s := range o.Chosen {
			names = append(names, s.Name)
		}
		want := test.names
		if want == nil {
			for _, l := range workloads() {
				if l.short {
					want = append(want, l.name)
				}
			}
		}
		if o.duration != test.long || !slices.Equal(names, want) {
			t.Errorf("%s: %v of %v, not %v of %v", name, o.duration, names, test.long, want)
		}
	}
}

// read finds out whether a response was cut off, with and without a Content-Length.
func TestReadFindsCuts(t *testing.T) {
	response := []byte(`{"data":{"calls":null}}`)
	for name, test := range map[string]struct {
		respond func(w http.ResponseWriter)
		cut     bool
		code    string
	}{
		"whole": {func(w http.ResponseWriter) { _, _ = w.Write(response) }, false, ""},
		"refused": {func(w http.ResponseWriter) {
			_, _ = w.Write([]byte(`{"errors":[{"code":"OVERLOADED"}]}`))
		}, false, "OVERLOADED"},
		"chunked": {func(w http.ResponseWriter) {
			_, _ = w.Write(response[:5])
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(response[5:])
		}, false, ""},
		"cut": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(response)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, true, ""},
		"no response": {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, false, ""},
		"cut, chunked": {func(w http.ResponseWriter) {
			_, _ = w.Write(response[:5])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, true, ""},
		"no end of the JSON": {func(w http.ResponseWriter) { _, _ = w.Write(response[:10]) }, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { test.respond(w) }))
			defer server.Close()
			s := &target{Target: &load.Target{Gateway: &servers.Process{URL: server.URL + "/"}}}
			r := s.read(t.Context(), server.Client(), []byte("{}"), lineRate)
			var counts outcomes
			_ = counts.add(t.Context(), r)
			if (counts.cut != nil) != test.cut || (counts.none != nil) != (name == "no response") || r.code != test.code {
				t.Errorf("%v, code %q: %v", counts.String(), r.code, counts.cut)
			}
		})
	}
}

// A cursor that a load makes equals that of a response, except for its position and calls.
func TestCursors(t *testing.T) {
	known := relay.Cursor{List: 7, Position: 9, Since: time.UnixMilli(1), Process: 5, Element: relay.NewHash("x")}
	response, err := json.Marshal(map[string]any{"data": map[string]any{"calls": map[string]any{
		"nodes": []any{}, "pageInfo": map[string]any{"endCursor": known.String()},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(response)
	}))
	defer server.Close()
	s := &target{Target: &load.Target{Client: server.Client(), Gateway: &servers.Process{URL: server.URL + "/"}}}
	at, err := s.cursors(t.Context(), "", func(position int) string { return lists.ID("", position) })
	if err != nil {
		t.Fatal(err)
	}
	got, err := relay.ParseCursor(at(40))
	if err != nil || got.List != 7 || got.Process != 5 || got.Position != 40 || got.Element != relay.NewHash("-40") ||
		!slices.Equal(got.After, []relay.Hash{relay.NewHash("-41"), relay.NewHash("-42"), relay.NewHash("-43")}) ||
		!slices.Equal(got.Before, []relay.Hash{relay.NewHash("-39"), relay.NewHash("-38"), relay.NewHash("-37")}) {
		t.Errorf("%+v: %v", got, err)
	}
}

func TestReadTexts(t *testing.T) {
	text := []byte("# HELP go_goroutines Number.\ngo_goroutines 31\ngo_goroutines_more 7\nprocess_open_fds 1.2e+01\n" +
		"rejected_total{reason=\"memory\"} 5\n")
	for name, want := range map[string]int{
		"go_goroutines": 31, "process_open_fds": 12, "go": 0, `rejected_total{reason="memory"}`: 5,
	} {
		if got := metric(text, name); got != want {
			t.Errorf("%s is %d, not %d", name, got, want)
		}
	}
	if got := firstLines("a\n"+strings.Repeat("b", 500)+"\nc\nd", 2); got != "a\n"+strings.Repeat("b", 400)+"\n…" {
		t.Errorf("the first lines are %q", got)
	}
}

// A closed connection is replaced, until the context is done.
func TestConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &target{Target: &load.Target{Gateway: &servers.Process{URL: "http://" + listener.Addr().String() + "/"}}}
	uses := 0
	opened := s.connections(ctx, 1, time.Millisecond, func(context.Context, net.Conn) error {
		if uses++; uses == 3 {
			cancel()
		}
		return io.EOF
	})
	if opened != 3 {
		t.Errorf("%d connections opened", opened)
	}
}
