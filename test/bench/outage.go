package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"revox-graphql/upstream/fake"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	outagePages     = 20
	outageCalls     = 20 // in a page
	outagePerSecond = 200
	outageLatency   = 20 * time.Millisecond // of the upstream
)

// measureOutage measures what clients are answered before, while and after upstream is dead.
func (o *faultsOptions) measureOutage(ctx context.Context, t *table) error {
	var settings []string
	if o.ttl != "" {
		settings = append(settings, "GATEWAY_CACHE_TTL="+o.ttl)
	}
	if o.stale != "" {
		settings = append(settings, "GATEWAY_CACHE_STALE="+o.stale)
	}
	s, err := startTarget(ctx, o.gateway, settings...)
	if err != nil {
		return err
	}
	defer s.stop()
	s.rest.Behave(func(b *fake.Behaviour) { b.Latency = outageLatency })
	pages, err := s.walk(ctx, outageCalls, outagePages, func() bool { return true })
	if err != nil {
		return err
	}

	pouring, cancel := context.WithCancel(ctx)
	defer cancel()
	poured := make(chan []reply, 1)
	go func() { poured <- s.pour(pouring, pages, outagePerSecond, o.well+o.down+o.back) }()
	w, err := o.weather(ctx, s.rest)
	if err != nil {
		cancel()
	}
	replies := <-poured
	if err != nil {
		return err
	}
	o.report(t, w, replies)
	return errors.Join(checkReplies(replies), s.gateway.err())
}

// weather is when upstream died and when it came back, and when it was asked after that.
type weather struct {
	down, back time.Time

	mu       sync.Mutex
	requests []time.Time
}

// weather lets upstream be well, dead, and well again.
func (o *faultsOptions) weather(ctx context.Context, rest *upstream) (*weather, error) {
	w := &weather{}
	progress("outage: upstream is well for %v", o.well)
	if err := pass(ctx, o.well); err != nil {
		return nil, err
	}
	progress("outage: upstream is dead for %v", o.down)
	w.down = time.Now()
	rest.stop()
	if err := pass(ctx, o.down); err != nil {
		return nil, err
	}
	progress("outage: upstream is back for %v", o.back)
	rest.Behave(func(b *fake.Behaviour) { b.Fault = w.arrived })
	w.back = time.Now().Truncate(time.Millisecond) // as cursors have it
	if err := rest.resume(ctx); err != nil {
		return nil, err
	}
	return w, pass(ctx, o.back)
}

// arrived is a fault that is none: it notes the time.
func (w *weather) arrived(int, *http.Request) *fake.Answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = append(w.requests, time.Now())
	return nil
}

// bursts are how many requests came in the first second after upstream's return, and in the second with the most.
func (w *weather) bursts() (first, most int) {
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

// reportOutage tells what clients were answered. A question belongs to the time at which it was asked.
func (o *faultsOptions) report(t *table, w *weather, replies []reply) {
	t.printf("\n## Outage\n\n%d questions a second for %d pages of %d calls in turn. Upstream answers in %v, and is dead for %v.\n",
		outagePerSecond, outagePages, outageCalls, outageLatency, o.down)
	until := func(at time.Time) int {
		n, _ := slices.BinarySearchFunc(replies, at, func(r reply, at time.Time) int { return r.due.Compare(at) })
		return n
	}
	died, returned := until(w.down), until(w.back)
	t.head("upstream", "questions", "fresh answers", "oldest page of one, s", "stale answers", "their ages, s", "errors", "p50, ms", "p99, ms")
	for _, phase := range []struct {
		name    string
		replies []reply
	}{
		{"well", replies[:died]}, {"dead", replies[died:returned]}, {"back", replies[returned:]},
	} {
		y := newTally(phase.replies)
		ages := "–"
		if len(y.ages) > 0 {
			ages = fmt.Sprintf("%.0f–%.0f", slices.Min(y.ages), slices.Max(y.ages))
		}
		t.row(phase.name, strconv.Itoa(len(phase.replies)), strconv.Itoa(y.fresh), decimals(1)(y.oldest.Seconds()),
			strconv.Itoa(len(y.ages)), ages, y.errors(), y.latency(50), y.latency(99))
	}
	t.head("after upstream has come back", "")
	first, most := w.bursts()
	t.row("requests to it in the first second", strconv.Itoa(first))
	t.row("requests to it in the second with the most", strconv.Itoa(most))
	t.row("seconds until the first answer of a page asked for since", w.first(replies))
	t.row("seconds until the last answer marked as stale", w.last(replies, func(r *reply) bool { return r.stale != nil }))
	t.row("seconds until the last error", w.last(replies, func(r *reply) bool { return r.code != "" }))
	t.row("seconds until the last answer of a page asked for before", w.last(replies, func(r *reply) bool {
		return r.code == "" && r.asked.Before(w.back)
	}))
}

// first is when the first fresh answer came whose page was asked for after upstream's return.
func (w *weather) first(replies []reply) string {
	first := time.Duration(-1)
	for _, r := range replies {
		if r.err == nil && r.code == "" && r.stale == nil && !r.asked.Before(w.back) {
			if after := r.at().Sub(w.back); first < 0 || after < first {
				first = after
			}
		}
	}
	if first < 0 {
		return "never"
	}
	return decimals(2)(first.Seconds())
}

// last is when the last reply of a kind came after upstream's return.
func (w *weather) last(replies []reply, is func(*reply) bool) string {
	last := time.Duration(0)
	for _, r := range replies {
		if r.err == nil && is(&r) {
			last = max(last, r.at().Sub(w.back))
		}
	}
	if n := len(replies); n > 0 && replies[n-1].err == nil && is(&replies[n-1]) {
		return "not over"
	}
	return decimals(2)(last.Seconds())
}
