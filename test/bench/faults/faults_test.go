package faults

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/report"
)

func TestParseOptions(t *testing.T) {
	for name, test := range map[string]struct {
		args  []string
		fails string // part of the error
	}{
		"too short":        {[]string{"-down", "500ms"}, "at least 1s"},
		"an argument":      {[]string{"outage"}, "no arguments"},
		"unknown scenario": {[]string{"-scenario", "flood"}, `unknown scenario "flood"`},
		"no gateway":       {[]string{"-gateway", "/nowhere"}, "make build"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseOptions(test.args); err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("error %v, want %q", err, test.fails)
			}
		})
	}
	o, err := parseOptions([]string{"-gateway", "/bin/sh", "-scenario", "stampede", "-retrystorm", "5s"})
	if err != nil || o.retryStorm != 5*time.Second || o.down != time.Minute || len(o.Chosen) != 1 {
		t.Errorf("%+v, error %v", o, err)
	}
}

func TestRetryStormLimits(t *testing.T) {
	replies := make([]load.Reply, 100) // 20 retries, 10 at once, and 1 per second are allowed
	for name, test := range map[string]struct {
		requests []int // for each page
		replies  []load.Reply
		fails    string
	}{
		"as many retries as allowed": {append(repeat(2, 40), 1, 1, 0), replies, ""},
		"one more":                   {repeat(2, 41), replies, "41 retries"},
		"four attempts":              {[]int{4}, replies, "4 attempts"},
		"three attempts":             {[]int{3}, replies, ""},
		"an incorrect reply":         {[]int{1}, append(replies, load.Reply{Err: io.EOF}), "1 of 101"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &retryStorm{replies: test.replies, requests: map[string]int{}, took: 10 * time.Second}
			for i, n := range test.requests {
				m.requests[fmt.Sprint(i)] = n
			}
			err := m.check()
			if (err != nil) != (test.fails != "") || err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Errorf("error %v, want %q", err, test.fails)
			}
		})
	}
	m := &retryStorm{replies: replies, requests: map[string]int{"a": 3, "b": 0, "c": 1}, took: time.Second}
	if sent, requests, most := m.attempts(); sent != 2 || requests != 4 || most != 3 {
		t.Errorf("%d pages, %d requests, at most %d for one", sent, requests, most)
	}
	var table report.Table
	m.report(&table, "at random")
	if got := table.String(); !strings.HasPrefix(got, "| at random | 100 | 2 | 4 | 3 | 2 | 0.020 | 31 | 100 | 0 |") {
		t.Error(got)
	}
}

func repeat(n, times int) []int {
	all := make([]int, times)
	for i := range all {
		all[i] = n
	}
	return all
}

// The figures of an outage from 10 s to 20 s.
func TestOutageReport(t *testing.T) {
	start := time.UnixMilli(1_700_000_000_000)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	age := 4.0
	w := &timeline{down: at(10), back: at(20)}
	for _, seconds := range []float64{20.1, 20.9, 22, 22.2, 22.4} {
		w.requests = append(w.requests, at(seconds))
	}
	if first, most := w.bursts(); first != 2 || most != 3 {
		t.Errorf("%d requests in the first second, at most %d", first, most)
	}
	replies := []load.Reply{
		{Due: at(5), ReadAt: at(4)},
		{Due: at(12), Stale: &age, ReadAt: at(8)},
		{Due: at(15), Code: "UPSTREAM_UNAVAILABLE"},
		{Due: at(21), Stale: &age, ReadAt: at(8)},
		{Due: at(22), Code: "UPSTREAM_UNAVAILABLE"},
		{Due: at(23), Latency: 500 * time.Millisecond, ReadAt: at(22)},
	}
	var o options
	var table report.Table
	o.report(&table, w, replies)
	for _, want := range []string{
		"| before | 1 | 1 | 1.0 | 0 | – | 0 |",
		"| down | 2 | 0 | 0.0 | 1 | 4–4 | UPSTREAM_UNAVAILABLE 1 |",
		"| after | 3 | 1 | 1.5 | 1 | 4–4 | UPSTREAM_UNAVAILABLE 1 |",
		"| upstream requests in the first second | 2 |",
		"| upstream requests in the second with the most | 3 |",
		"| seconds until the first response with a page read since | 3.50 |",
		"| seconds until the last response marked as stale | 1.00 |",
		"| seconds until the last error | 2.00 |",
		"| seconds until the last response with a page read before | 1.00 |",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%s is missing in\n%s", want, &table)
		}
	}
	if got := w.first(replies[:5]); got != "never" {
		t.Errorf("without a fresh response: %s", got)
	}
	if got := w.last(replies[:5], func(r *load.Reply) bool { return r.Code != "" }); got != "not yet" {
		t.Errorf("with an error at the end: %s", got)
	}
}

func TestCheckStampede(t *testing.T) {
	response := func(calls int) []byte {
		nodes := strings.TrimSuffix(strings.Repeat(`{"id": "a"},`, calls), ",")
		return []byte(`{"data": {"calls": {"nodes": [` + nodes + `]}}}`)
	}
	if err := checkStampede(response(stampedeCalls)); err != nil {
		t.Error(err)
	}
	if err := checkStampede(response(stampedeCalls - 1)); err == nil {
		t.Error("a missing call is not an error")
	}
}
