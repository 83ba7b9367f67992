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

// options are the flags.
type options struct {
	gateway              string
	wrk                  string
	rounds               int
	seconds              int // wrk takes no less than one
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
	flags.IntVar(&o.rounds, "rounds", 3, "how often each server is measured with each workload")
	flags.DurationVar(&duration, "duration", 2*time.Second, "how long each time; wrk knows whole seconds, so it is rounded up")
	flags.IntVar(&o.connections, "connections", 32, "connections that wrk keeps open")
	flags.IntVar(&o.threads, "threads", 2, "threads of wrk")
	flags.StringVar(&work, "work", strings.Join(names, ","), "the workloads")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o.seconds = max(1, int((duration+time.Second-1)/time.Second))
	for name := range strings.SplitSeq(work, ",") {
		i := slices.Index(names, strings.TrimSpace(name))
		if i < 0 {
			return nil, fmt.Errorf("-work: there is no workload %q, only %s", name, strings.Join(names, ", "))
		}
		o.workloads = append(o.workloads, all[i])
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.threads < 1 || o.connections < o.threads {
		return nil, errors.New("-rounds and -threads are at least 1, -connections at least -threads, and nothing follows the flags")
	}
	if err := servers.CheckGateway(o.gateway); err != nil {
		return nil, err
	}
	if _, err := exec.LookPath(o.wrk); err != nil {
		return nil, fmt.Errorf("-wrk: apt-get install wrk (%w)", err)
	}
	return &o, nil
}

// compare measures the servers, and prints the report.
func Run(ctx context.Context, args []string) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "revox-bench-")
	if err != nil {
		return fmt.Errorf("no place for files: %w", err)
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

// The servers that are loaded.
const (
	plainServer     = "net/http"
	cachedServer    = "remembered"
	executingServer = "executing"
	generatedServer = "generated"
)
