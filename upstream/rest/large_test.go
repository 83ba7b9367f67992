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
