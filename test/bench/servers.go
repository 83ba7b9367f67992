package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"revox-graphql/upstream/fake"
)

// The servers that are loaded.
const (
	plainServer      = "net/http"
	rememberedServer = "remembered"
	executingServer  = "executing"
	generatedServer  = "generated"
)

const (
	startTimeout = time.Minute // the generated one has thousands of calls to read
	stopTimeout  = 15 * time.Second
)

// fleet is every server that has been started, so that none is left behind.
type fleet struct{ children []*child }

// stop ends all, and waits for them.
func (f *fleet) stop() {
	for _, c := range f.children {
		c.cancel()
	}
	for _, c := range f.children {
		<-c.exited
	}
	f.children = nil
}

// child is a server in a process of its own.
type child struct {
	name   string
	url    string // ends in a slash
	pid    int
	log    *childLog
	cancel context.CancelFunc
	exited chan struct{}
}

// start runs a command and waits until it tells where it listens. It is asked to stop when ctx is done, and soon
// killed.
func (f *fleet) start(ctx context.Context, name string, env []string, command string, args ...string) (*child, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &child{name: name, log: &childLog{url: make(chan string, 1)}, cancel: cancel, exited: make(chan struct{})}
	cmd := exec.CommandContext(ctx, command, args...) //nolint:gosec // it is for the caller to say what is measured
	cmd.Env = append(slices.DeleteFunc(os.Environ(), isSetting), env...)
	cmd.Stderr = c.log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("%s does not start: %w", name, err)
	}
	c.pid = cmd.Process.Pid
	f.children = append(f.children, c)
	go func() {
		defer close(c.exited)
		_ = cmd.Wait() // that it has ended is all that matters
	}()

	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case c.url = <-c.log.url:
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
func isSetting(variable string) bool {
	return strings.HasPrefix(variable, "GATEWAY_") || strings.HasPrefix(variable, "REVOX_")
}

// gateway starts the gateway over an upstream.
func (f *fleet) gateway(ctx context.Context, o *options, name string, rest *upstream, settings ...string) (*child, error) {
	return f.start(ctx, name, append([]string{
		"REVOX_API_KEY=" + gatewayKey, "REVOX_BASE_URL=" + rest.url, "GATEWAY_LISTEN=127.0.0.1:0", "GATEWAY_LOG_REQUESTS=false",
	}, settings...), o.gateway)
}

// own starts one of this program's own servers.
func (f *fleet) own(ctx context.Context, name, command string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f.start(ctx, name, nil, self, append([]string{command}, args...)...)
}

// childLog is what a child writes to stderr: its beginning, and the address in it.
type childLog struct {
	url chan string // gets the address

	mu    sync.Mutex
	text  string
	found bool
	held  chan struct{} // not nil: nothing is read until it is closed, and then the log is
}

// hold lets nobody read the log any more. It returns what closes it.
func (l *childLog) hold() (closeLog func()) {
	held := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
	return sync.OnceFunc(func() { close(held) })
}

var errLogClosed = errors.New("the log is closed")

// maxLog is how much of a child's log is kept.
const maxLog = 16 << 10

// Write implements [io.Writer].
func (l *childLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	if held := l.held; held != nil {
		l.mu.Unlock()
		<-held
		return 0, errLogClosed
	}
	defer l.mu.Unlock()
	l.text += string(p[:min(len(p), maxLog-len(l.text))])
	if _, rest, ok := strings.Cut(l.text, "msg="+listening+" url="); ok && !l.found {
		if end := strings.IndexAny(rest, " \n"); end > 0 {
			l.found = true
			l.url <- rest[:end]
		}
	}
	return len(p), nil
}

func (l *childLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}

// upstream is the fake, served by this process. Its list stands still, so that an answer is the same at any time.
type upstream struct {
	*fake.Upstream
	url  string // without /call
	stop func()
}

// gatewayKey is the key with which the gateways come to the upstream.
const gatewayKey = "bench"

func startUpstream(ctx context.Context) (*upstream, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the upstream finds no port: %w", err)
	}
	list := fake.New(fake.Config{
		Seed: 1, Calls: fake.DefaultCalls,
		Now: func() time.Time { return time.Date(2026, time.March, 14, 12, 0, 0, 0, time.UTC) },
	})
	server := &http.Server{Handler: list, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return &upstream{list, "http://" + listener.Addr().String() + "/api", func() { _ = server.Close() }}, nil
}

// page is upstream's own answer.
func (u *upstream) page(ctx context.Context, client *http.Client, number, size int) ([]byte, error) {
	return get(ctx, client, fmt.Sprintf("%s/call?page=%d&page_size=%d", u.url, number, size))
}

// listening is the message with which every server tells its address.
const listening = "listening"

var errEnded = errors.New("the server has ended")

// err is why a request to the child may have failed.
func (c *child) err() error {
	select {
	case <-c.exited:
		return fmt.Errorf("%w:\n%s", errEnded, c.log)
	default:
		return nil
	}
}
