package pagination

import (
	"errors"
	"sync"
	"time"

	"revox-graphql/upstream"
)

// limiter bounds how many requests of a tenant read ahead at once, all its scans together. It begins with two, and
// follows upstream as TCP follows a network: one more after each response, until one comes slower or is a 429; from
// then on one more after as many responses as there are in flight, while these come no slower; half as many after a
// 429, and then only slowly as many as there were. What a client waits for is no part of it. How many requests per
// second upstream takes is up to package attempt, which holds back all requests of the tenant together.
type limiter struct {
	most int // 1 is not to read ahead

	mu       sync.Mutex
	limit    int
	taken    int
	sent     int           // requests so far
	lowered  int           // those that were sent when the limit was last lowered
	good     int           // responses since the limit last changed
	toomany  int           // the limit at which the last 429 came; 0 is none
	slowed   bool          // a response came slower than expected, or was a 429
	expected time.Duration // that a response takes; 0 is unknown
}

const (
	firstLimit = 2
	// slower is by how much a response may take longer than expected, a part of that and a constant: on a machine next
	// to upstream's, responses differ by as much for no reason.
	slower         = 2
	slowerConstant = 10 * time.Millisecond
	// forgetting is the part of a difference by which a slower response changes what is expected, one in so many.
	forgetting = 16
	// cautious is how many times as many responses it takes to raise the limit to where a 429 came.
	cautious = 16
)

func newLimiter(most int) *limiter {
	return &limiter{most: max(1, most), limit: min(firstLimit, max(1, most))}
}

// take takes a place for one more request, if there is one, and returns the request's number, from 1; 0 is none.
func (p *limiter) take() (request int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= p.limit {
		return 0
	}
	p.taken++
	p.sent++
	return p.sent
}

// done gives the place of a request back, and learns from its outcome. A page from memory says nothing about upstream.
func (p *limiter) done(request int, took time.Duration, fresh bool, page *upstream.Page, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	failure, failed := errors.AsType[*upstream.Error](err)
	limited := failed && failure.Kind == upstream.KindRateLimited || err == nil && fresh && page.Limited
	switch {
	case limited && request > p.lowered: // those before it were sent under a limit that is no more
		p.limit, p.toomany, p.lowered, p.good, p.slowed = max(1, p.limit/2), p.limit, p.sent, 0, true
	case err != nil || !fresh || limited:
	case p.expected == 0 || took < p.expected:
		p.expected = took
		p.raise()
	default:
		if took <= slower*p.expected+slowerConstant {
			p.raise()
		} else {
			p.good, p.slowed = 0, true
		}
		p.expected += (took - p.expected) / forgetting
	}
}

// raise counts a good response. The caller holds the lock.
func (p *limiter) raise() {
	needed := p.limit
	if !p.slowed {
		needed = 1
	}
	if p.toomany > 0 && p.limit+1 >= p.toomany {
		needed *= cautious
	}
	if p.good++; p.good >= needed && p.limit < p.most {
		p.limit, p.good = p.limit+1, 0
	}
}
