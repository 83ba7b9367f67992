package gateway

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// untilSignal is a context that ends with the first signal to stop: SIGINT, SIGTERM, or SIGHUP, which a terminal sends
// when it closes. The second one ends the process at once, however long the first would have let it finish. The exit
// status is then 128 and the signal's number, as a shell has it for who is killed by a signal. Leaving that to the
// signal itself would not do for the first process of a container, to which the system sends only signals that it
// handles.
//
// SIGHUP stays ignored where it is when the process starts, which is what nohup is for.
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

// surviveItsLog lets the process go on when nobody reads its log any more. Go ends a program that writes to a broken
// pipe at standard output or standard error, which is right for a query and wrong for a server.
func surviveItsLog() { signal.Ignore(syscall.SIGPIPE) }
