package compare

import (
	"bytes"
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

// measureIdle measures the memory of a gateway that has just started with default settings.
func measureIdle(ctx context.Context, o *options, r *results) error {
	rest, err := servers.StartUpstream(ctx)
	if err != nil {
		return err
	}
	defer rest.Stop()
	f := &servers.Fleet{}
	defer f.Stop()
	gateway, err := f.StartGateway(ctx, o.gateway, "idle", rest)
	if err != nil {
		return err
	}
	if _, err := load.Get(ctx, load.NewClient(), gateway.URL+"healthz"); err != nil {
		return err
	}
	r.idle, err = servers.Memory(gateway.PID, servers.CurrentRSS)
	return err
}

const (
	coldRounds   = 8                     // of each way, in turn
	coldRequests = 20                    // of each connection in a round
	coldLatency  = 20 * time.Millisecond // of the upstream
)

// coldConnections returns how many connections request pages at a time.
func coldConnections() []int { return []int{4, 32} }

// cold contains how long responses took whose calls come from the upstream, sorted.
type cold struct {
	connections     int
	gateway, direct []time.Duration
}

// measureCold measures what the gateway adds to a response of the upstream when it has nothing in memory. Connections
// request windows through the gateway, and then the same pages from the upstream, in turn. No two connections request
// the same window at a time: the gateway would request it once.
func measureCold(ctx context.Context, o *options, r *results) error {
	rest, err := servers.StartUpstream(ctx)
	if err != nil {
		return err
	}
	defer rest.Stop()
	f := &servers.Fleet{}
	defer f.Stop()
	gateway, err := f.StartGateway(ctx, o.gateway, "cold", rest, "GATEWAY_CACHE_TTL=0")
	if err != nil {
		return err
	}
	client := load.NewClient()
	client.Transport.(*http.Transport).MaxIdleConnsPerHost = slices.Max(coldConnections()) // made by NewClient
	defer client.CloseIdleConnections()
	q, err := buildRequests(ctx, client, gateway, o.workloads[0])
	if err != nil {
		return err
	}
	m := &coldMeasurement{requestSet: q, client: client, gateway: gateway, rest: rest}
	if err := m.learn(ctx); err != nil {
		return err
	}
	rest.Behave(func(b *fake.Behaviour) { b.Latency = coldLatency })
	for _, connections := range coldConnections() {
		one := cold{connections: connections}
		for range coldRounds + 1 { // the first opens connections
			through, err := m.inParallel(connections, func(i int) error { return m.viaGateway(ctx, i) })
			if err != nil {
				return fmt.Errorf("through the gateway: %w", err)
			}
			direct, err := m.inParallel(connections, func(i int) error { return m.direct(ctx, i) })
			if err != nil {
				return fmt.Errorf("directly: %w", err)
			}
			one.gateway, one.direct = append(one.gateway, through...), append(one.direct, direct...)
		}
		first := connections * coldRequests
		one.gateway, one.direct = one.gateway[first:], one.direct[first:]
		slices.Sort(one.gateway)
		slices.Sort(one.direct)
		r.cold = append(r.cold, one)
	}
	return nil
}

// coldMeasurement is a gateway without a page cache over an upstream, and what its client requests of both.
type coldMeasurement struct {
	*requestSet
	client  *http.Client
	gateway *servers.Process
	rest    *servers.Upstream
	pages   [windows]coldPage
}

// coldPage is the page that a window takes.
type coldPage struct {
	number, size int
	body         []byte
}

// learn sends each request once, while the upstream is quick, and notes which page the gateway requests for it: one.
func (m *coldMeasurement) learn(ctx context.Context) error {
	for i := range m.bodies {
		m.rest.ResetRequests()
		var err error
		if m.responses[i], err = load.Post(ctx, m.client, m.gateway.URL+"graphql", m.bodies[i]); err != nil {
			return err
		}
		requests := m.rest.Requests()
		if len(requests) != 1 {
			return fmt.Errorf("window %d took %d upstream requests, not 1", i, len(requests))
		}
		page := coldPage{number: requests[0].Page, size: requests[0].PageSize}
		if page.body, err = load.RESTPage(ctx, m.client, m.rest, page.number, page.size); err != nil {
			return err
		}
		m.pages[i] = page
	}
	return nil
}

var errOtherBytes = errors.New("the response differs from the first")

// viaGateway requests a window through the gateway. Its cursors have the time at which the page was requested, and are
// of the same length.
func (m *coldMeasurement) viaGateway(ctx context.Context, i int) error {
	body, err := load.Post(ctx, m.client, m.gateway.URL+"graphql", m.bodies[i])
	if err == nil && len(body) != len(m.responses[i]) {
		err = fmt.Errorf("%w: %.500s", errOtherBytes, body)
	}
	return err
}

// direct requests the page of a window from the upstream.
func (m *coldMeasurement) direct(ctx context.Context, i int) error {
	body, err := load.RESTPage(ctx, m.client, m.rest, m.pages[i].number, m.pages[i].size)
	if err == nil && !bytes.Equal(body, m.pages[i].body) {
		err = fmt.Errorf("%w: %.500s", errOtherBytes, body)
	}
	return err
}

// inParallel sends requests over so many connections. Each sends one after the other, for windows of its own.
func (*coldMeasurement) inParallel(connections int, send func(i int) error) ([]time.Duration, error) {
	took := make([]time.Duration, connections*coldRequests)
	failed := make([]error, connections)
	var all sync.WaitGroup
	for connection := range connections {
		all.Go(func() {
			for n := range coldRequests {
				began := time.Now()
				if err := send((connection + n*connections) % windows); err != nil {
					failed[connection] = err
					return
				}
				took[connection*coldRequests+n] = time.Since(began)
			}
		})
	}
	all.Wait()
	return took, errors.Join(failed...)
}

// reportCold adds a table of what the gateway adds.
func reportCold(t *report.Table, all []cold, label string) {
	t.Head(fmt.Sprintf("nothing cached, upstream %v away: %s; ms", coldLatency, label),
		"through the gateway, p50", "p99", "directly, p50", "p99", "difference, p50", "p99")
	for _, one := range all {
		cells := make([]string, 1, 7)
		cells[0] = strconv.Itoa(one.connections) + " connections"
		for _, sorted := range [][]time.Duration{one.gateway, one.direct} {
			cells = append(cells, report.Milliseconds(report.Percentile(sorted, 50)),
				report.Milliseconds(report.Percentile(sorted, 99)))
		}
		for _, percent := range []int{50, 99} {
			cells = append(cells, report.Milliseconds(
				report.Percentile(one.gateway, percent)-report.Percentile(one.direct, percent)))
		}
		t.Row(cells...)
	}
}
