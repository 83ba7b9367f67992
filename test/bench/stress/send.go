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

// total returns the number of requests.
func (t *outcomes) total() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, count := range t.counts {
		n += count
	}
	return n
}

// request is a request of a load.
type request struct {
	method, path string // empty: POST and graphql
	body         []byte
	header       map[string]string
}

// response is the response to a request of a load.
type response struct {
	status int
	code   string // of the first error in a short response
	bytes  int64  // of the body
	header http.Header
	err    error // there was no response, or not all of it
}

// shortResponse is the size of a response, in bytes, up to which it is searched for an error code.
const shortResponse = 16 << 10

// send sends a request, and reads the response without keeping it.
func (s *target) send(ctx context.Context, client *http.Client, a request) (r response) {
	method, path := a.method, a.path
	if method == "" {
		method, path = http.MethodPost, "graphql"
	}
	url := s.Gateway.URL + path
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(a.body))
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
	resp, err := client.Do(req)
	if err != nil {
		return response{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	var start bytes.Buffer
	n, err := io.CopyN(&start, resp.Body, shortResponse)
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

// each runs do in a loop in so many workers, each with a client of its own, until ctx is done. A failure delays the
// next turn.
func (s *target) each(ctx context.Context, workers int, do func(client *http.Client, worker, turn int) error) {
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			client := load.NewClient()
			client.Timeout = 0 // ctx limits the time
			defer client.CloseIdleConnections()
			_ = servers.Sleep(ctx, s.gap*time.Duration(worker)/time.Duration(workers)) // spread the workers over the gap
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

// outcomes counts the outcomes of the requests of a load.
type outcomes struct {
	mu     sync.Mutex
	counts map[string]int
	bytes  int64
	cut    error // why the first incomplete response was cut off
	none   error // why the first missing response is missing
}

func (t *outcomes) add(ctx context.Context, r response) error {
	if ctx.Err() != nil {
		return nil // this program aborted the request
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
			t.cut = fmt.Errorf("a response ended after %d bytes: %w", r.bytes, r.err)
		}
	case r.err != nil:
		if t.counts["none"]++; t.none == nil {
			t.none = fmt.Errorf("no response: %w", r.err)
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

// address returns the host and port of the gateway.
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

// connections keeps n connections in use. They are opened one by one within the first second, and each that ends with
// an error is replaced after a delay. It returns the number of opened connections.
func (s *target) connections(
	ctx context.Context, n int, delay time.Duration, use func(ctx context.Context, conn net.Conn) error,
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
					_ = servers.Sleep(ctx, delay)
				}
			}
		})
	}
	all.Wait()
	return opened
}

// random returns a random number below n. Loads differ in each run.
func random(n int) int { return rand.IntN(n) } //nolint:gosec // nothing is secret here
