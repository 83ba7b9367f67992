package stress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/servers"
)

// total is how many requests there were.
func (t *outcomes) total() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, count := range t.counts {
		n += count
	}
	return n
}

// attempt is a request of a load.
type request struct {
	method, path string // POST of /graphql where they are empty
	body         []byte
	header       map[string]string
}

// sent is what came of it.
type response struct {
	status int
	code   string // of the first error in a short answer
	bytes  int64  // of the answer
	header http.Header
	err    error // the answer did not come, or not all of it
}

// shortAnswer is an answer that is looked into.
const shortAnswer = 16 << 10

// send sends a request, and reads its answer without keeping it.
func (s *target) send(ctx context.Context, client *http.Client, a request) (r response) {
	method, path := a.method, a.path
	if method == "" {
		method, path = http.MethodPost, "graphql"
	}
	url := s.Gateway.URL + path
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(a.body)) //nolint:gosec // our server
	if err != nil {
		return response{err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range a.header {
		req.Header.Set(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	resp, err := client.Do(req) //nolint:gosec // as above
	if err != nil {
		return response{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	var start bytes.Buffer
	n, err := io.CopyN(&start, resp.Body, shortAnswer)
	r = response{status: resp.StatusCode, bytes: n, header: resp.Header, code: load.ErrorCode(start.Bytes())}
	if errors.Is(err, io.EOF) {
		return r
	}
	if err == nil {
		n, err = io.Copy(io.Discard, resp.Body)
		r.bytes += n
	}
	r.err = err
	return r
}

// each lets so many workers, with a client each, do something again and again until ctx is done. What fails at once is
// not tried at once again.
func (s *target) each(ctx context.Context, workers int, do func(client *http.Client, worker, turn int) error) {
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			client := load.NewClient()
			client.Timeout = 0 // ctx ends what takes too long
			defer client.CloseIdleConnections()
			_ = servers.Sleep(ctx, s.gap*time.Duration(worker)/time.Duration(workers)) // one after the other, where there is a gap
			for turn := 0; ctx.Err() == nil; turn++ {
				gap := s.gap
				if do(client, worker, turn) != nil {
					gap = max(gap, 20*time.Millisecond)
				}
				if gap > 0 {
					_ = servers.Sleep(ctx, gap)
				}
			}
		})
	}
	all.Wait()
}

// tried counts what requests of a load came to.
type outcomes struct {
	mu     sync.Mutex
	counts map[string]int
	bytes  int64
	cut    error // why the first answer ended too early
	none   error // why there was none the first time
}

func (t *outcomes) add(ctx context.Context, r response) error {
	if ctx.Err() != nil {
		return nil // it was cut off by this program
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	t.bytes += r.bytes
	switch {
	case r.err != nil && r.code != "":
		t.counts[r.code]++
	case r.err != nil && r.status == http.StatusOK:
		if t.counts["cut"]++; t.cut == nil {
			t.cut = fmt.Errorf("an answer ended after %d bytes: %w", r.bytes, r.err)
		}
	case r.err != nil:
		if t.counts["none"]++; t.none == nil {
			t.none = fmt.Errorf("there was no answer: %w", r.err)
		}
	case r.code != "":
		t.counts[r.code]++
	default:
		t.counts[strconv.Itoa(r.status)]++
	}
	return r.err
}

func (t *outcomes) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return (&load.Tally{Codes: t.counts}).Errors()
}

// address is where the gateway listens.
func (s *target) address() string {
	_, rest, _ := strings.Cut(s.Gateway.URL, "://")
	return strings.TrimSuffix(rest, "/")
}

// dial opens a connection to the gateway, which is closed when ctx is done.
func (s *target) dial(ctx context.Context) (conn net.Conn, end func(), err error) {
	conn, err = new(net.Dialer).DialContext(ctx, "tcp", s.address())
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return conn, func() { stop(); _ = conn.Close() }, nil
}

// connections lets so many connections be used, which come one by one in a second, and where one ends another, after a
// while.
func (s *target) connections(
	ctx context.Context, n int, while time.Duration, use func(ctx context.Context, conn net.Conn) error,
) (opened int) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for i := range n {
		all.Go(func() {
			_ = servers.Sleep(ctx, time.Duration(i)*time.Second/time.Duration(n))
			for ctx.Err() == nil {
				conn, end, err := s.dial(ctx)
				if err == nil {
					mu.Lock()
					opened++
					mu.Unlock()
					err = use(ctx, conn)
					end()
				}
				if err != nil {
					_ = servers.Sleep(ctx, while)
				}
			}
		})
	}
	all.Wait()
	return opened
}

// random is a number below n; the same each time would be a worse load.
func random(n int) int { return rand.IntN(n) } //nolint:gosec // nothing is secret here
