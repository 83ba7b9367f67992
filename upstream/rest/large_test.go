package rest_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/rest"
)

// largeAnswers is a transport that responds with 3 MiB, and holds back the last byte until the test lets it go on.
type largeAnswers struct {
	goOn   chan struct{}
	beyond atomic.Int32 // responses of which more than 2 MiB were asked for
}

func (l *largeAnswers) RoundTrip(req *http.Request) (*http.Response, error) {
	head := io.LimitReader(io.MultiReader(strings.NewReader(`{"calls":[`), spaces{}), 2<<20)
	return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(io.MultiReader(
		head, &heldBack{l, req, sync.Once{}}, io.LimitReader(spaces{}, 1<<20), strings.NewReader(`{"id":"7"}]}`),
	))}, nil
}

// spaces has spaces without end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// heldBack ends when the test lets it go on.
type heldBack struct {
	*largeAnswers
	req  *http.Request
	once sync.Once
}

func (h *heldBack) Read([]byte) (int, error) {
	h.once.Do(func() { h.beyond.Add(1) })
	select {
	case <-h.goOn:
		return 0, io.EOF
	case <-h.req.Context().Done():
		return 0, h.req.Context().Err()
	}
}

// pausing is upstream's pause within a response.
type pausing struct {
	req *http.Request
	d   time.Duration
}

func (p pausing) Read([]byte) (int, error) {
	select {
	case <-time.After(p.d):
		return 0, io.EOF
	case <-p.req.Context().Done():
		return 0, p.req.Context().Err()
	}
}

// pausedAnswers is a transport that responds with 3 MiB, and pauses after 2 MiB. The pause of the first four responses
// is others, that of later ones is last.
type pausedAnswers struct {
	others, last time.Duration
	came         atomic.Int32
}

func (l *pausedAnswers) RoundTrip(req *http.Request) (*http.Response, error) {
	pause := pausing{req, l.others}
	if l.came.Add(1) > 4 {
		pause.d = l.last
	}
	head := io.LimitReader(io.MultiReader(strings.NewReader(`{"calls":[`), spaces{}), 2<<20)
	return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(io.MultiReader(
		head, pause, io.LimitReader(spaces{}, 1<<20), strings.NewReader(`{"id":"7"}]}`),
	))}, nil
}

// The time for which a large response waits for others is not upstream's. If that is the larger part of an attempt that
// ends without the response, the attempt is no failure of upstream, and there is another one.
func TestWaitingForLargeResponsesIsNotUpstreams(t *testing.T) {
	for name, test := range map[string]struct {
		others, last time.Duration
		outcome      string        // of the first attempt, after those of the four others
		took         time.Duration // 10 s, a second, and the second attempt; 0 is any
	}{
		"it waited":         {9 * time.Second, 2 * time.Second, "overloaded", 13 * time.Second},
		"upstream was slow": {2 * time.Second, 9 * time.Second, "timeout", 0},
		"there was time":    {8 * time.Second, time.Second, "ok", 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				observer := new(outcomes)
				c := rest.NewClient(rest.Options{
					BaseURL:   &url.URL{Scheme: "http", Host: "upstream.example"},
					Transport: &pausedAnswers{others: test.others, last: test.last}, Observer: observer,
				})
				defer c.Close()
				one := upstream.ListCallsOptions{PageSize: 1}
				var others sync.WaitGroup
				for range 4 {
					others.Go(func() {
						if _, err := c.ListCalls(t.Context(), one); err != nil {
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				start := time.Now()
				_, err := c.ListCalls(t.Context(), one)
				if took := time.Since(start); err != nil || test.took > 0 && took != test.took {
					t.Errorf("%v after %v", err, took)
				}
				others.Wait()
				if all := observer.take(); all[4] != test.outcome || all[len(all)-1] != "ok" {
					t.Errorf("outcomes of attempts: %v", all)
				}
			})
		})
	}
}

// However many large responses come, few are in memory as a whole. Those for which there is no time are refused,
// without another attempt, and as nothing of upstream's; and so are those that would leave less than half of the
// requests in flight to others.
func TestFewLargeResponsesAreReadAtOnce(t *testing.T) {
	const requests, most = 32, 4
	for name, test := range map[string]struct {
		inFlight int
		goOn     bool
		refused  int32
		failed   int32
	}{
		"all have time":  {2 * requests, true, 0, 0},
		"no time":        {2 * requests, false, requests - most, most},
		"there are many": {requests, true, requests / 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				responses := &largeAnswers{goOn: make(chan struct{})}
				c := rest.NewClient(rest.Options{
					BaseURL: &url.URL{Scheme: "http", Host: "upstream.example"}, Transport: responses,
					MaxConcurrent: test.inFlight,
				})
				defer c.Close()
				var refused, failed atomic.Int32
				var asked sync.WaitGroup
				for i := range requests {
					within := 5 * time.Second
					if i < most { // those before have more time, so that there is never room for the others
						within = 8 * time.Second
					}
					if i == most {
						synctest.Wait()
					}
					asked.Go(func() {
						_, err := c.ListCalls(t.Context(), upstream.ListCallsOptions{
							PageSize: 1, Deadline: time.Now().Add(within),
						})
						if e, ok := errors.AsType[*upstream.Error](err); ok && e.Kind == upstream.KindOverloaded && e.Unsent {
							refused.Add(1)
						} else if err != nil {
							failed.Add(1)
						}
					})
				}
				synctest.Wait()
				if got := responses.beyond.Load(); got != most {
					t.Errorf("%d are read at once", got)
				}
				if test.goOn {
					close(responses.goOn)
				}
				asked.Wait()
				if refused.Load() != test.refused || failed.Load() != test.failed {
					t.Errorf("%d were refused and %d failed", refused.Load(), failed.Load())
				}
			})
		})
	}
}
