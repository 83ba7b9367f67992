package compare

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/servers"
)

// response returns a response with one call, whose cursor has a neighbour and was made at a time.
func response(id string, next bool, end relay.Cursor) []byte {
	return fmt.Appendf(nil, `{"data":{"calls":{"nodes":[{"id":%q}],"pageInfo":{"hasNextPage":%v,"endCursor":%q}}}}`,
		id, next, end)
}

func cursor(id string, position int) relay.Cursor {
	return relay.Cursor{Position: position, Element: relay.NewHash(id), Since: time.UnixMilli(1)}
}

func TestParseOptions(t *testing.T) {
	programs := []string{"-gateway", "/bin/sh", "-wrk", "/bin/sh"}
	for name, test := range map[string]struct {
		args  []string
		fails string // part of the error; empty: none
	}{
		"defaults":             {programs, ""},
		"workloads":            {append(programs, "-work", "S3, S1"), ""},
		"unknown workload":     {append(programs, "-work", "S4"), `unknown workload "S4"`},
		"no rounds":            {append(programs, "-rounds", "0"), "at least 1"},
		"too few connections":  {append(programs, "-connections", "1"), "at least -threads"},
		"argument":             {append(programs, "walk"), "no arguments"},
		"no gateway":           {append(programs, "-gateway", "/nowhere"), "make build"},
		"no wrk":               {append(programs, "-wrk", "/nowhere"), "apt-get install wrk"},
		"rounded up durations": {append(programs, "-duration", "1.2s"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := parseOptions(test.args)
			if (err != nil) != (test.fails != "") || err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Fatalf("error %v, want %q", err, test.fails)
			}
			if err == nil && (o.seconds != 2 || len(o.workloads) < 2 || o.rounds != 3) {
				t.Errorf("%+v", o)
			}
		})
	}
}

// Two responses are equal if they differ only in the neighbours and the age of their cursors.
func TestNormalizeCursors(t *testing.T) {
	other := cursor("a", 7)
	other.Since, other.After = time.UnixMilli(2), []relay.Hash{relay.NewHash("b")}
	first, err := normalizeCursors(response("a", true, cursor("a", 7)))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		body []byte
		same bool
	}{
		"other neighbours": {response("a", true, other), true},
		"other position":   {response("a", true, cursor("a", 8)), false},
		"other element":    {response("a", true, cursor("b", 7)), false},
		"other call":       {response("b", true, cursor("a", 7)), false},
	} {
		if got, err := normalizeCursors(test.body); err != nil || (string(got) == string(first)) != test.same {
			t.Errorf("%s: %s, error %v", name, got, err)
		}
	}
	if _, err := normalizeCursors([]byte(strings.Replace(string(first), "data", "x", 1))); err == nil {
		t.Error("a response without data is not an error")
	}
	if _, err := normalizeCursors(first); err == nil {
		t.Error("a malformed cursor is not an error")
	}
}

func TestSameNodes(t *testing.T) {
	want := response("a", true, cursor("a", 7))
	for name, test := range map[string]struct {
		got  []byte
		same bool
	}{
		"equal":          {want, true},
		"other position": {response("a", true, cursor("a", 9)), true},
		"spaces":         {[]byte(strings.ReplaceAll(string(want), ":", ": ")), true},
		"other call":     {response("b", true, cursor("a", 7)), false},
		"no next page":   {response("a", false, cursor("a", 7)), false},
		"other element":  {response("a", true, cursor("b", 7)), false},
		"an error":       {[]byte(`{"errors":[{"message":"x"}]}`), false},
	} {
		if err := sameNodes(test.got, want); (err == nil) != test.same {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// A server of stored bodies must send the gateway's bytes and headers.
func TestCheckPlain(t *testing.T) {
	q := &requestSet{workload: workload{name: "S1"}}
	stored := plain{}
	for i := range windows {
		q.bodies[i] = []byte("{}")
		q.responses[i] = fmt.Appendf(nil, "response %d", i)
		stored[q.key(i)] = storedBody{q.responses[i], []string{fmt.Sprint(len(q.responses[i]))}}
	}
	start := func(h http.Handler) *servers.Process {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return servers.External(server.URL + "/")
	}
	gateway := start(stored)
	check := func(h http.Handler) error { return q.checkPlain(t.Context(), load.NewClient(), start(h), gateway) }
	if err := check(stored); err != nil {
		t.Error(err)
	}
	if err := check(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Other", "1")
		stored.ServeHTTP(w, r)
	})); err == nil || !strings.Contains(err.Error(), "headers") {
		t.Errorf("another header: error %v", err)
	}
	other := maps.Clone(stored)
	other[q.key(9)] = storedBody{[]byte("Response 9"), []string{"10"}}
	if err := check(other); err == nil || !strings.Contains(err.Error(), "window 9: the bytes differ") {
		t.Errorf("other bytes: error %v", err)
	}
	delete(other, q.key(9))
	if err := check(other); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a missing body: error %v", err)
	}
}

// A run of wrk counts only without failures, and with responses of the right size.
func TestWrk(t *testing.T) {
	process := servers.External("http://unused/")
	process.PID = os.Getpid()
	const good = `"requests":1000,"micros":2000000,"bytes":50000,"p50":3,"p99":70`
	for name, test := range map[string]struct {
		script string // of a shell in place of wrk
		fails  string
	}{
		"good":            {`echo noise; echo '{` + good + `}'`, ""},
		"timeouts":        {`echo '{` + good + `,"timeout":1}'`, "Timeout:1"},
		"error statuses":  {`echo '{` + good + `,"status":2}'`, "Status:2"},
		"small responses": {`echo '{` + strings.Replace(good, "50000", "49999", 1) + `}'`, "at least 50 bytes"},
		"no requests":     {`echo '{}'`, "Requests:0"},
		"no outcome":      {`echo noise`, "no outcome"},
		"exit status":     {`echo broken >&2; exit 3`, "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "wrk")
			if err := os.WriteFile(path, []byte("#!/bin/sh\n"+test.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			w := &wrk{&options{wrk: path}, ""}
			s, err := w.load(t.Context(), process, "requests", 2, 50)
			if (err != nil) != (test.fails != "") || err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Fatalf("error %v, want %q", err, test.fails)
			}
			if err == nil && (s.perSecond != 500 || s.p50 != 3*time.Microsecond || s.p99 != 70*time.Microsecond) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// Medians are of the rounds, and ratios of the same round.
func TestReport(t *testing.T) {
	q := &requestSet{workload: workload{name: "S9", about: "a test"}}
	q.responses[0] = make([]byte, windows*1500)
	r := &results{
		options: &options{rounds: 3, seconds: 2, threads: 2, connections: 32, workloads: []workload{q.workload}},
		sets:    []*requestSet{q},
		samples: map[cell][]*sample{},
		peak:    map[string]int{plainServer: 10 << 20},
		idle:    20 << 20,
		cold: []cold{{
			connections: 4,
			took: [3][]time.Duration{
				viaGateway: {3 * time.Millisecond, 9 * time.Millisecond},
				directly:   {2 * time.Millisecond, 5 * time.Millisecond},
				viaProxy:   {4 * time.Millisecond, 8 * time.Millisecond},
			},
		}},
	}
	for server, rates := range map[string][3]float64{
		plainServer: {1000, 4000, 2000}, cachedServer: {500, 1000, 1000},
		executingServer: {100, 200, 300}, generatedServer: {10, 40, 60},
	} {
		for _, rate := range rates {
			s := &sample{perSecond: rate, cpu: 42 * time.Microsecond, p50: time.Millisecond, p99: 2 * time.Millisecond}
			r.samples[cell{"S9", server}] = append(r.samples[cell{"S9", server}], s)
		}
	}
	for _, want := range []string{
		"Rounds: 3, of 2 s each; wrk with 2 threads and 32 connections;",
		"| S9: a test | 1.5 kB | 2,000 | 1,000 | 200 | 40 | 0.50 (0.25–0.50) | 0.10 (0.05–0.15) | 5.00 (5.00–10.00) |",
		"| S9: a test | 42 | 42 | 42 | 42 |",
		"| S9: a test | 1.0 | 1.0 | 1.0 | 1.0 |",
		"| net/http, peak | 10.0 |",
		"| gateway, just started | 20.0 |",
		"| nothing cached, upstream 20ms away: S9: a test; ms |",
		"| 4 connections | 3.00 | 9.00 | 2.00 | 5.00 | 1.00 | 4.00 | 2.00 | 3.00 |",
	} {
		if !strings.Contains(r.String(), want) {
			t.Errorf("%s is missing in\n%s", want, r)
		}
	}
}
