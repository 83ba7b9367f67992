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

// Questions of a normal client for pages that are not in memory.
const (
	coldPerSecond = 2
	coldStride    = 60 // calls from one to the next: so far that no answer of upstream has calls of two
)

// newNormalClient is a client that may have many questions under way.
func newNormalClient(key string) *http.Client {
	client := load.NewClient()
	transport := client.Transport.(*http.Transport) // that newClient has made
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = load.MaxInFlight, load.MaxInFlight
	client.Transport = normalTransport{transport, key}
	return client
}

// know lets the normal client find out the pages that it then asks for, and where the cold ones begin.
func (s *target) know(ctx context.Context) (err error) {
	if s.pages, err = s.Walk(ctx, load.NormalCalls, load.NormalPages, func() bool { return true }); err != nil {
		return err
	}
	s.ids = s.Upstream.IDs()
	s.next = load.NormalPages*load.NormalCalls + coldStride
	s.cursor, err = s.cursors(ctx, "", func(position int) string { return s.ids[position] })
	return err
}

// normalReplies are what a normal client was answered.
type normalReplies struct {
	hot, cold *load.Tally
	err       error // of the first that were wrong
}

// normal is a normal client for so long.
func (s *target) normal(ctx context.Context, long time.Duration) *normalReplies {
	var cold []load.Reply
	var all sync.WaitGroup
	all.Go(func() { cold = s.askCold(ctx, long) })
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

// newNormalReplies sums up replies to both kinds of questions. An answer with a status of its own has a code too.
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

// askCold asks for pages down the list, none of which it has asked for before, and checks that their calls are those of
// the list.
func (s *target) askCold(ctx context.Context, long time.Duration) []load.Reply {
	const interval = time.Second / coldPerSecond
	var replies []load.Reply
	for end := time.Now().Add(long); time.Now().Before(end) && ctx.Err() == nil; {
		due := time.Now()
		if s.next+load.NormalCalls >= len(s.ids) {
			s.next = load.NormalPages*load.NormalCalls + coldStride/2
		}
		question := load.CallsRequest(load.NormalCalls, "nodes { id } pageInfo { hasNextPage endCursor }", s.cursor(s.next))
		body, err := load.Post(ctx, s.Client, s.Gateway.URL+"graphql", question)
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

// checkCold checks a cold page.
func (s *target) checkCold(body []byte) (code string, err error) {
	if code = load.ErrorCode(body); code != "" {
		return code, nil
	}
	a, err := load.ReadCalls(body)
	if err != nil {
		return "", err
	}
	if len(a.Nodes) != load.NormalCalls {
		return "", fmt.Errorf("%d calls, not %d", len(a.Nodes), load.NormalCalls)
	}
	for i, node := range a.Nodes {
		if want := s.ids[s.next+1+i]; node.ID != want {
			return "", fmt.Errorf("call %d of the list is another: %s, not %s", s.next+1+i, node.ID, want)
		}
	}
	return "", nil
}

// errors are those of both kinds of pages.
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

// failed is an error where a question had no answer, or not its calls. Cold pages count unless they may fail.
func (n *normalReplies) failed(coldMay bool) error {
	if len(n.hot.Codes) == 0 && (coldMay || len(n.cold.Codes) == 0) {
		return nil
	}
	return errors.Join(fmt.Errorf("the normal client got %s", n.errors()), n.err)
}

// normalTransport sends as browsers do: a question is asked once more where the connection that was kept for it turns
// out to be closed, since it only reads. And it sends a bearer token, where there is one.
type normalTransport struct {
	*http.Transport
	key string
}

// RoundTrip implements [http.RoundTripper].
func (t normalTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header["Idempotency-Key"] = []string{} // which tells the transport so, and is not sent
	if t.key != "" {
		r.Header.Set("Authorization", "Bearer "+t.key)
	}
	return t.Transport.RoundTrip(r)
}
