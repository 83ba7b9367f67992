package stress

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"revox-graphql/test/bench/report"
)

// everythingName is the name of all loads at once.
const everythingName = "everything"

// stressLoads are all loads. The last is those before it together.
func workloads() []workload {
	keep := []string{"GATEWAY_LOG_REQUESTS=true"}
	all := []workload{
		{
			name: "walks", about: "15 distinct lists of 40,000 calls with large pages, walked by 20",
			load: loadWalks, short: true,
		},
		{name: "names", about: "names of 250 kB in documents", load: loadNames, short: true},
		{
			name: "still-http1", about: "connections to upstream that stand still",
			load: loadStalled, alone: true, proxied: true,
		},
		{
			name: "still-http2", about: "the one connection to upstream stands still",
			load: loadStalled, alone: true, proxied: true, tls: true,
		},
		{
			name: "log", about: "nobody reads the log, and then it is closed",
			load: loadLog, alone: true, settings: keep, short: true,
		},
		{name: "windows", about: "100 connections of 120 streams that take no answer", load: loadWindows},
		{
			name: "large", about: "64 answers of 10 MB, 40 of up to 61 MiB at 2 MB per second, one at 50 kB per second",
			load: loadLarge,
		},
		{name: "leavers", about: "clients that leave after 5 ms", load: loadDisconnects, short: true},
		{name: "hanging", about: "60 questions per second for a page that never comes", load: loadHanging, short: true},
		{name: "lists", about: "lists of 250 kB in variables, 40 at once", load: loadLists},
		{name: "booleans", about: "documents of 60 Boolean variables, in ever other combinations", load: loadBooleans},
		{
			name: "forward", about: "400 made-up keys, with --credentials=forward", load: loadForward, alone: true, short: true,
			forward: true,
		},
		{
			name: "files", about: "256 files, and 1,000 connections that ask nothing",
			load: loadFiles, alone: true, files: 256,
		},
		{name: "hostile", about: "5.6 million empty rows, rows of a million fields, answers of 16 MiB", load: loadHostile},
		{name: "forged", about: "cursors of calls that are in no list, ten in a document", load: loadForged},
		{name: "no-cache", about: "Cache-Control: no-cache in a loop", load: loadNoCache},
		{name: "metrics", about: "/metrics over 20 connections in a loop", load: loadMetrics},
		{
			name: "retry-after", about: "one answer that upstream takes no request for ten days",
			load: loadRetryAfter, alone: true, coldFails: true,
		},
		{name: "documents", about: "hostile documents over 16 connections", load: loadDocuments},
		{name: "trickle", about: "1,000 connections that send or read a byte a second", load: loadSlow},
		{name: "resets", about: "HTTP/2 streams that are taken back at once", load: loadResets},
		{name: "continuation", about: "HTTP/2 headers that never end", load: loadContinuation},
		{name: "pipelined", about: "requests in a row, of which no answer is read", load: loadPipelined},
		{name: "persisted", about: "thousands of persisted documents of 250 kB", load: loadPersisted},
		{name: "encodings", about: "large answers in all encodings, with 10,000 tags", load: loadEncodings},
		{name: "headers", about: "many hosts, methods, origins, traces, and long fields", load: loadHeaders},
	}
	return slices.Concat(all, []workload{everything(all)})
}

// togetherGap is what each worker leaves after a turn where all loads run: what is seen is then not who gets the
// processors, but what all of them take of memory together.
const everythingGap = time.Second

// everything is all loads at once that one gateway can bear together.
func everything(all []workload) workload {
	var some []workload
	for _, l := range all {
		if !l.alone {
			some = append(some, l)
		}
	}
	return workload{
		name: everythingName, about: fmt.Sprintf("%d of the loads at once", len(some)),
		load: func(ctx context.Context, s *target) error {
			s.gap = everythingGap
			errs := make([]error, len(some))
			var running sync.WaitGroup
			for i, l := range some {
				if slices.Contains(s.without, l.name) {
					continue
				}
				running.Go(func() {
					if err := l.load(ctx, s); err != nil {
						errs[i] = fmt.Errorf("%s: %w", l.name, err)
					}
				})
			}
			running.Wait()
			report.Progress("%s: %s", everythingName, strings.Join(s.takeNotes(), " | "))
			return errors.Join(errs...)
		},
	}
}
