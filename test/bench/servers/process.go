// Package servers starts the processes of a measurement: gateways, nginx, a proxy and a fake upstream. It reads their
// memory and CPU time.
package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = time.Minute // gqlgen's server reads thousands of calls first
	stopTimeout  = 15 * time.Second
)

// Fleet contains every started server, so that all of them are stopped.
type Fleet struct{ children []*Process }

// Stop stops all servers, and waits until they have ended.
func (f *Fleet) Stop() {
	for _, c := range f.children {
		c.cancel()
	}
	for _, c := range f.children {
		<-c.exited
	}
	f.children = nil
}

// Process is a server in a process of its own.
type Process struct {
	Name   string
	URL    string // ends in a slash
	PID    int
	log    *processLog
	cancel context.CancelFunc
	exited chan struct{}
}

// Start runs a command and waits until it has logged its address. When ctx is done the process gets SIGTERM, and is
// killed after stopTimeout.
func (f *Fleet) Start(
	ctx context.Context, name string, env []string, command string, args ...string,
) (*Process, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &Process{Name: name, log: &processLog{url: make(chan string, 1)}, cancel: cancel, exited: make(chan struct{})}
	cmd := exec.CommandContext(ctx, command, args...) //nolint:gosec // the caller chooses what is measured
	cmd.Env = append(slices.DeleteFunc(os.Environ(), IsSetting), env...)
	cmd.Stderr = c.log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	c.PID = cmd.Process.Pid
	f.children = append(f.children, c)
	go func() {
		defer close(c.exited)
		_ = cmd.Wait() // its exit status does not matter
	}()

	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case c.URL = <-c.log.url:
		return c, nil
	case <-c.exited:
		return nil, fmt.Errorf("%s ended before it listened:\n%s", name, c.log)
	case <-timeout.C:
		return nil, fmt.Errorf("%s does not listen after %v:\n%s", name, startTimeout, c.log)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// IsSetting reports whether an environment variable is a setting of the gateway. Processes do not inherit settings
// from this program.
func IsSetting(variable string) bool {
	return strings.HasPrefix(variable, "GATEWAY_") || strings.HasPrefix(variable, "REVOX_")
}

// StartGateway starts a gateway over an upstream.
func (f *Fleet) StartGateway(
	ctx context.Context, binary, name string, rest *Upstream, settings ...string,
) (*Process, error) {
	return f.Start(ctx, name, append([]string{
		"REVOX_API_KEY=" + GatewayKey, "REVOX_BASE_URL=" + rest.URL,
		"GATEWAY_LISTEN=127.0.0.1:0", "GATEWAY_LOG_REQUESTS=false",
	}, settings...), binary)
}

// StartSelf starts a command of this program as a server.
func (f *Fleet) StartSelf(ctx context.Context, name, command string, args ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f.Start(ctx, name, nil, self, append([]string{command}, args...)...)
}

var errEnded = errors.New("the server has ended")

// Err returns an error with the log if the process has ended, which may be why a request to it has failed.
func (c *Process) Err() error {
	select {
	case <-c.exited:
		return fmt.Errorf("%w:\n%s", errEnded, c.log)
	default:
		return nil
	}
}

// Stop stops the process, and waits until it has ended.
func (c *Process) Stop() {
	c.cancel()
	<-c.exited
}

// External returns a server that no fleet has started, at a URL that ends in a slash.
func External(url string) *Process {
	return &Process{URL: url, exited: make(chan struct{}), log: &processLog{}}
}

// HoldLog stops reading the log of the process. The function that it returns closes the log.
func (c *Process) HoldLog() (closeLog func()) { return c.log.hold() }
