package graph_test

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/graph"
	"revox-graphql/graph/admission"
	"revox-graphql/upstream/pagecache"
	"revox-graphql/upstream/rest"
)

// asked is what becomes of one of several requests that are in flight at the same time.
type asked struct {
	recorder *httptest.ResponseRecorder
	report   *graph.Report
}

// newSlowGateway makes a gateway whose upstream takes a second for a response, and fails if it is down. No response
// fits in its cache: each is shared while it is in flight, or not at all.
func newSlowGateway(
	t *testing.T, down bool, change ...func(*graph.Options),
) (handler http.Handler, upstreamRequests *atomic.Int64) {
	t.Helper()
	upstreamRequests = &atomic.Int64{}
	list := &clockList{
		began: time.Now(), latency: func() time.Duration { upstreamRequests.Add(1); return time.Second },
		down: func(time.Time) bool { return down },
	}
	client := rest.NewClient(rest.Options{BaseURL: &url.URL{Scheme: "http", Host: "upstream.test"}, Transport: list})
	t.Cleanup(client.Close)
	cache := pagecache.New(client, pagecache.Options{TTL: time.Minute, MaxBytes: 64 << 20, Timeout: 30 * time.Second})
	t.Cleanup(cache.Close)
	opts := graph.Options{
		Calls: cache, Known: cache, Cached: true, ResponseCacheBytes: 1,
		PageSize: 200, MaxCount: 100, MaxShift: 1000, MaxScan: 20, Timeout: 30 * time.Second,
		Limits: limits, Log: slog.New(slog.DiscardHandler),
	}
	for _, one := range change {
		one(&opts)
	}
	handler, err := graph.NewHandler(opts)
	if err != nil {
		t.Fatal(err)
	}
	return handler, upstreamRequests
}

// atOnce sends so many identical requests and returns what becomes of them. The first n of them leave after half a
// second.
func atOnce(
	t *testing.T, requests, leaving int, query string, header http.Header, down bool, change ...func(*graph.Options),
) (all []asked, n int64) {
	t.Helper()
	handler, upstreamRequests := newSlowGateway(t, down, change...)
	all = make([]asked, requests)
	var inFlight sync.WaitGroup
	for i := range all {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		if i < leaving {
			time.AfterFunc(500*time.Millisecond, leave)
		}
		ctx, all[i].report = graph.WithReport(ctx)
		all[i].recorder = httptest.NewRecorder()
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(query))
		r.Header.Set("Content-Type", "application/json")
		maps.Copy(r.Header, header)
		inFlight.Go(func() { handler.ServeHTTP(all[i].recorder, r) })
		synctest.Wait() // it is in flight before the next is sent
	}
	inFlight.Wait()
	return all, upstreamRequests.Load()
}

func executed(all []asked) (n int) {
	for _, one := range all {
		if one.report.Executed {
			n++
		}
	}
	return n
}

// Identical requests that are in flight at the same time share one execution, and each gets the whole response.
func TestIdenticalRequestsAreExecutedOnce(t *testing.T) {
	const query = `{"query": "{ calls(first: 100) { nodes { id endReason } } }"}`
	for name, leaving := range map[string]int{"all wait": 0, "the first leaves": 1, "most leave": 499} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all, requests := atOnce(t, 500, leaving, query, nil, false)
				if n := executed(all); n != 1 || requests != 1 {
					t.Errorf("%d executions, %d upstream requests", n, requests)
				}
				want := all[len(all)-1].recorder.Body.Bytes()
				if bytes.Count(want, []byte(`{"id":"call-`)) != 100 {
					t.Fatalf("got %s", want)
				}
				for _, one := range all[leaving:] {
					if one.recorder.Code != 200 || !bytes.Equal(one.recorder.Body.Bytes(), want) || one.report.Code != "" {
						t.Fatalf("got %d %s", one.recorder.Code, one.recorder.Body)
					}
				}
			})
		})
	}
}

// An execution that nobody waits for ends.
func TestAnExecutionEndsWithItsLastClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		all, _ := atOnce(t, 5, 5, `{"query": "{ calls(first: 100) { nodes { id } } }"}`, nil, false)
		for _, one := range all {
			if one.recorder.Code != 499 {
				t.Errorf("got %d %s", one.recorder.Code, one.recorder.Body)
			}
		}
		if since := time.Since(began); since > 600*time.Millisecond {
			t.Errorf("it took %v", since)
		}
	})
}

// An error is not shared, and neither is a response that says something about its own request.
func TestWhatIsNotShared(t *testing.T) {
	const query = `{"query": "{ calls(first: 2) { nodes { id } } }"}`
	for name, test := range map[string]struct {
		header http.Header
		down   bool
		want   string
	}{
		"errors":           {nil, true, `"code":"UPSTREAM_UNAVAILABLE"`},
		"with no-cache":    {http.Header{"Cache-Control": {"no-cache"}}, false, `"nodes":[{"id"`},
		"with their price": {http.Header{"X-Query-Cost": {"true"}}, false, `"cost":{`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all, _ := atOnce(t, 5, 0, query, test.header, test.down)
				if n := executed(all); n != 5 {
					t.Errorf("%d executions", n)
				}
				for _, one := range all {
					if !strings.Contains(one.recorder.Body.String(), test.want) {
						t.Errorf("got %s", one.recorder.Body)
					}
				}
			})
		})
	}
}

// held is a ResponseWriter that takes nothing before it is let go.
type held struct {
	*httptest.ResponseRecorder
	letGo <-chan struct{}
}

func (h held) Write(p []byte) (int, error) {
	<-h.letGo
	return h.ResponseRecorder.Write(p)
}

// A response that is shared stays as it is while a client still reads it, whatever is executed meanwhile.
func TestSharedResponsesStayAsTheyAre(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that a buffer that was given back is the next that is taken
	synctest.Test(t, func(t *testing.T) {
		handler, _ := newSlowGateway(t, false)
		send := func(w http.ResponseWriter, field string) *graph.Report {
			ctx, report := graph.WithReport(t.Context())
			query := `{"query": "{ calls(first: 100) { nodes { id ` + field + ` } } }"}`
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(query))
			r.Header.Set("Content-Type", "application/json")
			handler.ServeHTTP(w, r)
			return report
		}
		send(httptest.NewRecorder(), "status") // from now on the size of a response is known
		time.Sleep(2 * time.Minute)            // and its page is not fresh any more
		first, letGo := httptest.NewRecorder(), make(chan struct{})
		second := held{httptest.NewRecorder(), letGo}
		var reading sync.WaitGroup
		go send(first, "endReason")
		synctest.Wait()
		reading.Go(func() {
			if report := send(second, "endReason"); report.Executed {
				t.Error("it was executed twice")
			}
		})
		synctest.Wait()
		time.Sleep(2 * time.Second) // in which upstream responds
		synctest.Wait()
		for range 20 { // which take the buffers that are there
			send(httptest.NewRecorder(), "recordingUrl")
		}
		close(letGo)
		reading.Wait()
		if !bytes.Equal(second.Body.Bytes(), first.Body.Bytes()) {
			t.Error("the second client got another response")
		}
	})
}

// So many requests wait for the response of another. A further one is rejected at once, and counted.
func TestWaitersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		control := admission.New(100, 1<<20, 1<<20, nil)
		all, _ := atOnce(t, 3, 0, `{"query": "{ calls(first: 100) { nodes { id } } }"}`, nil, false,
			func(o *graph.Options) { o.MaxWaiters, o.Admission = 1, control })
		for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusServiceUnavailable} {
			if got := all[i].recorder.Code; got != want {
				t.Errorf("request %d: %d %s", i, got, all[i].recorder.Body)
			}
		}
		if wait := all[2].recorder.Header().Get("Retry-After"); wait != "1" || all[2].report.Code != "OVERLOADED" {
			t.Errorf("%s: retry after %q", all[2].report.Code, wait)
		}
		if n := control.Rejected(admission.Waiting); n != 1 {
			t.Errorf("%d rejected requests are counted", n)
		}
	})
}
