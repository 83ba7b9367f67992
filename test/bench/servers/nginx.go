package servers

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

// FreePorts returns ports that are not in use.
func FreePorts(n int) ([]string, error) {
	ports := make([]string, n)
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
		if err != nil {
			return nil, fmt.Errorf("no free port: %w", err)
		}
		defer func() { _ = listener.Close() }()
		_, ports[i], _ = net.SplitHostPort(listener.Addr().String())
	}
	return ports, nil
}

// nginxConfig is the example of the repository, relative to its root.
const nginxConfig = "deploy/nginx.conf"

// StartNginx starts nginx with the example's configuration, but with these ports: of two gateways, and its own. The
// caller must call stop.
func StartNginx(ctx context.Context, ports []string) (stop func(), err error) {
	config, err := os.ReadFile(nginxConfig)
	if err != nil {
		return nil, fmt.Errorf("run this in the root of the repository: %w", err)
	}
	dir, err := os.MkdirTemp("", "revox-bench-")
	if err != nil {
		return nil, fmt.Errorf("temporary folder: %w", err)
	}
	text := strings.NewReplacer(
		"127.0.0.1:8081", "127.0.0.1:"+ports[0],
		"127.0.0.1:8082", "127.0.0.1:"+ports[1],
		"127.0.0.1:8080", "127.0.0.1:"+ports[2],
	).Replace(string(config))
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil { //nolint:gosec // in a new folder
		return nil, fmt.Errorf("configuration of nginx: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	//nolint:gosec // files of this program
	cmd := exec.CommandContext(ctx, "nginx", "-p", dir, "-c", path, "-g", "daemon off;")
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("cannot start nginx: %w", err)
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
		if err := Sleep(ctx, 50*time.Millisecond); err != nil {
			break
		}
	}
	stop()
	return nil, errors.New("nginx does not accept connections")
}
