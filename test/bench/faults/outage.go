package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/report"
	"revox-graphql/test/bench/servers"
	"revox-graphql/upstream/fake"
)

const (
	outagePages     = 20
	outageCalls     = 20 // in a page
	outagePerSecond = 200
	outageLatency   = 20 * time.Millisecond // of the upstream
)

// measureOutage measures the responses of the gateway before, during and after an outage of the upstream.
func (o *options) measureOutage(ctx context.Context, t *report.Table) error {
	var settings []string
	if o.ttl != "" {
		settings = append(settings, "GATEWAY_CACHE_TTL="+o.ttl)
	}
	if o.stale != "" {
		settings = append(settings, "GATEWAY_CACHE_STALE="+o.stale)
	}
	s, err := load.StartTarget(ctx, o.Gateway, settings...)
	if err != nil {
		return err
	}
	defer s.Stop()
	s.Upstream.Behave(func(b *fake.Behaviour) { b.Latency = outageLatency })
	pages, err := s.Walk(ctx, outageCalls, outagePages, func() bool { return true })
	if err != nil {
		return err
	}

	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := make(chan []load.Reply, 1)
	go func() { sent <- s.SendAtRate(sending, pages, outagePerSecond, o.well+o.down+o.back) }()
	w, err := o.failAndRecover(ctx, s.Upstream)
	if err != nil {
		cancel()
	}
	replies := <-sent
	if err != nil {
		return err
	}
	o.report(t, w, replies)
	return errors.Join(load.CheckReplies(replies), s.Gateway.Err())
}

// timeline contains when the outage began and ended, and the times of the upstream requests after it.
type timeline struct {
	down, back time.Time

	mu       sync.Mutex
	requests []time.Time
}

// failAndRecover lets the upstream work, then stops it, and then starts it again.
func (o *options) failAndRecover(ctx context.Context, rest *servers.Upstream) (*timeline, error) {
	w := &timeline{}
	report.Progress("outage: the upstream works for %v", o.well)
	if err := servers.Sleep(ctx, o.well); err != nil {
		return nil, err
	}
	report.Progress("outage: the upstream is down for %v", o.down)
	w.down = time.Now()
	rest.Stop()
	if err := servers.Sleep(ctx, o.down); err != nil {
		return nil, err
	}
	report.Progress("outage: the upstream works again for %v", o.back)
	rest.Behave(func(b *fake.Behaviour) { b.Fault = w.arrived })
	w.back = time.Now().Truncate(time.Millisecond) // as cursors have it
	if err := rest.Resume(ctx); err != nil {
		return nil, err
	}
	return w, servers.Sleep(ctx, o.back)
}

// arrived implements the fake's Fault. It causes no fault: it only records the time of a request.
func (w *timeline) arrived(int, *http.Request) *fake.Response {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = append(w.requests, time.Now())
	return nil
}

// bursts returns the number of requests in the first second after the outage, and in the second with the most.
func (w *timeline) bursts() (first, most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	second := func(start time.Time) (n int) {
		for _, at := range w.requests {
			if since := at.Sub(start); since >= 0 && since < time.Second {
				n++
			}
		}
		return n
	}
	for _, at := range w.requests {
		most = max(most, second(at))
	}
	return second(w.back), most
}

// report adds the figures of the outage to the table. A request belongs to the phase in which it was due.
func (o *options) report(t *report.Table, w *timeline, replies []load.Reply) {
	t.Printf("\n## Outage\n\n%d requests per second for %d pages of %d calls in turn. "+
		"The upstream responds in %v, and is down for %v.\n",
		outagePerSecond, outagePages, outageCalls, outageLatency, o.down)
	until := func(at time.Time) int {
		n, _ := slices.BinarySearchFunc(replies, at, func(r load.Reply, at time.Time) int { return r.Due.Compare(at) })
		return n
	}
	died, returned := until(w.down), until(w.back)
	t.Head("outage", "requests", "fresh responses", "oldest page of one, s",
		"stale responses", "their ages, s", "errors", "p50, ms", "p99, ms")
	for _, phase := range []struct {
		name    string
		replies []load.Reply
	}{
		{"before", replies[:died]}, {"down", replies[died:returned]}, {"after", replies[returned:]},
	} {
		y := load.NewTally(phase.replies)
		ages := "–"
		if len(y.Ages) > 0 {
			ages = fmt.Sprintf("%.0f–%.0f", slices.Min(y.Ages), slices.Max(y.Ages))
		}
		t.Row(phase.name, strconv.Itoa(len(phase.replies)), strconv.Itoa(y.Fresh), report.Decimals(1)(y.Oldest.Seconds()),
			strconv.Itoa(len(y.Ages)), ages, y.Errors(), y.Latency(50), y.Latency(99))
	}
	t.Head("after the outage", "")
	first, most := w.bursts()
	t.Row("upstream requests in the first second", strconv.Itoa(first))
	t.Row("upstream requests in the second with the most", strconv.Itoa(most))
	t.Row("seconds until the first response with a page read since", w.first(replies))
	t.Row("seconds until the last response marked as stale",
		w.last(replies, func(r *load.Reply) bool { return r.Stale != nil }))
	t.Row("seconds until the last error", w.last(replies, func(r *load.Reply) bool { return r.Code != "" }))
	t.Row("seconds until the last response with a page read before", w.last(replies, func(r *load.Reply) bool {
		return r.Code == "" && r.ReadAt.Before(w.back)
	}))
}

// first returns, in seconds after the end of the outage, when the first fresh response came whose page was read after
// it.
func (w *timeline) first(replies []load.Reply) string {
	first := time.Duration(-1)
	for _, r := range replies {
		if r.Err == nil && r.Code == "" && r.Stale == nil && !r.ReadAt.Before(w.back) {
			if after := r.At().Sub(w.back); first < 0 || after < first {
				first = after
			}
		}
	}
	if first < 0 {
		return "never"
	}
	return report.Decimals(2)(first.Seconds())
}

// last returns, in seconds after the end of the outage, when the last reply of a kind came.
func (w *timeline) last(replies []load.Reply, is func(*load.Reply) bool) string {
	last := time.Duration(0)
	for _, r := range replies {
		if r.Err == nil && is(&r) {
			last = max(last, r.At().Sub(w.back))
		}
	}
	if n := len(replies); n > 0 && replies[n-1].Err == nil && is(&replies[n-1]) {
		return "not yet"
	}
	return report.Decimals(2)(last.Seconds())
}
