package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/test/bench/servers"
)

// transport responds in place of a gateway.
type transport func(body string) (string, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	content, err := t(string(body))
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(content))}, nil
}

func newTestTarget(respond transport) *Target {
	return &Target{Gateway: servers.External("http://gateway/"), Client: &http.Client{Transport: respond}}
}

// response returns a response with some calls, whose cursor was made at a time.
func response(ids string, next bool, since time.Time) string {
	cursor := relay.Cursor{Position: 1, Since: since, Element: relay.NewHash(ids)}
	var nodes []string
	for id := range strings.FieldsSeq(ids) {
		nodes = append(nodes, fmt.Sprintf(`{"id": %q}`, id))
	}
	return fmt.Sprintf(`{"data": {"calls": {"nodes": [%s], "pageInfo": {"hasNextPage": %v, "endCursor": %q}}}}`,
		strings.Join(nodes, ", "), next, cursor)
}

const rejected = `{"errors": [{"extensions": {"code": "OVERLOADED"}}]}`

func TestReplyRead(t *testing.T) {
	since := time.UnixMilli(1_700_000_000_123)
	calls := json.RawMessage(`[{"id":"a"},{"id":"b"}]`)
	stale := strings.Replace(response("a b", true, since), `{"data"`, `{"extensions": {"stale": 7.5}, "data"`, 1)
	for name, test := range map[string]struct {
		body  string
		code  string
		stale float64
		fails string // part of the error; empty: none
	}{
		"correct":            {body: response("a b", true, since)},
		"stale":              {body: stale, stale: 7.5},
		"rejected":           {body: rejected, code: "OVERLOADED"},
		"error without code": {body: `{"errors": [{"message": "x"}]}`, fails: "without a code"},
		"other calls":        {body: response("b a", true, since), fails: "differ"},
		"not JSON":           {body: `<html>`, fails: "not JSON"},
		"no calls":           {body: `{"data": {"calls": null}}`, fails: "has errors"},
		"malformed cursor": {
			body:  `{"data": {"calls": {"nodes": [], "pageInfo": {"endCursor": "x"}}}}`,
			fails: `"x"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var r Reply
			err := r.read([]byte(test.body), calls)
			if (err != nil) != (test.fails != "") || err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Fatalf("error %v, want %q", err, test.fails)
			}
			if r.Code != test.code {
				t.Errorf("code %q, want %q", r.Code, test.code)
			}
			if err == nil && test.code == "" && !r.ReadAt.Equal(since) {
				t.Errorf("read at %v, want %v", r.ReadAt, since)
			}
			if (r.Stale != nil) != (test.stale > 0) || r.Stale != nil && *r.Stale != test.stale {
				t.Errorf("stale %v, want %v", r.Stale, test.stale)
			}
		})
	}
}

// A status other than 200 is an error with the body, and only requests with a body have a content type.
func TestPost(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Sent", r.Method+" "+r.Header.Get("Content-Type"))
		if string(body) == "reject" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = fmt.Fprintf(w, "%s %s", r.URL.Path, body)
	}))
	defer server.Close()
	client := NewClient()
	defer client.CloseIdleConnections()
	if body, err := Post(t.Context(), client, server.URL+"/graphql", []byte("hello")); string(body) != "/graphql hello" {
		t.Errorf("%s, error %v", body, err)
	}
	body, err := Post(t.Context(), client, server.URL, []byte("reject"))
	if err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), string(body)) {
		t.Errorf("%s, error %v", body, err)
	}
	if body, err := Get(t.Context(), client, server.URL+"/metrics"); err != nil || string(body) != "/metrics " {
		t.Errorf("%s, error %v", body, err)
	}
	header, err := PostHeader(t.Context(), client, server.URL, nil)
	if err != nil || header.Get("X-Sent") != "POST application/json" {
		t.Errorf("%v, error %v", header, err)
	}
	u := &servers.Upstream{URL: server.URL + "/api"}
	if body, err := RESTPage(t.Context(), client, u, 3, 50); err != nil || string(body) != "/api/call " {
		t.Errorf("%s, error %v", body, err)
	}
}

func TestErrorCode(t *testing.T) {
	for body, want := range map[string]string{
		`{"errors":[{"extensions":{"code":"OVERLOADED"}},{"code":"B"}]}`: "OVERLOADED",
		`{"data":{}}`: "", `{"code":"cut`: "",
	} {
		if got := ErrorCode([]byte(body)); got != want {
			t.Errorf("%s has the code %q, want %q", body, got, want)
		}
	}
}

// Whitespace and unescaped characters make no difference.
func TestNodes(t *testing.T) {
	got, err := Nodes([]byte(`{"data": {"calls": {"nodes": [ {"id": "<a>"} ]}}}`))
	if want := `[{"id":"\u003ca\u003e"}]`; err != nil || string(got) != want {
		t.Errorf("%s (%v), want %s", got, err, want)
	}
	if _, err := Nodes([]byte(`{`)); err == nil {
		t.Error("a truncated response is not an error")
	}
}

func TestTally(t *testing.T) {
	start, age := time.UnixMilli(0), 3.0
	at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }
	tally := NewTally([]Reply{
		{Due: at(10), Latency: time.Second, ReadAt: at(4)},
		{Due: at(10), Latency: 3 * time.Second, ReadAt: at(9)},
		{Due: at(10), Latency: 2 * time.Second, Stale: &age},
		{Due: at(10), Code: "OVERLOADED"},
		{Due: at(10), Code: "OVERLOADED"},
		{Due: at(10), Err: io.ErrUnexpectedEOF, Code: "ignored"},
	})
	if tally.Fresh != 2 || tally.Oldest != 7*time.Second || !slices.Equal(tally.Ages, []float64{3}) {
		t.Errorf("fresh %d, oldest %v, ages %v", tally.Fresh, tally.Oldest, tally.Ages)
	}
	if got := tally.Errors(); got != "OVERLOADED 2, none or incorrect 1" {
		t.Errorf("errors: %s", got)
	}
	if got := tally.Latency(100); got != "3000.00" {
		t.Errorf("the greatest latency is %s", got)
	}
	if empty := NewTally(nil); empty.Errors() != "0" || empty.Latency(50) != "–" {
		t.Errorf("without replies: %s, %s", empty.Errors(), empty.Latency(50))
	}
}

func TestCheckReplies(t *testing.T) {
	good, bad := Reply{Code: "OVERLOADED"}, Reply{Err: io.ErrUnexpectedEOF}
	if err := CheckReplies([]Reply{good, good}); err != nil {
		t.Error(err)
	}
	err := CheckReplies([]Reply{good, bad, bad})
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(err.Error(), "2 of 3 ") {
		t.Errorf("error %v", err)
	}
}

// Requests are sent when they are due, also while earlier ones wait, and latency counts from then on.
func TestSendAtRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := newTestTarget(func(body string) (string, error) {
			if strings.Contains(body, "slow") {
				time.Sleep(time.Second)
			}
			return response("a", true, time.UnixMilli(1)), nil
		})
		calls := json.RawMessage(`[{"id":"a"}]`)
		pages := []Page{{[]byte("slow"), calls}, {[]byte("fast"), calls}, {[]byte("other"), json.RawMessage("[]")}}
		start := time.Now()
		replies := target.SendAtRate(t.Context(), pages, 10, 600*time.Millisecond)
		if took := time.Since(start); took != 1300*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if len(replies) != 6 {
			t.Fatalf("%d replies, want 6", len(replies))
		}
		for i, r := range replies {
			wantLatency := time.Duration(0)
			if i%3 == 0 {
				wantLatency = time.Second
			}
			if want := start.Add(time.Duration(i) * 100 * time.Millisecond); !r.Due.Equal(want) || r.Latency != wantLatency {
				t.Errorf("reply %d was due at %v, latency %v", i, r.Due.Sub(start), r.Latency)
			}
			if (r.Err != nil) != (i%3 == 2) {
				t.Errorf("reply %d: error %v", i, r.Err)
			}
		}
	})
}

// A request beyond the limit of those in flight is not sent, and the end of the context ends the load.
func TestSendAtRateIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		sent := make(chan struct{}, 2*MaxInFlight)
		target := newTestTarget(func(string) (string, error) {
			sent <- struct{}{}
			<-ctx.Done()
			return "", ctx.Err()
		})
		stop := time.AfterFunc(2*time.Second-time.Nanosecond, cancel)
		defer stop.Stop()
		replies := target.SendAtRate(ctx, []Page{{}}, 1000, time.Hour)
		if len(replies) != 2000 || len(sent) != MaxInFlight {
			t.Fatalf("%d replies, %d requests sent", len(replies), len(sent))
		}
		if r := replies[MaxInFlight]; !errors.Is(r.Err, ErrInFlight) {
			t.Errorf("the first request beyond the limit: %v", r.Err)
		}
		if r := replies[MaxInFlight-1]; errors.Is(r.Err, ErrInFlight) || r.Err == nil {
			t.Errorf("the last request within the limit: %v", r.Err)
		}
	})
}

// Each worker waits for its response, and rejected requests do not count.
func TestSendInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := newTestTarget(func(body string) (string, error) {
			if body == "rejected" {
				time.Sleep(time.Millisecond)
				return rejected, nil
			}
			time.Sleep(100 * time.Millisecond)
			return response("a", true, time.UnixMilli(1)), nil
		})
		pages := []Page{{[]byte("good"), json.RawMessage(`[{"id":"a"}]`)}, {[]byte("rejected"), nil}}
		const almost = 950 * time.Millisecond // 10 turns begin in this time
		if got := target.SendInTurn(t.Context(), pages, 2, almost); got != 10/almost.Seconds() {
			t.Errorf("%v correct responses per second, want those of one of two workers", got)
		}
	})
}

func TestWalk(t *testing.T) {
	lists := []string{response("a b", true, time.UnixMilli(1)), response("c d", true, time.UnixMilli(2)), rejected}
	after := func(body string) string {
		var cursor struct {
			Data struct{ Calls Connection }
		}
		if err := json.Unmarshal([]byte(body), &cursor); err != nil {
			t.Fatal(err)
		}
		return cursor.Data.Calls.PageInfo.EndCursor
	}
	var sent []string
	target := newTestTarget(func(body string) (string, error) {
		sent = append(sent, body)
		return lists[len(sent)-1], nil
	})
	keep := func() bool { return len(sent) == 2 }
	pages, err := target.Walk(t.Context(), 2, 1, keep)
	if err != nil || len(pages) != 1 {
		t.Fatalf("%d pages, error %v", len(pages), err)
	}
	if string(pages[0].calls) != `[{"id":"c"},{"id":"d"}]` || string(pages[0].Request) != sent[1] {
		t.Errorf("page %s of the request %s", pages[0].calls, pages[0].Request)
	}
	if !strings.Contains(sent[1], after(lists[0])) || strings.Contains(sent[0], `"after":`) {
		t.Errorf("requests %v", sent)
	}
	if _, err := target.Walk(t.Context(), 2, 2, keep); err == nil || !strings.Contains(err.Error(), "OVERLOADED") {
		t.Errorf("an error response is not an error: %v", err)
	}
	target = newTestTarget(func(string) (string, error) { return response("a", false, time.UnixMilli(1)), nil })
	if _, err := target.Walk(t.Context(), 1, 1, keep); err == nil || !strings.Contains(err.Error(), "the list ends") {
		t.Errorf("the end of the list is not an error: %v", err)
	}
}
