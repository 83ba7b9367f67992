package fake

import (
	"slices"
	"sync"
)

// maxRecord is the greatest number of recorded requests, so that a load test does not use up the memory.
const maxRecord = 100_000

// Request is the record of a request that arrived.
type Request struct {
	Page, PageSize int      // as sent; -1 where absent or unreadable
	Statuses       []string // as understood
	RawQuery       string
	Authorization  string
	Status         int // of the response; 0 before it, or if the client left before it
	Rows           int // rows in the response
}

// Requests returns the last 100,000 requests in the order in which they arrived.
func (u *Upstream) Requests() []Request {
	return u.record.all()
}

// ResetRequests empties the record; the next request is number 1 again.
func (u *Upstream) ResetRequests() {
	u.record.reset()
}

// record is a ring of requests: number n, counted from 1, lies at (n-1) modulo maxRecord.
type record struct {
	mu    sync.Mutex
	epoch int // counts resets, so that a response after one does not change another request's record
	n     int
	ring  []Request
}

type ticket struct{ epoch, n int }

func (c *record) arrive(r Request) ticket {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	if len(c.ring) < maxRecord {
		c.ring = append(c.ring, r)
	} else {
		c.ring[(c.n-1)%maxRecord] = r
	}
	return ticket{epoch: c.epoch, n: c.n}
}

func (c *record) responded(t ticket, status, rows int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.epoch != c.epoch || t.n <= c.n-maxRecord {
		return
	}
	r := &c.ring[(t.n-1)%maxRecord]
	r.Status, r.Rows = status, rows
}

func (c *record) all() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n <= maxRecord {
		return slices.Clone(c.ring)
	}
	oldest := c.n % maxRecord
	return slices.Concat(c.ring[oldest:], c.ring[:oldest])
}

func (c *record) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	c.n, c.ring = 0, nil
}
