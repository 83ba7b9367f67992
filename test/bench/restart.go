package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	restartPerSecond = 200
	restartConfig    = "deploy/nginx.conf"
	drainDelay       = 2 * time.Second
)

// measureRestart restarts two gateways behind nginx in turn, as often as the time allows, while clients ask through it.
func measureRestart(ctx context.Context, o *troubleOptions, t *table) error {
	s, pages, err := o.startWith(ctx, normalCalls, normalPages) // it shows what is right, and is not restarted
	if err != nil {
		return err
	}
	defer s.stop()
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	replicas := make([]*child, 2)
	replace := func(i int) error {
		replicas[i], err = s.fleet.gateway(ctx, &o.options, "replica", s.rest,
			"GATEWAY_LISTEN=127.0.0.1:"+ports[i], "GATEWAY_DRAIN_DELAY="+drainDelay.String())
		return err
	}
	if err := errors.Join(replace(0), replace(1)); err != nil {
		return err
	}
	stopProxy, err := startNginx(ctx, ports)
	if err != nil {
		return err
	}
	defer stopProxy()
	s.gateway = &child{url: "http://127.0.0.1:" + ports[2] + "/", exited: make(chan struct{}), log: &childLog{}}

	poured := make(chan []reply, 1)
	go func() { poured <- s.pour(ctx, pages, restartPerSecond, o.stress) }()
	restarts := 0
	for began := time.Now(); err == nil && time.Since(began) < o.stress-2*drainDelay-time.Second; restarts++ {
		replicas[restarts%2].cancel() // which asks it to stop
		<-replicas[restarts%2].exited
		err = errors.Join(replace(restarts%2), pass(ctx, time.Second)) // nginx believes in it again
	}
	replies := <-poured
	y := newTally(replies)
	fmt.Fprintf(&t.text, "\n## Restart\n\nTwo gateways behind nginx, stopped and started in turn; each drains for %v. All questions are POST requests.\n", drainDelay)
	t.head("restarts", "questions", "failed", "p50, ms", "p99, ms")
	t.row(fmt.Sprint(restarts), fmt.Sprint(len(replies)), y.errors(), y.latency(50), y.latency(99))
	if len(y.codes) > 0 {
		err = errors.Join(err, fmt.Errorf("failed: %s: %w", y.errors(), checkReplies(replies)))
	}
	return err
}

// freePorts are some that nobody listens on.
func freePorts(n int) ([]string, error) {
	ports := make([]string, n)
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
		if err != nil {
			return nil, fmt.Errorf("no port is free: %w", err)
		}
		defer func() { _ = listener.Close() }()
		_, ports[i], _ = net.SplitHostPort(listener.Addr().String())
	}
	return ports, nil
}

// startNginx starts nginx as the example has it, but with these ports: of the two gateways, and its own.
func startNginx(ctx context.Context, ports []string) (stop func(), err error) {
	config, err := os.ReadFile(restartConfig)
	if err != nil {
		return nil, fmt.Errorf("run this in the repository's folder: %w", err)
	}
	dir, err := os.MkdirTemp("", "revox-bench-")
	if err != nil {
		return nil, fmt.Errorf("no place for files: %w", err)
	}
	text := strings.NewReplacer("127.0.0.1:8081", "127.0.0.1:"+ports[0], "127.0.0.1:8082", "127.0.0.1:"+ports[1], "127.0.0.1:8080", "127.0.0.1:"+ports[2]).Replace(string(config))
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil { //nolint:gosec // in a folder just made
		return nil, fmt.Errorf("nginx's configuration: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, "nginx", "-p", dir, "-c", path, "-g", "daemon off;") //nolint:gosec // the files are this program's own
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("nginx does not start: %w", err)
	}
	stop = func() {
		cancel()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	}
	for range 100 {
		if conn, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+ports[2]); err == nil {
			return stop, conn.Close()
		}
		if err := pass(ctx, 50*time.Millisecond); err != nil {
			break
		}
	}
	stop()
	return nil, errors.New("nginx does not listen")
}
