package compare

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"

	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/report"
	"revox-graphql/test/bench/servers"
)

// warmUp is the duration, in seconds, of the load on each server before the first measurement.
const warmUp = 1

// measureLoad starts the servers, checks their responses, and measures them under load.
func measureLoad(ctx context.Context, o *options, dir string, r *results) error {
	rest, err := servers.StartUpstream(ctx)
	if err != nil {
		return err
	}
	defer rest.Stop()
	f := &servers.Fleet{}
	defer f.Stop()

	report.Progress("checking the responses")
	client := load.NewClient()
	processes, all, err := startAll(ctx, client, f, o, dir, rest)
	if err != nil {
		return err
	}
	client.CloseIdleConnections()
	w, err := newWrk(o, dir)
	if err != nil {
		return err
	}
	r.sets = all
	rest.ResetRequests()
	if r.samples, err = loadAll(ctx, w, dir, processes, all); err != nil {
		return err
	}
	if n := len(rest.Requests()); n > 0 {
		return fmt.Errorf("%d upstream requests under load, although all pages should be in memory", n)
	}
	r.peak = map[string]int{}
	for _, c := range processes {
		if r.peak[c.Name], err = servers.Memory(c.PID, servers.PeakRSS); err != nil {
			return err
		}
	}
	report.Progress("checking the responses again")
	for _, c := range processes {
		for _, q := range all {
			if !q.on(c) {
				continue
			}
			if err := q.checkCalls(ctx, client, c); err != nil {
				return fmt.Errorf("after the load: %s: %w", q.name, errors.Join(err, c.Err()))
			}
		}
	}
	return nil
}

// startAll starts the servers, and checks that their responses are equal.
func startAll(
	ctx context.Context, client *http.Client, f *servers.Fleet, o *options, dir string, rest *servers.Upstream,
) ([]*servers.Process, []*requestSet, error) {
	settings := []string{"GATEWAY_CACHE_TTL=1h", "GATEWAY_CACHE_BYTES=1GiB"}
	executing, err := f.StartGateway(ctx, o.gateway, executingServer, rest,
		append(settings, "GATEWAY_ANSWER_BYTES=0")...)
	if err != nil {
		return nil, nil, err
	}
	cached, err := f.StartGateway(ctx, o.gateway, cachedServer, rest,
		append(settings, "GATEWAY_ANSWER_BYTES=256MiB")...)
	if err != nil {
		return nil, nil, err
	}
	var all []*requestSet
	for _, w := range o.workloads {
		q, err := checkGateways(ctx, client, executing, cached, rest, w)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", w.name, errors.Join(err, executing.Err(), cached.Err()))
		}
		all = append(all, q)
	}

	bodies, cursors := filepath.Join(dir, "bodies"), filepath.Join(dir, "cursors.json")
	if err := errors.Join(writeBodies(bodies, all), writeCursors(cursors, all)); err != nil {
		return nil, nil, err
	}
	plain, err := f.StartSelf(ctx, plainServer, PlainCommand, bodies)
	if err != nil {
		return nil, nil, err
	}
	generated, err := f.StartSelf(ctx, generatedServer, GeneratedCommand, rest.URL, cursors)
	if err != nil {
		return nil, nil, err
	}
	for _, q := range all {
		err := q.checkPlain(ctx, client, plain, executing)
		if err == nil && q.on(generated) {
			err = q.checkCalls(ctx, client, generated)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", q.name, errors.Join(err, plain.Err(), generated.Err()))
		}
	}
	return []*servers.Process{plain, cached, executing, generated}, all, nil
}

// cell names a measurement: a server with a workload.
type cell struct{ workload, server string }

// loadAll measures every server with every workload in every round. Servers that are compared are measured one right
// after the other, in another order in every round.
func loadAll(
	ctx context.Context, w *wrk, dir string, processes []*servers.Process, all []*requestSet,
) (map[cell][]*sample, error) {
	files := make([]map[string]string, len(all)) // by server
	least := make([]int, len(all))
	for i, q := range all {
		files[i] = map[string]string{}
		for n, c := range processes {
			file := filepath.Join(dir, fmt.Sprintf("%s-%d.requests", q.name, n))
			if err := writeRequests(file, q.forServer(c)); err != nil {
				return nil, err
			}
			files[i][c.Name] = file
		}
		least[i] = len(slices.MinFunc(q.responses[:], func(a, b []byte) int { return len(a) - len(b) }))
	}
	samples := map[cell][]*sample{}
	for round := -1; round < w.rounds; round++ { // round -1 warms up
		seconds, label := w.seconds, fmt.Sprintf("round %d of %d", round+1, w.rounds)
		if round < 0 {
			seconds, label = warmUp, "warming up"
		}
		first := max(round, 0) % len(processes)
		for i, q := range all {
			for _, c := range slices.Concat(processes[first:], processes[:first]) {
				if !q.on(c) {
					continue
				}
				s, err := w.load(ctx, c, files[i][c.Name], seconds, least[i])
				if err != nil {
					return nil, fmt.Errorf("%s of %s: %w", q.name, c.Name, err)
				}
				report.Progress("%s: %s of %s: %.0f requests per second", label, q.name, c.Name, s.perSecond)
				if round >= 0 {
					at := cell{q.name, c.Name}
					samples[at] = append(samples[at], s)
				}
			}
		}
	}
	return samples, nil
}
