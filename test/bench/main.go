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
	"os/signal"
	"syscall"

	"revox-graphql/test/bench/compare"
	"revox-graphql/test/bench/faults"
	"revox-graphql/test/bench/stress"
	"revox-graphql/test/bench/walk"
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
		case compare.PlainCommand:
			return compare.ServePlain(ctx, args[1:])
		case compare.GeneratedCommand:
			return compare.ServeGenerated(ctx, args[1:])
		case faults.Command:
			return faults.Run(ctx, args[1:])
		case stress.Command:
			return stress.Run(ctx, args[1:])
		case walk.Command:
			return walk.Run(ctx, args[1:])
		}
	}
	return compare.Run(ctx, args)
}
