// Bench measures the built gateway on an otherwise quiet Linux machine. Its commands are:
//
//	go run ./test/bench               requests per second, next to net/http and gqlgen
//	go run ./test/bench faults        responses while the upstream fails
//	go run ./test/bench interactive   small requests while all calls are exported through the same gateway
//	go run ./test/bench stress        a normal client while others overload the gateway
//	go run ./test/bench walk          calls per second of query --all
//
// Build the gateway first with make build. -help lists the flags of a command. The tables on stdout are Markdown.
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
	"revox-graphql/test/bench/interactive"
	"revox-graphql/test/bench/stress"
	"revox-graphql/test/bench/walk"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // other errors result from it
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

// run runs a command, or one of the servers that commands start from this binary.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case compare.PlainCommand:
			return compare.ServePlain(ctx, args[1:])
		case compare.ProxyCommand:
			return compare.ServeProxy(ctx, args[1:])
		case compare.GeneratedCommand:
			return compare.ServeGenerated(ctx, args[1:])
		case faults.Command:
			return faults.Run(ctx, args[1:])
		case interactive.Command:
			return interactive.Run(ctx, args[1:])
		case stress.Command:
			return stress.Run(ctx, args[1:])
		case walk.Command:
			return walk.Run(ctx, args[1:])
		}
	}
	return compare.Run(ctx, args)
}
