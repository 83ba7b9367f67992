// Package compare measures the requests per second of the built gateway, next to the best and the worst that it could
// be:
//
//   - executing is the gateway with its pages in memory and without a response cache: it executes every request.
//   - cached is the gateway with a response cache, as by default.
//   - net/http sends stored bodies without looking at the request: the limit of Go's own server.
//   - generated is gqlgen's own execution over plain structs in memory.
//
// Each server is a process of its own. The command first compares their responses, and then loads the servers in turn
// with wrk.
package compare

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"revox-graphql/test/bench/report"
	"revox-graphql/test/bench/servers"
)

// options are the flags of the command.
type options struct {
	gateway              string
	wrk                  string
	rounds               int
	seconds              int // at least 1, as wrk requires
	connections, threads int
	workloads            []workload
}

func parseOptions(args []string) (*options, error) {
	var o options
	var duration time.Duration
	var work string
	all := workloads()
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].name
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.gateway, "gateway", servers.DefaultGateway, "the built gateway")
	flags.StringVar(&o.wrk, "wrk", "/usr/bin/wrk", "the wrk binary")
	flags.IntVar(&o.rounds, "rounds", 3, "measurements of each server with each workload")
	flags.DurationVar(&duration, "duration", 2*time.Second, "duration of a measurement, rounded up to whole seconds")
	flags.IntVar(&o.connections, "connections", 32, "open connections of wrk")
	flags.IntVar(&o.threads, "threads", 2, "threads of wrk")
	flags.StringVar(&work, "work", strings.Join(names, ","), "the workloads")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o.seconds = max(1, int((duration+time.Second-1)/time.Second))
	for name := range strings.SplitSeq(work, ",") {
		i := slices.Index(names, strings.TrimSpace(name))
		if i < 0 {
			return nil, fmt.Errorf("-work: unknown workload %q, expected some of %s", name, strings.Join(names, ", "))
		}
		o.workloads = append(o.workloads, all[i])
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.threads < 1 || o.connections < o.threads {
		return nil, errors.New("-rounds and -threads must be at least 1, and -connections at least -threads; " +
			"no arguments are allowed")
	}
	if err := servers.CheckGateway(o.gateway); err != nil {
		return nil, err
	}
	if _, err := exec.LookPath(o.wrk); err != nil {
		return nil, fmt.Errorf("-wrk: apt-get install wrk (%w)", err)
	}
	return &o, nil
}

// Run measures the servers, and prints the report.
func Run(ctx context.Context, args []string) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "revox-bench-")
	if err != nil {
		return fmt.Errorf("temporary folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	r := &results{options: o}
	if err := measureLoad(ctx, o, dir, r); err != nil {
		return err
	}
	report.Progress("idle and cold")
	if err := measureIdle(ctx, o, r); err != nil {
		return fmt.Errorf("idle: %w", err)
	}
	if err := measureCold(ctx, o, r); err != nil {
		return fmt.Errorf("cold: %w", err)
	}
	fmt.Print(r)
	return nil
}

// The servers under load.
const (
	plainServer     = "net/http"
	cachedServer    = "cached"
	executingServer = "executing"
	generatedServer = "generated"
)
