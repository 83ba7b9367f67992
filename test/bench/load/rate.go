package load

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// best is how many questions a second are answered to clients that wait for their answers.
func (s *Target) SendInTurn(ctx context.Context, pages []Page, workers int, long time.Duration) float64 {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	answered := 0
	for w := range workers {
		all.Go(func() {
			for i := w; ctx.Err() == nil; i += workers {
				if r := s.SendPage(ctx, pages[i%len(pages)], time.Now()); r.Err == nil && r.Code == "" {
					mu.Lock()
					answered++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return float64(answered) / long.Seconds()
}

// ask asks for a page.
func (s *Target) SendPage(ctx context.Context, p Page, due time.Time) Reply {
	body, err := Post(ctx, s.Client, s.Gateway.URL+"graphql", p.Request)
	r := Reply{Due: due, Latency: time.Since(due)}
	if err == nil {
		err = r.read(body, p.calls)
	}
	r.Err = err
	return r
}

var ErrInFlight = fmt.Errorf("not asked, because %d others were under way", MaxInFlight)

// pour asks for the pages in turn, so many a second, whether or not those before have been answered. A question counts
// from when it was due, so that what a slow answer holds up is seen.
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
		for time.Now().Before(due) { // who has missed ticks asks at once
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
