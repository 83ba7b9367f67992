package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
)

// warmUp is how many seconds each server is loaded before it counts.
const warmUp = 1

// measureLoad starts the servers, checks what they answer, and loads them.
func measureLoad(ctx context.Context, o *options, dir string, r *report) error {
	rest, err := startUpstream(ctx)
	if err != nil {
		return err
	}
	defer rest.stop()
	f := &fleet{}
	defer f.stop()

	progress("checking the answers")
	client := newClient()
	servers, all, err := startAll(ctx, client, f, o, dir, rest)
	if err != nil {
		return err
	}
	client.CloseIdleConnections()
	w, err := newWrk(o, dir)
	if err != nil {
		return err
	}
	r.questions = all
	rest.ResetRequests()
	if r.samples, err = loadAll(ctx, w, dir, servers, all); err != nil {
		return err
	}
	if n := len(rest.Requests()); n > 0 {
		return fmt.Errorf("upstream was asked %d times under load, but everything should have been in memory", n)
	}
	r.peak = map[string]int{}
	for _, c := range servers {
		if r.peak[c.name], err = memory(c.pid, peakRSS); err != nil {
			return err
		}
	}
	progress("checking the answers once more")
	for _, c := range servers {
		for _, q := range all {
			if err := q.checkCalls(ctx, client, c); err != nil {
				return fmt.Errorf("after the load: %s: %w", q.name, errors.Join(err, c.err()))
			}
		}
	}
	return nil
}

// startAll starts the servers, and checks that they answer the questions alike.
func startAll(ctx context.Context, client *http.Client, f *fleet, o *options, dir string, rest *upstream) ([]*child, []*questions, error) {
	executing, err := f.gateway(ctx, o.gateway, executingServer, rest, "GATEWAY_ANSWER_BYTES=0", "GATEWAY_CACHE_TTL=1h", "GATEWAY_CACHE_BYTES=1GiB")
	if err != nil {
		return nil, nil, err
	}
	remembered, err := f.gateway(ctx, o.gateway, rememberedServer, rest, "GATEWAY_ANSWER_BYTES=256MiB", "GATEWAY_CACHE_TTL=1h", "GATEWAY_CACHE_BYTES=1GiB")
	if err != nil {
		return nil, nil, err
	}
	var all []*questions
	for _, w := range o.workloads {
		q, err := checkGateways(ctx, client, executing, remembered, rest, w)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", w.name, errors.Join(err, executing.err(), remembered.err()))
		}
		all = append(all, q)
	}

	bodies, cursors := filepath.Join(dir, "bodies"), filepath.Join(dir, "cursors.json")
	if err := errors.Join(writeBodies(bodies, all), writeCursors(cursors, all)); err != nil {
		return nil, nil, err
	}
	plain, err := f.own(ctx, plainServer, plainCommand, bodies)
	if err != nil {
		return nil, nil, err
	}
	generated, err := f.own(ctx, generatedServer, generatedCommand, rest.url, cursors)
	if err != nil {
		return nil, nil, err
	}
	for _, q := range all {
		if err := errors.Join(q.checkPlain(ctx, client, plain, executing), q.checkCalls(ctx, client, generated)); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", q.name, errors.Join(err, plain.err(), generated.err()))
		}
	}
	return []*child{plain, remembered, executing, generated}, all, nil
}

// cell is what is measured: a server with a workload.
type cell struct{ workload, server string }

// loadAll loads every server with every workload in every round. What is compared is measured one right after the
// other, and in another order in every round.
func loadAll(ctx context.Context, w *wrk, dir string, servers []*child, all []*questions) (map[cell][]*sample, error) {
	files := make([]map[string]string, len(all)) // by server
	least := make([]int, len(all))
	for i, q := range all {
		files[i] = map[string]string{}
		for n, c := range servers {
			file := filepath.Join(dir, fmt.Sprintf("%s-%d.requests", q.name, n))
			if err := writeRequests(file, q.of(c)); err != nil {
				return nil, err
			}
			files[i][c.name] = file
		}
		least[i] = len(slices.MinFunc(q.answers[:], func(a, b []byte) int { return len(a) - len(b) }))
	}
	samples := map[cell][]*sample{}
	for round := -1; round < w.rounds; round++ { // the one before the first is to warm up
		seconds, label := w.seconds, fmt.Sprintf("round %d of %d", round+1, w.rounds)
		if round < 0 {
			seconds, label = warmUp, "warming up"
		}
		first := max(round, 0) % len(servers)
		for i, q := range all {
			for _, c := range slices.Concat(servers[first:], servers[:first]) {
				s, err := w.load(ctx, c, files[i][c.name], seconds, least[i])
				if err != nil {
					return nil, fmt.Errorf("%s of %s: %w", q.name, c.name, err)
				}
				progress("%s: %s of %s: %.0f requests a second", label, q.name, c.name, s.perSecond)
				if round >= 0 {
					at := cell{q.name, c.name}
					samples[at] = append(samples[at], s)
				}
			}
		}
	}
	return samples, nil
}
