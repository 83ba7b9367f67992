package compare

import (
	"context"
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

	"revox-graphql/test/bench/servers"
)

//go:embed wrk.lua
var wrkScript []byte

// wrk generates load with the program wrk.
type wrk struct {
	*options
	script string
}

func newWrk(o *options, dir string) (*wrk, error) {
	w := &wrk{o, filepath.Join(dir, "wrk.lua")}
	if err := os.WriteFile(w.script, wrkScript, 0o600); err != nil {
		return nil, fmt.Errorf("script of wrk: %w", err)
	}
	return w, nil
}

// outcome is the last line of output of wrk.lua.
type outcome struct {
	Requests int `json:"requests"`
	Micros   int `json:"micros"`
	Bytes    int `json:"bytes"`
	P50      int `json:"p50"` // in microseconds, like P99
	P99      int `json:"p99"`
	failures
}

// failures counts connections that failed, reads and writes that failed, requests that timed out, and responses with an
// error status.
type failures struct {
	Connect int `json:"connect"`
	Read    int `json:"read"`
	Write   int `json:"write"`
	Timeout int `json:"timeout"`
	Status  int `json:"status"`
}

// sample contains the figures of one run of wrk.
type sample struct {
	perSecond float64
	cpu       time.Duration // of the server, for each request
	p50, p99  time.Duration
}

// load sends the requests in a file to a server for so many seconds. least is the size of the smallest correct
// response: a server whose mean response is smaller does not send the correct ones.
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
		return nil, errors.Join(fmt.Errorf("%+v, but responses have at least %d bytes", *o, least), c.Err())
	}
	return &sample{
		perSecond: float64(o.Requests) / (float64(o.Micros) / 1e6),
		cpu:       (after - before) / time.Duration(o.Requests),
		p50:       time.Duration(o.P50) * time.Microsecond,
		p99:       time.Duration(o.P99) * time.Microsecond,
	}, nil
}

func (w *wrk) run(ctx context.Context, url, requests string, seconds int) (*outcome, error) {
	cmd := exec.CommandContext(ctx, w.wrk, //nolint:gosec // the caller chooses the path
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
		return nil, fmt.Errorf("wrk printed no outcome: %w: %s%s", err, text, stderr.String())
	}
	return &o, nil
}
