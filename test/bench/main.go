// Bench measures the built gateway under load, beside what it could at best and at worst be:
//
//   - executing is the gateway with its pages in memory, remembering no answers: every request is executed.
//   - remembered is the gateway that remembers answers too, as it does by default.
//   - net/http sends finished bodies without looking at the request: as fast as Go's own server gets.
//   - generated is gqlgen as it comes, over plain structs in memory.
//
// Each is a process of its own, wrk asks them in turn, and before that every answer is checked. Run it on an otherwise
// quiet Linux machine:
//
//	go build -o bin/revox-graphql . && go run ./test/bench -gateway bin/revox-graphql
//
// What comes out on stdout is Markdown.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // whatever else failed did so because of it
	}
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is the benchmark, its subcommand, or one of the servers that it starts from its own binary.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case plainCommand:
			return servePlain(ctx, args[1:])
		case generatedCommand:
			return serveGenerated(ctx, args[1:])
		case troubleCommand:
			return trouble(ctx, args[1:])
		case stressCommand:
			return stress(ctx, args[1:])
		case walkCommand:
			return walkAll(ctx, args[1:])
		}
	}
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "revox-bench-")
	if err != nil {
		return fmt.Errorf("no place for files: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	r := &report{options: o}
	if err := measureLoad(ctx, o, dir, r); err != nil {
		return err
	}
	progress("idle and cold")
	if err := measureIdle(ctx, o, r); err != nil {
		return fmt.Errorf("idle: %w", err)
	}
	if err := measureCold(ctx, o, r); err != nil {
		return fmt.Errorf("cold: %w", err)
	}
	fmt.Print(r)
	return nil
}

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
	flags.StringVar(&o.gateway, "gateway", "bin/revox-graphql", "the built gateway")
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
	if _, err := exec.LookPath(o.gateway); err != nil {
		return nil, fmt.Errorf("-gateway: build it first, go build -o bin/revox-graphql . (%w)", err)
	}
	if _, err := exec.LookPath(o.wrk); err != nil {
		return nil, fmt.Errorf("-wrk: apt-get install wrk (%w)", err)
	}
	return &o, nil
}

// progress tells whoever waits.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
