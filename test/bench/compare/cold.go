package compare

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/test/bench/load"
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
	coldRequests = 400
	coldCalls    = 50
	coldRows     = coldCalls + relay.Neighbours // that the gateway requests
	coldLatency  = 20 * time.Millisecond        // of the upstream
)

// cold contains how long responses took whose calls come from the upstream, sorted.
type cold struct{ gateway, direct []time.Duration }

// measureCold measures what the gateway adds to a response of the upstream when it has nothing in memory: the same page
// is requested through the gateway and directly, in turn.
func measureCold(ctx context.Context, o *options, r *results) error {
	rest, err := servers.StartUpstream(ctx)
	if err != nil {
		return err
	}
	defer rest.Stop()
	rest.Behave(func(b *fake.Behaviour) { b.Latency = coldLatency })
	f := &servers.Fleet{}
	defer f.Stop()
	gateway, err := f.StartGateway(ctx, o.gateway, "cold", rest, "GATEWAY_CACHE_TTL=0")
	if err != nil {
		return err
	}

	through, past := load.NewClient(), load.NewClient()
	payload := load.TranscriptsRequest(coldCalls)
	viaGateway := func() ([]byte, error) { return load.Post(ctx, through, gateway.URL+"graphql", payload) }
	direct := func() ([]byte, error) { return load.RESTPage(ctx, past, rest, 0, coldRows) }

	// The first requests open connections, and the gateway detects how the upstream counts its pages.
	response, err := viaGateway()
	if err != nil {
		return err
	}
	a, err := load.ReadCalls(response)
	if err != nil {
		return err
	}
	if len(a.Nodes) != coldCalls {
		return fmt.Errorf("%d calls, not %d", len(a.Nodes), coldCalls)
	}
	page, err := direct()
	if err != nil {
		return err
	}
	rest.ResetRequests()
	// The two programs that wait for this one are measured, and not its garbage collection.
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range coldRequests {
		took, err := timed(viaGateway, response)
		if err != nil {
			return fmt.Errorf("through the gateway: %w", err)
		}
		r.cold.gateway = append(r.cold.gateway, took)
		if took, err = timed(direct, page); err != nil {
			return fmt.Errorf("directly: %w", err)
		}
		r.cold.direct = append(r.cold.direct, took)
	}
	slices.Sort(r.cold.gateway)
	slices.Sort(r.cold.direct)
	return checkCold(rest)
}

// timed returns how long a request took, and an error if the response is not the wanted one.
func timed(send func() ([]byte, error), want []byte) (time.Duration, error) {
	start := time.Now()
	got, err := send()
	took := time.Since(start)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("the response differs from the first: %.500s", got)
	}
	return took, err
}

// checkCold checks that each request caused one upstream request, and that all of them were for the same page.
func checkCold(rest *servers.Upstream) error {
	fromGateway, all := 0, rest.Requests()
	for _, r := range all {
		if r.Page != 0 || r.PageSize != coldRows || r.Rows != coldRows {
			return fmt.Errorf("the upstream got a request for another page: %+v", r)
		}
		if r.Authorization == "Bearer "+servers.GatewayKey {
			fromGateway++
		}
	}
	if fromGateway != coldRequests || len(all) != 2*coldRequests {
		return fmt.Errorf("%d requests through the gateway caused %d upstream requests, and as many direct requests %d",
			coldRequests, fromGateway, len(all)-fromGateway)
	}
	return nil
}
