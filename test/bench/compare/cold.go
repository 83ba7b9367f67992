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

// measureIdle measures how much memory a gateway takes that has just started, with the settings that it comes with.
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
	coldRows     = coldCalls + relay.Neighbours // that the gateway asks for
	coldLatency  = 20 * time.Millisecond        // of the upstream
)

// cold is how long answers took whose calls come from upstream, sorted.
type cold struct{ gateway, direct []time.Duration }

// measureCold measures what the gateway adds to an answer of upstream, when it holds nothing in memory: the same page
// is asked for through it and directly, in turn.
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
	question := load.EncodeRequest(fmt.Sprintf("{ calls(first: %d) { nodes { %s } } }", coldCalls, load.TranscriptFields), nil)
	askGateway := func() ([]byte, error) { return load.Post(ctx, through, gateway.URL+"graphql", question) }
	askDirectly := func() ([]byte, error) { return load.RESTPage(ctx, past, rest, 0, coldRows) }

	// The first questions open connections, and the gateway finds out how upstream counts its pages.
	answer, err := askGateway()
	if err != nil {
		return err
	}
	a, err := load.ReadCalls(answer)
	if err != nil {
		return err
	}
	if len(a.Nodes) != coldCalls {
		return fmt.Errorf("%d calls, not %d", len(a.Nodes), coldCalls)
	}
	page, err := askDirectly()
	if err != nil {
		return err
	}
	rest.ResetRequests()
	// What is measured are two programs that wait for this one, not its garbage collection.
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range coldRequests {
		took, err := timed(askGateway, answer)
		if err != nil {
			return fmt.Errorf("through the gateway: %w", err)
		}
		r.cold.gateway = append(r.cold.gateway, took)
		if took, err = timed(askDirectly, page); err != nil {
			return fmt.Errorf("directly: %w", err)
		}
		r.cold.direct = append(r.cold.direct, took)
	}
	slices.Sort(r.cold.gateway)
	slices.Sort(r.cold.direct)
	return checkCold(rest)
}

// timed is how long it took to be given an answer.
func timed(ask func() ([]byte, error), want []byte) (time.Duration, error) {
	start := time.Now()
	got, err := ask()
	took := time.Since(start)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("another answer than before: %.500s", got)
	}
	return took, err
}

// checkCold checks that each question cost one request, and all requests were for the same page.
func checkCold(rest *servers.Upstream) error {
	fromGateway, all := 0, rest.Requests()
	for _, r := range all {
		if r.Page != 0 || r.PageSize != coldRows || r.Rows != coldRows {
			return fmt.Errorf("upstream was asked for another page: %+v", r)
		}
		if r.Authorization == "Bearer "+servers.GatewayKey {
			fromGateway++
		}
	}
	if fromGateway != coldRequests || len(all) != 2*coldRequests {
		return fmt.Errorf("%d questions cost %d requests, and as many without the gateway %d",
			coldRequests, fromGateway, len(all)-fromGateway)
	}
	return nil
}
