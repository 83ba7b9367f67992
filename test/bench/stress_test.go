package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/graph/relay"
)

// The percentile is the least of the values that so many percent do not exceed.
func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for name, test := range map[string]struct {
		sorted  []time.Duration
		percent int
		want    time.Duration
	}{
		"the median of a hundred": {hundred, 50, 50},
		"the 99th":                {hundred, 99, 99},
		"the most":                {hundred, 100, 100},
		"of one":                  {hundred[:1], 1, 1},
		"of two":                  {hundred[:2], 50, 1},
		"above half of two":       {hundred[:2], 51, 2},
		"the 99th of ten":         {hundred[:10], 99, 10},
	} {
		if got := percentile(test.sorted, test.percent); got != test.want {
			t.Errorf("%s is %d, not %d", name, got, test.want)
		}
	}
}

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

// The table has a row for each scenario, says what does not hold, and how the memory was bounded.
func TestStressTable(t *testing.T) {
	calm := newNormalReplies([]reply{{took: time.Millisecond}}, []reply{{took: 2 * time.Millisecond}})
	busy := newNormalReplies(
		[]reply{{took: 3 * time.Millisecond}, {took: 5 * time.Millisecond}}, []reply{{took: 7 * time.Millisecond}})
	o := &troubleOptions{}
	if got := o.stressTable(); got != "" {
		t.Errorf("without results: %s", got)
	}
	series := slices.Repeat([]int{20 << 20, 10 << 20, 30 << 20}, 40)
	o.results = []stressResult{
		{name: "names", requests: 12, atOnce: 3, before: calm, during: busy, peak: 100 << 20, group: 90 << 20},
		{name: "large", err: errors.New("killed"), notes: []string{"cut 2"}},
		{name: everythingName, before: calm, during: busy, series: series},
	}
	text := o.stressTable()
	for _, want := range []string{
		"In a control group of 1024 MiB.\n",
		"| names | 12 | 3 | 0 | 1.00 / 3.00 | 1.00 / 5.00 | 2.00 / 7.00 | 2.00 / 7.00 | 100.0 / 90.0 | holds |\n",
		"| large | – | – | – | – | – | – | – | – | FAILS; cut 2 |\n",
		"\nlarge: killed.\n",
		"| 1 | 10.0 | 20.0 | 30.0 |\n| 2 | 10.0 | 20.0 | 30.0 |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	o.goMemLimit = "900MiB"
	if text := o.stressTable(); !strings.Contains(text, "with GOMEMLIMIT=900MiB.") {
		t.Error(text)
	}
	o.fallback = "not allowed"
	if text := o.stressTable(); !strings.Contains(text, "Without a control group (not allowed)") {
		t.Error(text)
	}
}

// Memory that still grows in the second half is seen, and caches that fill in the first are not taken for it.
func TestFlat(t *testing.T) {
	series := func(minutes int, mebibytes func(second int) int) []int {
		all := make([]int, minutes*60)
		for i := range all {
			all[i] = mebibytes(i) << 20
		}
		return all
	}
	for name, test := range map[string]struct {
		series []int
		flat   bool
	}{
		"flat":                    {series(10, func(int) int { return 400 }), true},
		"caches fill":             {series(10, func(i int) int { return min(i, 300) * 2 }), true},
		"a peak":                  {series(10, func(i int) int { return 100 + i/590*700 }), true},
		"it grows":                {series(10, func(i int) int { return 100 + i }), false},
		"it grows, of little":     {series(10, func(i int) int { return 10 + i/15 }), true},
		"too short to tell":       {series(5, func(i int) int { return 100 + i }), true},
		"what is no whole minute": {append(series(10, func(int) int { return 100 }), 900<<20), true},
		"nothing":                 {nil, true},
	} {
		if err := flat(test.series); (err == nil) != test.flat {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The short form has some of the scenarios, and neither of the two decides what was chosen.
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
		o := &troubleOptions{}
		flags := flag.NewFlagSet(name, flag.ContinueOnError)
		o.common(flags, stressScenarios())
		flags.DurationVar(&o.stress, "for", time.Minute, "")
		if err := flags.Parse(test.args); err != nil {
			t.Fatal(err)
		}
		o.shorten(flags)
		var names []string
		for _, s := range o.scenarios {
			names = append(names, s.name)
		}
		want := test.names
		if want == nil {
			for _, l := range stressLoads() {
				if l.short {
					want = append(want, l.name)
				}
			}
		}
		if o.stress != test.long || !slices.Equal(names, want) {
			t.Errorf("%s: %v of %v, not %v of %v", name, o.stress, names, test.long, want)
		}
	}
}

// An honest client finds out whether it was cut off, however its answer is sent.
func TestReadFindsCuts(t *testing.T) {
	answer := []byte(`{"data":{"calls":null}}`)
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter)
		cut    bool
		code   string
	}{
		"whole": {func(w http.ResponseWriter) { _, _ = w.Write(answer) }, false, ""},
		"refused": {func(w http.ResponseWriter) {
			_, _ = w.Write([]byte(`{"errors":[{"code":"OVERLOADED"}]}`))
		}, false, "OVERLOADED"},
		"chunked": {func(w http.ResponseWriter) {
			_, _ = w.Write(answer[:5])
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(answer[5:])
		}, false, ""},
		"cut": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(answer)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, true, ""},
		"no answer": {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, false, ""},
		"cut, chunked": {func(w http.ResponseWriter) {
			_, _ = w.Write(answer[:5])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, true, ""},
		"no end of the JSON": {func(w http.ResponseWriter) { _, _ = w.Write(answer[:10]) }, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { test.answer(w) }))
			defer server.Close()
			s := &stressed{scene: &scene{gateway: &child{url: server.URL + "/"}}}
			r := s.read(t.Context(), server.Client(), []byte("{}"), lineRate)
			var counts tried
			_ = counts.add(t.Context(), r)
			if (counts.cut != nil) != test.cut || (counts.none != nil) != (name == "no answer") || r.code != test.code {
				t.Errorf("%v, code %q: %v", counts.String(), r.code, counts.cut)
			}
		})
	}
}

// The lists beside the fake's are distinct, their pages are JSON, and what is hostile in them is no larger than the
// gateway reads.
func TestLoadedUpstream(t *testing.T) {
	u, err := startLoadedUpstream(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer u.stop()
	seen := map[string]bool{}
	for _, with := range []string{"", largeStatus, hostileStatus, hangingStatus} {
		for _, list := range lists(with) {
			if seen[list] || !strings.Contains(list, with) {
				t.Errorf("%q is there twice, or without %q", list, with)
			}
			seen[list] = true
		}
	}
	if len(seen) != 15+3*16 {
		t.Errorf("%d lists", len(seen))
	}
	page := listPageOf("completed", listRows-3, 20, mediumRow)
	var rows struct {
		Calls []struct {
			ID         string
			Transcript []said
		}
	}
	if err := json.Unmarshal(page, &rows); err != nil || len(rows.Calls) != 3 ||
		rows.Calls[0].ID != listID("completed", listRows-3) ||
		len(rows.Calls[0].Transcript[0].Content) != mediumRow {
		t.Errorf("the last page: %v, %d calls", err, len(rows.Calls))
	}
	if past := listPageOf("completed", listRows+7, 20, mediumRow); string(past) != `{"calls":[]}` {
		t.Errorf("past the end: %.100s", past)
	}
	for i, body := range u.bodies {
		if b := body(); len(b) > upstreamMost || len(b) < upstreamMost/2 || !json.Valid(b) {
			t.Errorf("hostile body %d has %d bytes, or is no JSON", i, len(b))
		}
	}
	u.refuse.Store(&http.Header{"Retry-After": {"9"}})
	for i, want := range []int{http.StatusTooManyRequests, http.StatusOK} {
		resp, err := http.Get(u.url + "/call?page=0&page_size=2&statuses=completed")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want || (resp.Header.Get("Retry-After") != "") != (i == 0) {
			t.Errorf("request %d: %s, %v", i, resp.Status, resp.Header)
		}
	}
	if u.requests.Load() != 2 || u.most() != 1 || u.most() != 0 {
		t.Errorf("%d requests", u.requests.Load())
	}
}

// A made cursor is like that of an answer, of another position.
func TestCursors(t *testing.T) {
	known := relay.Cursor{List: 7, Position: 9, Since: time.UnixMilli(1), Process: 5, Element: relay.NewHash("x")}
	answer, err := json.Marshal(map[string]any{"data": map[string]any{"calls": map[string]any{
		"nodes": []any{}, "pageInfo": map[string]any{"endCursor": known.String()},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) }))
	defer server.Close()
	s := &stressed{scene: &scene{client: server.Client(), gateway: &child{url: server.URL + "/"}}}
	at, err := s.cursors(t.Context(), "", func(position int) string { return listID("", position) })
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

// A process is watched, and where no control group bounds it killed beyond a bound.
func TestSampler(t *testing.T) {
	for name, test := range map[string]struct {
		bound  int
		killed bool
	}{
		"without a bound": {0, false},
		"below it":        {1 << 30, false},
		"beyond it":       {1, true},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "cat")
			stdin, err := cmd.StdinPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			s := sampleMemory(cmd.Process.Pid, test.bound)
			if test.killed {
				<-s.done
			} else {
				_ = s.stop()
			}
			_ = stdin.Close()
			if err := cmd.Wait(); (err != nil) != test.killed {
				t.Errorf("it has ended with %v", err)
			}
			if s.most == 0 {
				t.Error("nothing was seen of its memory")
			}
		})
	}
}

// Nobody reads a log that is held, and when it is closed whoever writes is told so.
func TestHeldLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &childLog{url: make(chan string, 1)}
		if n, err := l.Write([]byte("before\n")); n != 7 || err != nil {
			t.Fatal(n, err)
		}
		closeLog := l.hold()
		written := make(chan error, 1)
		go func() {
			_, err := l.Write([]byte("after\n"))
			written <- err
		}()
		synctest.Wait()
		if len(written) > 0 {
			t.Error("it was read")
		}
		closeLog()
		closeLog() // the second does nothing
		if err := <-written; !errors.Is(err, errLogClosed) || l.String() != "before\n" {
			t.Errorf("%v, %q", err, l.String())
		}
	})
}

// Connections that stand still carry nothing and stay open; others carry.
func TestStandingProxy(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	defer server.Close()
	p, err := startProxy(t.Context(), server.URL+"/api")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	if !strings.HasSuffix(p.url, "/api") || strings.HasPrefix(p.url, server.URL) {
		t.Errorf("its address is %s", p.url)
	}
	ask := func(ctx context.Context, client *http.Client) error {
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader([]byte("hello")))
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err == nil && string(body) != "hello" {
			err = errors.New("another answer")
		}
		return err
	}
	before, after := &http.Client{Transport: &http.Transport{}}, &http.Client{Transport: &http.Transport{}}
	if err := ask(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	if opened := p.stand(); opened != 1 {
		t.Errorf("%d connections", opened)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answered := make(chan error, 1)
	go func() { answered <- ask(ctx, before) }()
	if err := ask(t.Context(), after); err != nil {
		t.Error(err)
	}
	select {
	case err := <-answered:
		t.Fatalf("a connection that stands still answers: %v", err)
	default:
	}
	cancel()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("a connection that stands still: %v", err)
	}
	if opened := p.stand(); opened != 2 {
		t.Errorf("%d connections", opened)
	}
}

// What is read of metrics and of errors.
func TestReadTexts(t *testing.T) {
	text := []byte("# HELP go_goroutines Number.\ngo_goroutines 31\ngo_goroutines_more 7\nprocess_open_fds 1.2e+01\n")
	for name, want := range map[string]int{"go_goroutines": 31, "process_open_fds": 12, "go": 0} {
		if got := metric(text, name); got != want {
			t.Errorf("%s is %d, not %d", name, got, want)
		}
	}
	for body, want := range map[string]string{
		`{"errors":[{"extensions":{"code":"OVERLOADED"}},{"code":"B"}]}`: "OVERLOADED",
		`{"data":{}}`: "", `{"code":"cut`: "",
	} {
		if got := errorCode([]byte(body)); got != want {
			t.Errorf("%s has %q", body, got)
		}
	}
	if got := firstLines("a\n"+strings.Repeat("b", 500)+"\nc\nd", 2); got != "a\n"+strings.Repeat("b", 400)+"\n…" {
		t.Errorf("the first lines are %q", got)
	}
}

// A connection that is closed is opened again, until the time is over.
func TestConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &stressed{scene: &scene{gateway: &child{url: "http://" + listener.Addr().String() + "/"}}}
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
