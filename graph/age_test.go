package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/graph"
	"revox-graphql/upstream/pagecache"
	"revox-graphql/upstream/rest"
)

// clockList is an upstream whose data show when they were read: a call arrives each second, so the length of the list
// shows the second, and each call has the moment at which its response was asked for as its endReason.
type clockList struct {
	began   time.Time
	latency func() time.Duration
	down    func(time.Time) bool
}

// clockCalls is the length of the list in the beginning.
const clockCalls = 1000

func (l *clockList) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := time.Now()
	if err := pass(r.Context(), l.latency()); err != nil {
		return nil, err
	}
	if l.down(asked) {
		return &http.Response{StatusCode: 503, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
	}
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	size, _ := strconv.Atoi(r.URL.Query().Get("page_size"))
	length := clockCalls + int(asked.Sub(l.began)/time.Second)
	rows := []string{}
	for i := page * size; i < min((page+1)*size, length); i++ {
		rows = append(rows, fmt.Sprintf(`{"id": "call-%d", "end_reason": "%d"}`, length-i, asked.UnixNano()))
	}
	body := io.NopCloser(strings.NewReader(`{"calls": [` + strings.Join(rows, ",") + `]}`))
	return &http.Response{StatusCode: 200, Body: body, Header: http.Header{}, Request: r}, nil
}

// latencies are random, up to so much.
func latencies(seed uint64, most time.Duration) func() time.Duration {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 8))
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(random.Int64N(int64(most)))
	}
}

// pass lets the bubble's time pass.
func pass(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// oldest is when the oldest of the data in a response was read, to a second: the data show it, not the gateway.
func (l *clockList) oldest(data map[string]any) time.Time {
	var at time.Time
	note := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	var walk func(any)
	walk = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			for name, inner := range value {
				switch inner := inner.(type) {
				case string:
					if ns, err := strconv.ParseInt(inner, 10, 64); err == nil && name == "endReason" {
						note(time.Unix(0, ns))
					}
				case float64: // the total is that of the whole second
					note(l.began.Add(time.Duration(inner-clockCalls+1) * time.Second).Add(-time.Nanosecond))
				}
				walk(inner)
			}
		case []any:
			for _, inner := range value {
				walk(inner)
			}
		}
	}
	walk(data)
	return at
}

// askAge asks a random question. Cursors are of responses before.
func askAge(handler http.Handler, random *rand.Rand, cursors *[]string) (*httptest.ResponseRecorder, response, error) {
	selection := pick(random, []string{
		`nodes { endReason } pageInfo { endCursor }`, `nodes { endReason } totalCount`, `totalCount`,
		`edges { cursor node { endReason } } pageInfo { endCursor hasNextPage } totalCount`,
	})
	from := ""
	if len(*cursors) > 0 && random.IntN(3) == 0 {
		from = fmt.Sprintf(`, after: %q`, pick(random, *cursors))
	}
	document := pick(random, []string{
		fmt.Sprintf(`{ calls(first: %d%s) { %s } }`, pick(random, []int{5, 20, 20, 20, 100}), from, selection),
		fmt.Sprintf(`{ calls(last: %d) { %s } }`, 1+random.IntN(20), selection),
		fmt.Sprintf(`{ calls(statuses: [%s]) { %s } }`, pick(random, []string{"COMPLETED", "ERRORED"}), selection),
		fmt.Sprintf(`{ call(id: "call-%d") { endReason } }`, clockCalls-random.IntN(50)),
		fmt.Sprintf(`{ new: calls(first: 3) { nodes { endReason } } all: calls(last: 2) { %s } }`, selection),
	})
	r := httptest.NewRequest(http.MethodGet, "/graphql?query="+url.QueryEscape(document), http.NoBody)
	if random.IntN(20) == 0 {
		r.Header.Set("Cache-Control", "no-cache")
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	var a response
	err := json.Unmarshal(w.Body.Bytes(), &a)
	if calls, ok := a.Data["calls"].(map[string]any); ok {
		if info, ok := calls["pageInfo"].(map[string]any); ok {
			if cursor, ok := info["endCursor"].(string); ok {
				*cursors = append(*cursors, cursor)
			}
		}
	}
	return w, a, err
}

// The settings of TestAge.
const ageTTL, ageRevalidate, ageStale = 15 * time.Second, 15 * time.Second, 2 * time.Minute

// ageTest is an upstream, and what was seen of the responses.
type ageTest struct {
	latency time.Duration    // at most
	down    [2]time.Duration // upstream fails from then to then
	seen    struct {
		oldest         time.Duration // the Age of a response that is not marked as stale
		marked, cached int           // responses that are marked as stale, and that cost nothing
	}
}

// Random questions over ten minutes. While upstream is well no response shows data older than TTL + Revalidate, and
// while it fails a response that does says how old they are; whatever is shown, Age is no less than its age, and no
// more than a page of that age explains.
func TestAge(t *testing.T) {
	for name, test := range map[string]*ageTest{
		"well":               {latency: 50 * time.Millisecond},
		"slow":               {latency: 1500 * time.Millisecond}, // a page may take several requests, and 10 s in all
		"fails for a while":  {latency: 50 * time.Millisecond, down: [2]time.Duration{3 * time.Minute, 6 * time.Minute}},
		"fails for a moment": {latency: 50 * time.Millisecond, down: [2]time.Duration{2 * time.Minute, 140 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) { test.run(t, seed) })
			}
			seen := test.seen
			t.Logf("the oldest unmarked response was %v old; %d were marked as stale, %d cost nothing",
				seen.oldest, seen.marked, seen.cached)
			if seen.oldest < ageTTL || test.down[1] > 0 && seen.marked == 0 || seen.cached == 0 {
				t.Error("nothing was tested")
			}
		})
	}
}

// run asks for ten minutes.
func (test *ageTest) run(t *testing.T, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	list := &clockList{began: time.Now(), latency: latencies(seed, test.latency)}
	list.down = func(at time.Time) bool {
		since := at.Sub(list.began)
		return since >= test.down[0] && since < test.down[1]
	}
	client := rest.NewClient(rest.Options{
		BaseURL: &url.URL{Scheme: "http", Host: "upstream.test"}, Transport: list,
	})
	defer client.Close()
	cache := pagecache.New(client, pagecache.Options{
		TTL: ageTTL, Revalidate: ageRevalidate, Stale: ageStale, MaxBytes: 64 << 20,
		Patience: 10 * time.Second, Timeout: 30 * time.Second,
	})
	defer cache.Close()
	handler, err := graph.NewHandler(graph.Options{
		Calls: cache, Known: cache, Cached: true, ResponseCacheBytes: 1 << 20,
		PageSize: 200, MaxCount: 100, MaxShift: 1000, MaxScan: 20, Timeout: 30 * time.Second,
		Limits: limits, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	var cursors []string
	for time.Since(list.began) < 10*time.Minute {
		gap := pick(random, []int64{1, 1, 5, 40, 80}) // seconds at most
		if err := pass(t.Context(), time.Duration(random.Int64N(gap*1e9))); err != nil {
			t.Fatal(err)
		}
		start, hits := time.Now(), cache.Stats().Hits
		w, a, err := askAge(handler, random, &cursors)
		took := time.Since(start)
		if err != nil {
			t.Fatal(err)
		}
		at := list.oldest(a.Data)
		if !at.IsZero() && took == 0 && cache.Stats().Hits > hits {
			test.seen.cached++
		}
		test.check(t, w, a, list.began, at, took)
		if t.Failed() {
			t.Fatalf("seed %d, %v after the start", seed, time.Since(list.began))
		}
	}
}

// check compares a response's Age with the age of its data, which were read at a time; zero where it has none.
func (test *ageTest) check(
	t *testing.T, w *httptest.ResponseRecorder, a response, began, at time.Time, took time.Duration,
) {
	t.Helper()
	age, err := strconv.Atoi(w.Header().Get("Age"))
	if err != nil {
		t.Fatalf("no Age: %v", w.Header())
	}
	if at.IsZero() {
		return
	}
	said, shown, since := time.Duration(age)*time.Second, time.Since(at), time.Since(began)
	if shown >= said+time.Second+time.Second { // the data show their age to a second
		t.Errorf("Age %v for data %v old", said, shown)
	}
	seconds, marked := a.Extensions["stale"].(float64)
	if !marked {
		test.seen.oldest = max(test.seen.oldest, said)
		if max(shown, said) > ageTTL+ageRevalidate+took {
			t.Errorf("data %v old (Age %v), unmarked, after %v", shown, said, took)
		}
		return
	}
	test.seen.marked++
	if since < test.down[0] || since >= test.down[1]+ageTTL+ageRevalidate+10*time.Second {
		t.Error("stale while upstream is well")
	}
	if said > ageTTL+ageStale+took || seconds > float64(age) {
		t.Errorf("%v s stale, and Age %v", seconds, said)
	}
}

// Every response reports an age, also those that no page was read for, and those that the client has already.
func TestEveryResponseReportsItsAge(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 30, ttl: time.Minute, graph: func(o *graph.Options) {
		o.Authenticate = withTokens("token")
	}})
	get := func(query string, header ...string) *http.Response {
		t.Helper()
		target := g.URL + "?query=" + url.QueryEscape(query)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer token")
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp
	}
	const calls = `{ calls(first: 5) { nodes { id } } }`
	first := get(calls)
	for name, test := range map[string]struct {
		resp   *http.Response
		status int
	}{
		"calls":           {first, 200},
		"what one has":    {get(calls, "If-None-Match", first.Header.Get("Etag")), 304},
		"no call":         {get(`{ __typename }`), 200},
		"not a document":  {get(`{`, "Accept", "application/graphql-response+json"), 400},
		"no token":        {get(calls, "Authorization", ""), 401},
		"no type to send": {get(calls, "Accept", "image/png"), 406},
	} {
		age := test.resp.Header.Values("Age")
		seconds, err := strconv.Atoi(strings.Join(age, ","))
		if test.resp.StatusCode != test.status || err != nil || seconds < 0 {
			t.Errorf("%s: status %d, Age %q", name, test.resp.StatusCode, age)
		}
	}
}
