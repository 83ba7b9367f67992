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
	startTimeout = time.Minute // the generated one has thousands of calls to read
	stopTimeout  = 15 * time.Second
)

// fleet is every server that has been started, so that none is left behind.
type Fleet struct{ children []*Process }

// stop ends all, and waits for them.
func (f *Fleet) Stop() {
	for _, c := range f.children {
		c.cancel()
	}
	for _, c := range f.children {
		<-c.exited
	}
	f.children = nil
}

// child is a server in a process of its own.
type Process struct {
	Name   string
	URL    string // ends in a slash
	PID    int
	log    *processLog
	cancel context.CancelFunc
	exited chan struct{}
}

// start runs a command and waits until it tells where it listens. It is asked to stop when ctx is done, and soon
// killed.
func (f *Fleet) Start(ctx context.Context, name string, env []string, command string, args ...string) (*Process, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &Process{Name: name, log: &processLog{url: make(chan string, 1)}, cancel: cancel, exited: make(chan struct{})}
	cmd := exec.CommandContext(ctx, command, args...) //nolint:gosec // it is for the caller to say what is measured
	cmd.Env = append(slices.DeleteFunc(os.Environ(), IsSetting), env...)
	cmd.Stderr = c.log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("%s does not start: %w", name, err)
	}
	c.PID = cmd.Process.Pid
	f.children = append(f.children, c)
	go func() {
		defer close(c.exited)
		_ = cmd.Wait() // that it has ended is all that matters
	}()

	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case c.URL = <-c.log.url:
		return c, nil
	case <-c.exited:
		return nil, fmt.Errorf("%s has ended before it listened:\n%s", name, c.log)
	case <-timeout.C:
		return nil, fmt.Errorf("%s does not listen after %v:\n%s", name, startTimeout, c.log)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// isSetting recognizes the gateway's settings, of which only those given here count.
func IsSetting(variable string) bool {
	return strings.HasPrefix(variable, "GATEWAY_") || strings.HasPrefix(variable, "REVOX_")
}

// gateway starts the gateway over an upstream.
func (f *Fleet) StartGateway(ctx context.Context, binary, name string, rest *Upstream, settings ...string) (*Process, error) {
	return f.Start(ctx, name, append([]string{
		"REVOX_API_KEY=" + GatewayKey, "REVOX_BASE_URL=" + rest.URL, "GATEWAY_LISTEN=127.0.0.1:0", "GATEWAY_LOG_REQUESTS=false",
	}, settings...), binary)
}

// own starts one of this program's own servers.
func (f *Fleet) StartSelf(ctx context.Context, name, command string, args ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f.Start(ctx, name, nil, self, append([]string{command}, args...)...)
}

var errEnded = errors.New("the server has ended")

// err is why a request to the child may have failed.
func (c *Process) Err() error {
	select {
	case <-c.exited:
		return fmt.Errorf("%w:\n%s", errEnded, c.log)
	default:
		return nil
	}
}

// stop asks the process to stop, and waits until it has ended.
func (c *Process) Stop() {
	c.cancel()
	<-c.exited
}

// external is a server that the fleet has not started, at a URL that ends in a slash.
func External(url string) *Process {
	return &Process{URL: url, exited: make(chan struct{}), log: &processLog{}}
}

// holdLog stops reading the log of the process. The function that it returns closes the log.
func (c *Process) HoldLog() (closeLog func()) { return c.log.hold() }
