package load

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// SendInTurn sends requests with several workers, each of which waits for the response before it sends the next
// request. It returns the number of correct responses per second.
func (s *Target) SendInTurn(ctx context.Context, pages []Page, workers int, long time.Duration) float64 {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	served := 0
	for w := range workers {
		all.Go(func() {
			for i := w; ctx.Err() == nil; i += workers {
				if r := s.SendPage(ctx, pages[i%len(pages)], time.Now()); r.Err == nil && r.Code == "" {
					mu.Lock()
					served++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return float64(served) / long.Seconds()
}

// SendPage requests a page.
func (s *Target) SendPage(ctx context.Context, p Page, due time.Time) Reply {
	body, err := Post(ctx, s.Client, s.Gateway.URL+"graphql", p.Request)
	r := Reply{Due: due, Latency: time.Since(due)}
	if err == nil {
		err = r.read(body, p.calls)
	}
	r.Err = err
	return r
}

// ErrInFlight is the error of a request that was not sent because too many were in flight.
var ErrInFlight = fmt.Errorf("not sent, because %d others were in flight", MaxInFlight)

// SendAtRate requests the pages in turn, so many per second, without waiting for earlier responses. Latency counts from
// the time at which a request was due, so that it includes the delay that a slow response causes.
func (s *Target) SendAtRate(ctx context.Context, pages []Page, perSecond int, long time.Duration) []Reply {
	interval := time.Second / time.Duration(perSecond)
	replies := make([]Reply, long/interval)
	underWay := make(chan struct{}, MaxInFlight)
	var all sync.WaitGroup
	defer all.Wait()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	start := time.Now()
	for i := range replies {
		due := start.Add(time.Duration(i) * interval)
		for time.Now().Before(due) { // after missed ticks the request is sent at once
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return replies[:i]
			}
		}
		select {
		case underWay <- struct{}{}:
		default:
			replies[i] = Reply{Due: due, Err: ErrInFlight}
			continue
		}
		all.Go(func() {
			defer func() { <-underWay }()
			replies[i] = s.SendPage(ctx, pages[i%len(pages)], due)
		})
	}
	return replies
}
