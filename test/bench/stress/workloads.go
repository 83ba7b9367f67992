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

// workloads returns all loads. The last one runs the loads before it at once.
func workloads() []workload {
	keep := []string{"GATEWAY_LOG_REQUESTS=true"}
	all := []workload{
		{
			name: "walks", about: "walks of 15 distinct lists of 40,000 calls with large pages, 20 calls per page",
			load: loadWalks, short: true,
		},
		{name: "names", about: "names of 250 kB in documents", load: loadNames, short: true},
		{
			name: "stalled-http1", about: "stalled connections to the upstream",
			load: loadStalled, alone: true, proxied: true,
		},
		{
			name: "stalled-http2", about: "the one connection to the upstream stalls",
			load: loadStalled, alone: true, proxied: true, tls: true,
		},
		{
			name: "log", about: "the log is not read, and then closed",
			load: loadLog, alone: true, settings: keep, short: true,
		},
		{name: "windows", about: "100 connections with 120 streams without a window", load: loadWindows},
		{
			name: "large", about: "64 responses of 10 MB, 40 of up to 59 MiB at 2 MiB per second, one at 50 kB per second",
			load: loadLarge,
		},
		{name: "disconnects", about: "clients that disconnect after 5 ms", load: loadDisconnects, short: true},
		{name: "hanging", about: "60 requests per second for a page that never comes", load: loadHanging, short: true},
		{
			name: "siblings", about: "nine windows of large pages beside one that never comes, 100 at once",
			load: loadSiblings, alone: true,
		},
		{name: "lists", about: "lists of 250 kB in variables, 40 at once", load: loadLists},
		{name: "booleans", about: "documents with 60 Boolean variables, with other values each time", load: loadBooleans},
		{
			name: "forward", about: "400 invented keys, with --credentials=forward", load: loadForward, alone: true, short: true,
			forward: true,
		},
		{
			name: "files", about: "256 files, and 1,000 idle connections",
			load: loadFiles, alone: true, files: 256,
		},
		{name: "hostile", about: "5.6 million empty rows, rows of a million fields, responses of 16 MiB", load: loadHostile},
		{name: "forged", about: "cursors of calls that are in no list, ten in a document", load: loadForged},
		{name: "no-cache", about: "Cache-Control: no-cache in a loop", load: loadNoCache},
		{name: "metrics", about: "/metrics over 20 connections in a loop", load: loadMetrics},
		{
			name: "retry-after", about: "the upstream rejects one request for eleven days",
			load: loadRetryAfter, alone: true, coldFails: true,
		},
		{name: "documents", about: "hostile documents over 16 connections", load: loadDocuments},
		{name: "trickle", about: "1,000 connections that send or read one byte per second", load: loadSlow},
		{name: "resets", about: "HTTP/2 streams that are reset at once", load: loadResets},
		{name: "continuation", about: "HTTP/2 headers that never end", load: loadContinuation},
		{name: "pipelined", about: "pipelined requests whose responses are not read", load: loadPipelined},
		{name: "persisted", about: "thousands of persisted documents of 250 kB", load: loadPersisted},
		{name: "encodings", about: "large responses in all encodings, with 10,000 tags", load: loadEncodings},
		{name: "headers", about: "many hosts, methods, origins, traces, and long fields", load: loadHeaders},
	}
	return slices.Concat(all, []workload{everything(all)})
}

// everythingGap is the pause of each worker after a turn when all loads run at once. It leaves CPU time to all of them:
// the scenario measures the memory that they need together.
const everythingGap = time.Second

// everything returns a load that runs, at once, all loads that can share a gateway.
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
