package gateway

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// untilSignal returns a context that ends with the first signal to stop: SIGINT, SIGTERM, or SIGHUP, which a terminal
// sends when it closes. The second signal ends the process at once. The exit status is then 128 plus the number of the
// signal, as in a shell. The default action of the signal would not do for the first process of a container, which gets
// only signals that it handles.
//
// SIGHUP stays ignored if it is ignored when the process starts, as nohup does.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	stops := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		stops = append(stops, syscall.SIGHUP)
	}
	received := make(chan os.Signal, 2)
	signal.Notify(received, stops...)
	go func() {
		cancel(fmt.Errorf("stopped by a signal: %v", <-received))
		status := 1
		if second, ok := (<-received).(syscall.Signal); ok {
			status = 128 + int(second)
		}
		os.Exit(status)
	}()
	return ctx
}

// surviveItsLog lets the process continue when the reader of its log has gone. Go ends a program that writes to a
// broken pipe on standard output or standard error, which is right for a query and wrong for a server.
func surviveItsLog() { signal.Ignore(syscall.SIGPIPE) }
