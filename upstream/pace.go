package upstream

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace is a rate limiter that learns from upstream's 429. At first it lets everything pass. A 429 halves the rate that
// there was when it came, but only once until those that had their turn at the old rate are through; each answer raises
// it a little, by a twentieth a second in all, or by one request a second where that is more. So the rate keeps close
// below what upstream takes, and is gone when it is far above what is asked for.
type pace struct {
	lowered func(perSecond float64)

	mu        sync.Mutex
	limiter   *rate.Limiter
	loweredAt time.Time
	second    int64 // the second that is being counted
	asked     int   // requests in it
	before    int   // requests in the second before
}

const (
	slowest      = 2    // requests a second: who asks seldom has told little about what is too often
	unlimited    = 1000 // requests a second: as good as no limit for one gateway
	longestQueue = time.Second
)

func newPace(lowered func(perSecond float64)) *pace {
	return &pace{lowered: lowered, limiter: rate.NewLimiter(rate.Inf, 1)}
}

// wait waits for its turn; it is a rate-limited error when that is too far off.
func (p *pace) wait(ctx context.Context) error {
	now := time.Now()
	turn := p.limiter.ReserveN(now, 1)
	delay := turn.DelayFrom(now)
	deadline, ok := ctx.Deadline()
	if delay > longestQueue || delay > 0 && ok && deadline.Sub(now) <= delay {
		turn.CancelAt(now)
		return &Error{Kind: KindRateLimited, Reason: "it takes fewer requests than there are", RetryAfter: delay, unsent: true}
	}
	if delay > 0 {
		if err := pause(ctx, delay); err != nil {
			turn.Cancel()
			return err
		}
	}
	return nil
}

// count counts a request that is sent.
func (p *pace) count(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch second := now.Unix(); second - p.second {
	case 0:
		p.asked++
	case 1:
		p.second, p.before, p.asked = second, p.asked, 1
	default:
		p.second, p.before, p.asked = second, 0, 1
	}
}

// lower halves the rate.
func (p *pace) lower(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.loweredAt) < 2*longestQueue {
		return
	}
	p.loweredAt = now
	perSecond := max(slowest, min(float64(max(p.asked, p.before)), float64(p.limiter.Limit()))/2)
	p.limiter.SetLimitAt(now, rate.Limit(perSecond))
	p.lowered(perSecond)
}

// raise raises the rate by what one answer is worth.
func (p *pace) raise() {
	p.mu.Lock()
	defer p.mu.Unlock()
	perSecond := float64(p.limiter.Limit())
	if perSecond > unlimited {
		return
	}
	if perSecond += max(1, perSecond/20) / perSecond; perSecond > unlimited {
		p.limiter.SetLimit(rate.Inf)
	} else {
		p.limiter.SetLimit(rate.Limit(perSecond))
	}
}
