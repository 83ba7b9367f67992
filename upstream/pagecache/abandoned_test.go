package pagecache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/rest"
)

// slow is an upstream with an endless list. It delays its responses, and counts requests.
type slow struct {
	took time.Duration

	mu                 sync.Mutex
	asked, most, ended int // requests: all, most at once, and ended by the client before the response
	now                int
	status             int // 0 is 200
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked++
	s.now++
	s.most = max(s.most, s.now)
	status := s.status
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	select {
	case <-time.After(s.took):
	case <-r.Context().Done():
		s.mu.Lock()
		s.ended++
		s.mu.Unlock()
		return nil, r.Context().Err()
	}
	if status == 0 {
		status = http.StatusOK
	}
	query := r.URL.Query()
	number, _ := strconv.Atoi(query.Get("page"))
	size, _ := strconv.Atoi(query.Get("page_size"))
	var rows []string
	for row := range size {
		rows = append(rows, fmt.Sprintf(`{"id":"%d"}`, number*size+row))
	}
	body := io.NopCloser(strings.NewReader(`{"calls":[` + strings.Join(rows, ",") + `]}`))
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: body}, nil
}

// answers makes upstream respond with a status from now on.
func (s *slow) responses(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// count returns one of the counts.
func (s *slow) count(n *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *n
}

// over makes a cache over a client of the upstream.
func over(t *testing.T, s *slow, client rest.Options, opts Options) (*rest.Client, *Cache) {
	t.Helper()
	client.BaseURL, client.Transport = &url.URL{Scheme: "http", Host: "upstream.example"}, s
	c := rest.NewClient(client)
	t.Cleanup(c.Close)
	if opts.MaxBytes == 0 {
		opts.MaxBytes = 1 << 20
	}
	cache := New(c, opts)
	t.Cleanup(cache.Close)
	return c, cache
}

// impatient requests a page, and gives up after a while.
func impatient(t *testing.T, c *Cache, opts upstream.ListCallsOptions, patience time.Duration) (*upstream.Page, error) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, context.Canceled)
	defer cancel()
	return c.ListCalls(ctx, opts)
}

// A client that gives up before upstream responds gets its page with a later request.
func TestImpatientClientsFillTheCache(t *testing.T) {
	tests := map[string]struct {
		first upstream.FirstPage
		most  int // requests of the client
	}{
		"one request": {upstream.FirstPageZero, 2},
		"several":     {upstream.FirstPageAuto, 8},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slow{took: 1500 * time.Millisecond}
				_, cache := over(t, s, rest.Options{FirstPage: test.first}, Options{TTL: time.Minute})
				for n := 1; ; n++ {
					if _, err := impatient(t, cache, ask(0, 6), time.Second); err == nil {
						break
					} else if !errors.Is(err, context.Canceled) || n == test.most {
						t.Fatalf("asked %d times, %d requests: %v", n, s.count(&s.asked), err)
					}
				}
				if s.count(&s.ended) > 0 {
					t.Errorf("%d requests were taken back", s.count(&s.ended))
				}
			})
		})
	}
}

// However many clients give up, upstream gets no more requests at once than there are slots, with or without a cache.
func TestImpatientClientsHaveNoMoreSlots(t *testing.T) {
	for name, ttl := range map[string]time.Duration{"cached": time.Minute, "not cached": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slow{took: 2 * time.Second}
				client, cache := over(t, s, rest.Options{MaxConcurrent: 8}, Options{TTL: ttl, MaxBytes: 1 << 30})
				var wait sync.WaitGroup
				for number := range 3000 {
					time.Sleep(time.Millisecond)
					wait.Go(func() { _, _ = impatient(t, cache, ask(number, 12), 5*time.Millisecond) })
				}
				wait.Wait()
				synctest.Wait()
				if underWay, waiting := client.Load(); underWay != 8 || waiting != 0 || len(cache.fetches) != 8 {
					t.Errorf("%d under way, %d waiting, %d fetches", underWay, waiting, len(cache.fetches))
				}
				if s.count(&s.most) != 8 || s.count(&s.ended) > 0 {
					t.Errorf("%d at once, %d taken back", s.count(&s.most), s.count(&s.ended))
				}
			})
		})
	}
}

// A request that joins an abandoned fetch gets its page, or fetches again if that fetch failed: an abandoned fetch
// retries nothing.
func TestComingToAnAbandonedFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{took: time.Second}
		_, cache := over(t, s, rest.Options{}, Options{TTL: time.Minute})
		_, _ = impatient(t, cache, ask(0, 12), 100*time.Millisecond)
		start := time.Now()
		if _, err := cache.ListCalls(t.Context(), ask(0, 12)); err != nil || time.Since(start) != 900*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		s.responses(http.StatusServiceUnavailable)
		_, _ = impatient(t, cache, ask(1, 12), 100*time.Millisecond)
		synctest.Wait()
		s.responses(0)
		if _, err := cache.ListCalls(t.Context(), ask(1, 12)); err != nil {
			t.Error(err)
		}
		if s.count(&s.asked) != 3 {
			t.Errorf("%d requests", s.count(&s.asked))
		}
	})
}

// A fetch whose time is over is abandoned, too, and retries nothing: a request that joins it fetches again if it fails.
func TestComingToAFetchWhoseTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{took: 5 * time.Second, status: http.StatusServiceUnavailable}
		_, cache := over(t, s, rest.Options{}, Options{TTL: time.Minute, Timeout: 3 * time.Second})
		go func() {
			if _, err := cache.ListCalls(t.Context(), ask(0, 12)); err == nil {
				t.Error("no error for the request that has waited for all of the fetch")
			}
		}()
		time.Sleep(4 * time.Second)
		s.responses(0)
		if _, err := cache.ListCalls(t.Context(), ask(0, 12)); err != nil || s.count(&s.asked) != 2 {
			t.Errorf("%v, %d requests", err, s.count(&s.asked))
		}
	})
}

// A request that has joined an abandoned fetch gives up in time, too.
func TestGivingUpAtAnAbandonedFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{took: time.Hour}
		_, cache := over(t, s, rest.Options{}, Options{TTL: time.Minute})
		_, _ = impatient(t, cache, ask(0, 12), 100*time.Millisecond)
		opts, start := ask(0, 12), time.Now()
		opts.Deadline = start.Add(time.Second)
		_, err := cache.ListCalls(t.Context(), opts)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second || s.count(&s.asked) != 1 {
			t.Errorf("%v after %v, %d requests", err, time.Since(start), s.count(&s.asked))
		}
	})
}

// A request that was sent has its own timeout, also beyond that of the fetch.
func TestFetchTimeoutTakesNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{took: 1500 * time.Millisecond}
		_, cache := over(t, s, rest.Options{}, Options{TTL: time.Minute, Timeout: time.Second})
		if _, err := cache.ListCalls(t.Context(), ask(0, 12)); err != nil || s.count(&s.ended) > 0 {
			t.Errorf("%v, %d requests were taken back", err, s.count(&s.ended))
		}
	})
}

// No fetch goes on after Close, not even one without waiters.
func TestCloseEndsAbandonedFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{took: time.Hour}
		client, cache := over(t, s, rest.Options{}, Options{TTL: time.Minute})
		_, _ = impatient(t, cache, ask(0, 12), time.Second)
		start := time.Now()
		cache.Close()
		if underWay, _ := client.Load(); time.Since(start) > 0 || s.count(&s.ended) != 1 || underWay != 0 {
			t.Errorf("after %v %d have ended, %d are under way", time.Since(start), s.count(&s.ended), underWay)
		}
		if _, err := cache.ListCalls(t.Context(), ask(0, 12)); err == nil || s.count(&s.asked) != 1 {
			t.Errorf("%v, %d requests", err, s.count(&s.asked))
		}
	})
}
