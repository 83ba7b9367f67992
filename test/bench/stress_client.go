package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Questions of a normal client for pages that are not in memory.
const (
	coldPerSecond = 2
	coldStride    = 60 // calls from one to the next: so far that no answer of upstream has calls of two
)

// stressed is a gateway under load, and its normal client.
type stressed struct {
	*scene
	dir     string
	up      *loadedUpstream
	proxy   *standingProxy // nil: none
	group   *memoryGroup   // nil: none could be made
	sampler *sampler
	pages   []listPage // that are in memory
	ids     []string   // of all calls
	cursor  func(position int) string
	next    int           // the position of the call before the next cold page
	gap     time.Duration // that each worker of a load leaves after a turn
	without []string      // loads that are left out where all run at once

	mu    sync.Mutex
	notes []string
}

// stop ends the gateway and everything about it.
func (s *stressed) stop() {
	if s.sampler != nil {
		s.sampler.stop()
	}
	s.client.CloseIdleConnections()
	s.fleet.stop()
	if s.proxy != nil {
		s.proxy.stop()
	}
	if s.up != nil {
		s.up.stop()
	}
	if s.group != nil {
		s.group.remove()
	}
	_ = os.RemoveAll(s.dir) //nolint:gosec // its own
}

// note adds what a load has found out to its row.
func (s *stressed) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// takeNotes returns the notes that there are, and forgets them.
func (s *stressed) takeNotes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	notes := s.notes
	s.notes = nil
	return notes
}

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
	w := workload{calls: normalCalls}
	for end := time.Now().Add(long); time.Now().Before(end) && ctx.Err() == nil; {
		due := time.Now()
		if s.next+normalCalls >= len(s.ids) {
			s.next = normalPages*normalCalls + coldStride/2
		}
		question := w.question("nodes { id } pageInfo { hasNextPage endCursor }", s.cursor(s.next))
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

// errorCode is the code of the first error of an answer or of the text of an error; empty where there is none.
func errorCode(body []byte) string {
	_, rest, found := bytes.Cut(body, []byte(`"code":"`))
	code, _, ended := bytes.Cut(rest, []byte(`"`))
	if !found || !ended {
		return ""
	}
	return string(code)
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

// level is how much of what must not leak a gateway has.
type level struct{ goroutines, files int }

// level reads the gateway's own metrics. They are for one reader at a time.
func (s *stressed) level(ctx context.Context) (level, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		body, err := get(ctx, s.client, s.gateway.url+"metrics")
		if err == nil {
			l := level{metric(body, "go_goroutines"), metric(body, "process_open_fds")}
			if l.goroutines == 0 {
				err = errors.New("/metrics has no go_goroutines")
			}
			return l, err
		}
		if pass(ctx, 100*time.Millisecond) != nil {
			return level{}, err
		}
	}
}

// metric is the value of a metric without labels; 0 where there is none.
func metric(text []byte, name string) int {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, _ := strconv.ParseFloat(value, 64)
			return int(n)
		}
	}
	return 0
}

const (
	settleTimeout = 40 * time.Second // longer than the gateway waits for a client or for upstream
	settleRoom    = 100              // goroutines, or files: connections that are kept for the next question
)

// settle waits until the gateway has about as many goroutines and open files as before.
func (s *stressed) settle(ctx context.Context, before level) error {
	for end := time.Now().Add(settleTimeout); ; {
		s.client.CloseIdleConnections()
		now, err := s.level(ctx)
		if err != nil {
			return err
		}
		if now.goroutines <= before.goroutines+settleRoom && now.files <= before.files+settleRoom {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%v after it: %d goroutines, and before it %d; %d open files, and before it %d",
				settleTimeout, now.goroutines, before.goroutines, now.files, before.files)
		}
		if err := pass(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
}

// sampler reads a process's memory each second, and its most more often.
type sampler struct {
	cancel context.CancelFunc
	done   chan struct{}
	series []int // each second
	most   int
}

// sampleMemory samples a process. Above most bytes it is killed, as the kernel does in a control group; 0 is no bound.
func sampleMemory(pid, most int) *sampler {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sampler{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for i := 0; ; i++ {
			if now, err := memory(pid, currentRSS); err == nil {
				s.most = max(s.most, now)
				if most > 0 && now > most {
					if process, err := os.FindProcess(pid); err == nil {
						_ = process.Kill()
					}
					return
				}
				if i%10 == 0 {
					s.series = append(s.series, now)
				}
			}
			if pass(ctx, 100*time.Millisecond) != nil {
				return
			}
		}
	}()
	return s
}

// stop ends the sampling.
func (s *sampler) stop() []int {
	s.cancel()
	<-s.done
	return s.series
}

// peak is the most memory that the gateway has had: as the kernel knows it while the process lives, else as it was
// seen.
func (s *stressed) peak(series []int) int {
	most := s.sampler.most
	if len(series) > 0 {
		most = max(most, slices.Max(series))
	}
	if peak, err := memory(s.gateway.pid, peakRSS); err == nil {
		most = max(most, peak)
	}
	return most
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

func pemOf(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}
