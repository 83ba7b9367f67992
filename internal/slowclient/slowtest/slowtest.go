// Package slowtest imitates slow clients, for tests in a bubble of testing/synctest.
package slowtest

import (
	"net/http/httptest"
	"os"
	"sync"
	"time"
)

// Client is an [http.ResponseWriter] whose client reads a number of bytes per second, and then stalls. It keeps no
// bytes.
type Client struct {
	*httptest.ResponseRecorder
	// Tells says that the system knows when it last sent data. It sends data as long as the client reads.
	Tells bool

	rate, most int

	mu       sync.Mutex
	read     int
	deadline time.Time
	stalled  time.Time     // when the client stopped reading; zero while it reads
	changed  chan struct{} // signals that the deadline has changed
}

// New makes a client that reads rate bytes per second, until it has read most bytes.
func New(rate, most int) *Client {
	return &Client{ResponseRecorder: httptest.NewRecorder(), rate: rate, most: most, changed: make(chan struct{}, 1)}
}

// Write implements [http.ResponseWriter].
func (r *Client) Write(b []byte) (int, error) {
	var arrived <-chan time.Time
	if r.read += len(b); r.read <= r.most {
		arrived = time.After(time.Duration(len(b)) * time.Second / time.Duration(r.rate))
	} else {
		r.stall()
	}
	for {
		r.mu.Lock()
		late := time.After(time.Until(r.deadline))
		r.mu.Unlock()
		select {
		case <-arrived:
			return len(b), nil
		case <-late:
			return 0, os.ErrDeadlineExceeded
		case <-r.changed:
		}
	}
}

// stall notes when the client stops reading.
func (r *Client) stall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stalled.IsZero() {
		r.stalled = time.Now()
	}
}

// SentAgo imitates what package slowclient asks the system.
func (r *Client) SentAgo() (ago time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stalled.IsZero() {
		return 0, r.Tells
	}
	return time.Since(r.stalled), r.Tells
}

// SetWriteDeadline is for [http.ResponseController].
func (r *Client) SetWriteDeadline(deadline time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deadline = deadline
	select {
	case r.changed <- struct{}{}:
	default:
	}
	return nil
}
