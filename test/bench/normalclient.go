package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Questions of a normal client for pages that are not in memory.
const (
	coldPerSecond = 2
	coldStride    = 60 // calls from one to the next: so far that no answer of upstream has calls of two
)

// newNormalClient is a client that may have many questions under way.
func newNormalClient(key string) *http.Client {
	client := newClient()
	transport := client.Transport.(*http.Transport) // that newClient has made
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = maxUnderWay, maxUnderWay
	client.Transport = normalTransport{transport, key}
	return client
}

// know lets the normal client find out the pages that it then asks for, and where the cold ones begin.
func (s *stressed) know(ctx context.Context) (err error) {
	if s.pages, err = s.walk(ctx, normalCalls, normalPages, func() bool { return true }); err != nil {
		return err
	}
	s.ids = s.rest.IDs()
	s.next = normalPages*normalCalls + coldStride
	s.cursor, err = s.cursors(ctx, "", func(position int) string { return s.ids[position] })
	return err
}

// normalReplies are what a normal client was answered.
type normalReplies struct {
	hot, cold *tally
	err       error // of the first that were wrong
}

// normal is a normal client for so long.
func (s *stressed) normal(ctx context.Context, long time.Duration) *normalReplies {
	var cold []reply
	var all sync.WaitGroup
	all.Go(func() { cold = s.askCold(ctx, long) })
	hot := s.pour(ctx, s.pages, normalPerSecond, long)
	all.Wait()
	n := newNormalReplies(hot, cold)
	if err := checkReplies(hot); err != nil {
		n.err = fmt.Errorf("pages in memory: %w", err)
	}
	if err := checkReplies(cold); err != nil {
		n.err = errors.Join(n.err, fmt.Errorf("cold pages: %w", err))
	}
	return n
}

// newNormalReplies sums up replies to both kinds of questions. An answer with a status of its own has a code too.
func newNormalReplies(hot, cold []reply) *normalReplies {
	sum := func(replies []reply) *tally {
		replies = slices.Clone(replies)
		for i, r := range replies {
			if r.err != nil {
				if code := errorCode([]byte(r.err.Error())); code != "" {
					replies[i].code, replies[i].err = code, nil
				}
			}
		}
		return newTally(replies)
	}
	return &normalReplies{hot: sum(hot), cold: sum(cold)}
}

// askCold asks for pages down the list, none of which it has asked for before, and checks that their calls are those of
// the list.
func (s *stressed) askCold(ctx context.Context, long time.Duration) []reply {
	const interval = time.Second / coldPerSecond
	var replies []reply
	for end := time.Now().Add(long); time.Now().Before(end) && ctx.Err() == nil; {
		due := time.Now()
		if s.next+normalCalls >= len(s.ids) {
			s.next = normalPages*normalCalls + coldStride/2
		}
		question := callsQuestion(normalCalls, "nodes { id } pageInfo { hasNextPage endCursor }", s.cursor(s.next))
		body, err := post(ctx, s.client, s.gateway.url+"graphql", question)
		r := reply{due: due, took: time.Since(due), err: err}
		if err == nil {
			r.code, r.err = s.checkCold(body)
		}
		replies = append(replies, r)
		s.next += coldStride
		_ = pass(ctx, interval-time.Since(due))
	}
	return replies
}

// checkCold checks a cold page.
func (s *stressed) checkCold(body []byte) (code string, err error) {
	if code = errorCode(body); code != "" {
		return code, nil
	}
	a, err := readAnswer(body)
	if err != nil {
		return "", err
	}
	if len(a.Nodes) != normalCalls {
		return "", fmt.Errorf("%d calls, not %d", len(a.Nodes), normalCalls)
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
	case len(n.hot.codes) == 0 && len(n.cold.codes) == 0:
		return "0"
	case len(n.cold.codes) == 0:
		return n.hot.errors()
	case len(n.hot.codes) == 0:
		return "cold: " + n.cold.errors()
	default:
		return n.hot.errors() + "; cold: " + n.cold.errors()
	}
}

// failed is an error where a question had no answer, or not its calls. Cold pages count unless they may fail.
func (n *normalReplies) failed(coldMay bool) error {
	if len(n.hot.codes) == 0 && (coldMay || len(n.cold.codes) == 0) {
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
