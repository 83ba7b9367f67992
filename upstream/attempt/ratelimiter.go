package attempt

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"revox-graphql/upstream"
)

// rateLimiter is a rate limiter that learns from upstream's 429. At first it admits every request. A 429 halves the
// current rate, but only once in two seconds, until the requests that were admitted at the old rate have ended. Each
// response raises the rate, in total by a twentieth per second, or by one request per second if that is more. So the
// rate stays just below what upstream accepts, and the limit ends once the rate is far above what clients need.
type rateLimiter struct {
	lowered func(perSecond float64)

	mu        sync.Mutex
	limiter   *rate.Limiter
	loweredAt time.Time
	second    int64 // the second that sent counts, in Unix time
	sent      int   // requests in that second
	before    int   // requests in the second before
}

const (
	slowest      = 2    // requests per second: a few requests say little about how many are too many
	unlimited    = 1000 // requests per second: beyond this, the limit ends
	longestQueue = time.Second
)

func newRateLimiter(lowered func(perSecond float64)) *rateLimiter {
	return &rateLimiter{lowered: lowered, limiter: rate.NewLimiter(rate.Inf, 1)}
}

// wait waits for the request's turn. Its error is of [upstream.KindRateLimited] if that is more than longestQueue off,
// or after ctx's deadline; else that of [upstream.ContextError].
func (l *rateLimiter) wait(ctx context.Context) error {
	now := time.Now()
	turn := l.limiter.ReserveN(now, 1)
	delay := turn.DelayFrom(now)
	deadline, ok := ctx.Deadline()
	if delay > longestQueue || delay > 0 && ok && deadline.Sub(now) <= delay {
		turn.CancelAt(now)
		return &upstream.Error{
			Kind: upstream.KindRateLimited, Reason: "it accepts fewer requests than there are", RetryAfter: delay, Unsent: true,
		}
	}
	if delay > 0 {
		if err := wait(ctx, delay); err != nil {
			turn.Cancel()
			return err
		}
	}
	return nil
}

// count counts a request that is being sent.
func (l *rateLimiter) count(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch second := now.Unix(); second - l.second {
	case 0:
		l.sent++
	case 1:
		l.second, l.before, l.sent = second, l.sent, 1
	default:
		l.second, l.before, l.sent = second, 0, 1
	}
}

// record changes the rate after an attempt.
func (l *rateLimiter) record(err error, now time.Time) {
	e, failed := errors.AsType[*upstream.Error](err)
	switch {
	case failed && e.Kind == upstream.KindRateLimited:
		l.lower(now)
	case err == nil, tooLarge(err):
		l.raise()
	}
}

func (l *rateLimiter) lower(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.loweredAt) < 2*longestQueue {
		return
	}
	l.loweredAt = now
	perSecond := max(slowest, min(float64(max(l.sent, l.before)), float64(l.limiter.Limit()))/2)
	l.limiter.SetLimitAt(now, rate.Limit(perSecond))
	l.lowered(perSecond)
}

func (l *rateLimiter) raise() {
	l.mu.Lock()
	defer l.mu.Unlock()
	perSecond := float64(l.limiter.Limit())
	if perSecond > unlimited {
		return
	}
	if perSecond += max(1, perSecond/20) / perSecond; perSecond > unlimited {
		l.limiter.SetLimit(rate.Inf)
	} else {
		l.limiter.SetLimit(rate.Limit(perSecond))
	}
}
