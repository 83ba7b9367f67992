package graph_test

import (
	"cmp"
	"flag"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"revox-graphql/graph"
	"revox-graphql/graph/hostile"
)

var hostileCalls = flag.Int("hostile.calls", 400, "calls of the list that hostile filters search")

// cpuTime is what the process has taken so far.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// Hostile filters are refused, or bounded: they read the list once. The log has those that took the most of the
// processor; for the table of docs/limits.md:
//
//	go test ./graph -run TestHostileFilters -hostile.calls 20000 -v
func TestHostileFilters(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: *hostileCalls, ttl: time.Hour, graph: func(o *graph.Options) {
		o.MaxScan, o.Limits.Cost, o.ResponseCacheBytes = *hostileCalls, 100**hostileCalls, 0
	}})
	warm := g.query(t, `{ callStats { count } }`, nil) // all of it is cached
	if at(t, warm.Data, "callStats", "count") != float64(*hostileCalls) {
		t.Fatalf("got %+v", warm)
	}
	type taken struct {
		name    string
		cpu     time.Duration
		refused bool
	}
	var all []taken
	refused := 0
	for _, filter := range hostile.Filters() {
		g.fake.ResetRequests()
		var a response
		least := time.Hour // of some: what else the process does is no part of it
		for range 3 {
			began := cpuTime(t)
			a = g.query(t, `query ($filter: CallFilter) { calls(first: 1, filter: $filter) { scan { examined } } }`,
				map[string]any{"filter": filter.Value})
			least = min(least, cpuTime(t)-began)
		}
		all = append(all, taken{filter.Name, least, len(a.Errors) > 0})
		if len(a.Errors) == 0 {
			if at(t, a.Data, "calls", "scan", "examined").(float64) > float64(*hostileCalls) {
				t.Errorf("%s: %+v", filter.Name, a)
			}
			continue
		}
		refused++
		if n := len(g.fake.Requests()); n > 0 {
			t.Errorf("%s: %d requests to upstream", filter.Name, n)
		}
		code, _ := a.Errors[0].Extensions["code"].(string)
		argument, _ := a.Errors[0].Extensions["argument"].(string)
		if code != "BAD_USER_INPUT" || !strings.HasPrefix(argument, "filter") {
			t.Errorf("%s: %+v", filter.Name, a.Errors)
		}
	}
	t.Logf("%d filters, %d of them refused", len(all), refused)
	if len(all) < 300 || refused < 100 {
		t.Errorf("%d filters, %d of them refused", len(all), refused)
	}
	slices.SortFunc(all, func(a, b taken) int { return cmp.Compare(b.cpu, a.cpu) })
	slowest := map[bool]int{}
	for _, one := range all {
		if slowest[one.refused]++; slowest[one.refused] <= 20 {
			t.Logf("%8.2f ms of CPU, refused: %-5v, %s", float64(one.cpu.Microseconds())/1000, one.refused, one.name)
		}
	}
}
