package compare

import (
	"context"

	"revox-graphql/test/bench/servers"

	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed wrk.lua
var wrkScript []byte

// wrk loads a server.
type wrk struct {
	*options
	script string
}

func newWrk(o *options, dir string) (*wrk, error) {
	w := &wrk{o, filepath.Join(dir, "wrk.lua")}
	if err := os.WriteFile(w.script, wrkScript, 0o600); err != nil {
		return nil, fmt.Errorf("no file for wrk's script: %w", err)
	}
	return w, nil
}

// outcome is the line that wrk.lua ends with.
type outcome struct {
	Requests int `json:"requests"`
	Micros   int `json:"micros"`
	Bytes    int `json:"bytes"`
	P50      int `json:"p50"` // in microseconds, as p99
	P99      int `json:"p99"`
	failures
}

// failures are what went wrong: connections that were not made, reads and writes that failed, requests that took too
// long, and answers whose status is not a good one.
type failures struct {
	Connect int `json:"connect"`
	Read    int `json:"read"`
	Write   int `json:"write"`
	Timeout int `json:"timeout"`
	Status  int `json:"status"`
}

// sample is what one run of wrk has shown of a server.
type sample struct {
	perSecond float64
	cpu       time.Duration // of the server, for each request
	p50, p99  time.Duration
}

// load asks a server the requests in a file for so many seconds. least is the size of the smallest answer: a server
// that sends less on average does not send what was asked for.
func (w *wrk) load(ctx context.Context, c *servers.Process, requests string, seconds, least int) (*sample, error) {
	before, err := servers.CPUTime(c.PID)
	if err != nil {
		return nil, err
	}
	o, err := w.run(ctx, c.URL, requests, seconds)
	if err != nil {
		return nil, errors.Join(err, c.Err())
	}
	after, err := servers.CPUTime(c.PID)
	if err != nil {
		return nil, err
	}
	if o.failures != (failures{}) || o.Requests == 0 || o.Micros == 0 || o.Bytes/o.Requests < least {
		return nil, errors.Join(fmt.Errorf("%+v, and answers have at least %d bytes", *o, least), c.Err())
	}
	return &sample{
		perSecond: float64(o.Requests) / (float64(o.Micros) / 1e6),
		cpu:       (after - before) / time.Duration(o.Requests),
		p50:       time.Duration(o.P50) * time.Microsecond,
		p99:       time.Duration(o.P99) * time.Microsecond,
	}, nil
}

func (w *wrk) run(ctx context.Context, url, requests string, seconds int) (*outcome, error) {
	cmd := exec.CommandContext(ctx, w.wrk, //nolint:gosec // where wrk lies is for the caller to say
		"-t", strconv.Itoa(w.threads), "-c", strconv.Itoa(w.connections), "-d", strconv.Itoa(seconds)+"s",
		"--timeout", "20s", "-s", w.script, url, "--", requests)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("wrk: %w: %s%s", err, text, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var o outcome
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &o); err != nil {
		return nil, fmt.Errorf("wrk has not told how it went: %w: %s%s", err, text, stderr.String())
	}
	return &o, nil
}
