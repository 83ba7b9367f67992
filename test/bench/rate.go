package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// best is how many questions a second are answered to clients that wait for their answers.
func (s *scene) best(ctx context.Context, pages []listPage, workers int, long time.Duration) float64 {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	answered := 0
	for w := range workers {
		all.Go(func() {
			for i := w; ctx.Err() == nil; i += workers {
				if r := s.ask(ctx, pages[i%len(pages)], time.Now()); r.err == nil && r.code == "" {
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
func (s *scene) ask(ctx context.Context, p listPage, due time.Time) reply {
	body, err := post(ctx, s.client, s.gateway.url+"graphql", p.question)
	r := reply{due: due, took: time.Since(due)}
	if err == nil {
		err = r.read(body, p.calls)
	}
	r.err = err
	return r
}

var errCrowded = fmt.Errorf("not asked, because %d others were under way", maxUnderWay)

// pour asks for the pages in turn, so many a second, whether or not those before have been answered. A question counts
// from when it was due, so that what a slow answer holds up is seen.
func (s *scene) pour(ctx context.Context, pages []listPage, perSecond int, long time.Duration) []reply {
	interval := time.Second / time.Duration(perSecond)
	replies := make([]reply, long/interval)
	underWay := make(chan struct{}, maxUnderWay)
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
			replies[i] = reply{due: due, err: errCrowded}
			continue
		}
		all.Go(func() {
			defer func() { <-underWay }()
			replies[i] = s.ask(ctx, pages[i%len(pages)], due)
		})
	}
	return replies
}
