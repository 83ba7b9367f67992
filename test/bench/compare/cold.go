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
	connections int
	took        [3][]time.Duration // by coldWays
}

// coldWays are the ways in which pages are requested.
const (
	viaGateway = iota
	directly
	viaProxy
)

// measureCold measures what the gateway adds to a response of the upstream when it has nothing in memory. Connections
// request windows through the gateway, and then the same pages from the upstream, with and without a reverse proxy
// that only copies them, in turn. No two connections request the same window at a time: the gateway would request it
// once. All connections begin together, and each waits for the upstream as long as the others, so their requests stay
// simultaneous: what a server adds is about the time that the processors take for the requests of half of the
// connections.
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
	proxy, err := f.StartSelf(ctx, "proxy", ProxyCommand, rest.URL)
	if err != nil {
		return err
	}
	m := &coldMeasurement{requestSet: q, client: client, gateway: gateway, proxy: proxy, rest: rest}
	if err := m.learn(ctx); err != nil {
		return err
	}
	rest.Behave(func(b *fake.Behaviour) { b.Latency = coldLatency })
	for _, connections := range coldConnections() {
		one := cold{connections: connections}
		for range coldRounds + 1 { // the first opens connections
			for way, send := range [...]func(ctx context.Context, i int) error{m.viaGateway, m.directly, m.viaProxy} {
				took, err := m.inParallel(connections, func(i int) error { return send(ctx, i) })
				if err != nil {
					return fmt.Errorf("%s: %w", [...]string{"through the gateway", "directly", "through the proxy"}[way], err)
				}
				one.took[way] = append(one.took[way], took...)
			}
		}
		for way := range one.took {
			one.took[way] = one.took[way][connections*coldRequests:]
			slices.Sort(one.took[way])
		}
		r.cold = append(r.cold, one)
	}
	return nil
}

// coldMeasurement is a gateway without a page cache over an upstream, and what its client requests of both.
type coldMeasurement struct {
	*requestSet
	client  *http.Client
	gateway *servers.Process
	proxy   *servers.Process
	rest    *servers.Upstream
	pages   [windows]coldPage
}

// coldPage is the page that a window takes.
type coldPage struct {
	number, size int
	body         []byte
}

// learn sends each request once, while the upstream is fast, and notes the one page that the gateway requests for it.
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

// viaGateway requests a window through the gateway. Cursors contain the time at which the page was requested, so only
// the length of the response is compared.
func (m *coldMeasurement) viaGateway(ctx context.Context, i int) error {
	body, err := load.Post(ctx, m.client, m.gateway.URL+"graphql", m.bodies[i])
	if err == nil && len(body) != len(m.responses[i]) {
		err = fmt.Errorf("%w: %.500s", errOtherBytes, body)
	}
	return err
}

// directly requests the page of a window from the upstream.
func (m *coldMeasurement) directly(ctx context.Context, i int) error {
	return m.page(ctx, m.rest.URL+"/", i)
}

// viaProxy requests the page of a window through the reverse proxy.
func (m *coldMeasurement) viaProxy(ctx context.Context, i int) error {
	return m.page(ctx, m.proxy.URL, i)
}

func (m *coldMeasurement) page(ctx context.Context, base string, i int) error {
	page := &m.pages[i]
	body, err := load.Get(ctx, m.client, fmt.Sprintf("%scall?page=%d&page_size=%d", base, page.number, page.size))
	if err == nil && !bytes.Equal(body, page.body) {
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
		"through the gateway, p50", "p99", "directly, p50", "p99", "added by the gateway, p50", "p99",
		"added by a reverse proxy of Go's, p50", "p99")
	for _, one := range all {
		cells := make([]string, 1, 9)
		cells[0] = strconv.Itoa(one.connections) + " connections"
		for _, way := range []int{viaGateway, directly} {
			for _, percent := range []int{50, 99} {
				cells = append(cells, report.Milliseconds(report.Percentile(one.took[way], percent)))
			}
		}
		for _, way := range []int{viaGateway, viaProxy} {
			for _, percent := range []int{50, 99} {
				cells = append(cells, report.Milliseconds(
					report.Percentile(one.took[way], percent)-report.Percentile(one.took[directly], percent)))
			}
		}
		t.Row(cells...)
	}
}
