package stress

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/servers"
)

// Requests of a normal client for pages that are not in memory (cold pages).
const (
	coldPerSecond = 2
	coldStride    = 60 // calls from one page to the next: no response of the upstream covers two
)

// newNormalClient returns a client that may have many requests in flight.
func newNormalClient(key string) *http.Client {
	client := load.NewClient()
	transport := client.Transport.(*http.Transport) // made by NewClient
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = load.MaxInFlight, load.MaxInFlight
	client.Transport = normalTransport{transport, key}
	return client
}

// know finds the pages that the normal client requests, and where the cold ones begin.
func (s *target) know(ctx context.Context) (err error) {
	if s.pages, err = s.Walk(ctx, load.NormalCalls, load.NormalPages, func() bool { return true }); err != nil {
		return err
	}
	s.ids = s.Upstream.IDs()
	s.next = load.NormalPages*load.NormalCalls + coldStride
	s.cursor, err = s.cursors(ctx, "", func(position int) string { return s.ids[position] })
	return err
}

// normalReplies are the replies to a normal client.
type normalReplies struct {
	hot, cold *load.Tally
	err       error // of the first incorrect replies
}

// normal runs a normal client for so long.
func (s *target) normal(ctx context.Context, long time.Duration) *normalReplies {
	var cold []load.Reply
	var all sync.WaitGroup
	all.Go(func() { cold = s.requestCold(ctx, long) })
	hot := s.SendAtRate(ctx, s.pages, load.NormalPerSecond, long)
	all.Wait()
	n := newNormalReplies(hot, cold)
	if err := load.CheckReplies(hot); err != nil {
		n.err = fmt.Errorf("pages in memory: %w", err)
	}
	if err := load.CheckReplies(cold); err != nil {
		n.err = errors.Join(n.err, fmt.Errorf("cold pages: %w", err))
	}
	return n
}

// newNormalReplies sums up replies for both kinds of pages. The code of a response with an error status counts as a
// code too.
func newNormalReplies(hot, cold []load.Reply) *normalReplies {
	sum := func(replies []load.Reply) *load.Tally {
		replies = slices.Clone(replies)
		for i, r := range replies {
			if r.Err != nil {
				if code := load.ErrorCode([]byte(r.Err.Error())); code != "" {
					replies[i].Code, replies[i].Err = code, nil
				}
			}
		}
		return load.NewTally(replies)
	}
	return &normalReplies{hot: sum(hot), cold: sum(cold)}
}

// requestCold requests pages down the list, none of them twice, and checks that their calls are those of the list.
func (s *target) requestCold(ctx context.Context, long time.Duration) []load.Reply {
	const interval = time.Second / coldPerSecond
	var replies []load.Reply
	for end := time.Now().Add(long); time.Now().Before(end) && ctx.Err() == nil; {
		due := time.Now()
		if s.next+load.NormalCalls >= len(s.ids) {
			s.next = load.NormalPages*load.NormalCalls + coldStride/2
		}
		payload := load.CallsRequest(load.NormalCalls, "nodes { id } pageInfo { hasNextPage endCursor }", s.cursor(s.next))
		body, err := load.Post(ctx, s.Client, s.Gateway.URL+"graphql", payload)
		r := load.Reply{Due: due, Latency: time.Since(due), Err: err}
		if err == nil {
			r.Code, r.Err = s.checkCold(body)
		}
		replies = append(replies, r)
		s.next += coldStride
		_ = servers.Sleep(ctx, interval-time.Since(due))
	}
	return replies
}

// checkCold checks a response for a cold page.
func (s *target) checkCold(body []byte) (code string, err error) {
	if code = load.ErrorCode(body); code != "" {
		return code, nil
	}
	a, err := load.ReadCalls(body)
	if err != nil {
		return "", err
	}
	if len(a.Nodes) != load.NormalCalls {
		return "", fmt.Errorf("%d calls, want %d", len(a.Nodes), load.NormalCalls)
	}
	for i, node := range a.Nodes {
		if want := s.ids[s.next+1+i]; node.ID != want {
			return "", fmt.Errorf("call %d of the list is %s, want %s", s.next+1+i, node.ID, want)
		}
	}
	return "", nil
}

// errors returns the errors of both kinds of pages.
func (n *normalReplies) errors() string {
	switch {
	case len(n.hot.Codes) == 0 && len(n.cold.Codes) == 0:
		return "0"
	case len(n.cold.Codes) == 0:
		return n.hot.Errors()
	case len(n.hot.Codes) == 0:
		return "cold: " + n.cold.Errors()
	default:
		return n.hot.Errors() + "; cold: " + n.cold.Errors()
	}
}

// failed returns an error if a request had no response, or not its calls. Failures of cold pages count unless they are
// allowed.
func (n *normalReplies) failed(coldMayFail bool) error {
	if len(n.hot.Codes) == 0 && (coldMayFail || len(n.cold.Codes) == 0) {
		return nil
	}
	return errors.Join(fmt.Errorf("the normal client got %s", n.errors()), n.err)
}

// normalTransport sends as browsers do: it repeats a request whose kept connection turns out to be closed, since
// requests only read. It sends a bearer token if there is one.
type normalTransport struct {
	*http.Transport
	key string
}

// RoundTrip implements [http.RoundTripper].
func (t normalTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header["Idempotency-Key"] = []string{} // permits the transport to repeat the request, and is not sent
	if t.key != "" {
		r.Header.Set("Authorization", "Bearer "+t.key)
	}
	return t.Transport.RoundTrip(r)
}
