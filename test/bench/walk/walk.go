// Package walk measures `query --all`, which writes all calls of a fake upstream to a file, next to a plain loop over
// REST that does the minimum: request a page, write each of its rows. Then it kills the command several times, restarts
// it until it is done, and compares the file with the list.
package walk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/report"
	"revox-graphql/test/bench/servers"
	"revox-graphql/upstream/fake"
)

// Command is the name of the command.
const Command = "walk"

const (
	loopPageSize   = 200 // calls per page of the plain loop, as many as the gateway requests
	sampleInterval = 5 * time.Millisecond
	narrowColumns  = "id,status,startedAt"

	wholeCall = `{ calls { nodes { id status phoneNumber startedAt answeredAt endedAt result dialError endReason endedBy
		recordingUrl structuredOutput transcript { role content toolName toolArguments toolIsError } extra } } }`
)

// options are the flags of the command.
type options struct {
	gateway string
	rounds  int
	kills   int
	latency time.Duration
}

func parseOptions(args []string) (*options, error) {
	var o options
	flags := flag.NewFlagSet("bench "+Command, flag.ContinueOnError)
	flags.StringVar(&o.gateway, "gateway", servers.DefaultGateway, "the built gateway")
	flags.IntVar(&o.rounds, "rounds", 5, "measurements of each way")
	flags.IntVar(&o.kills, "kills", 20, "number of times that the last walk is killed")
	flags.DurationVar(&o.latency, "latency", 0, "additional latency of every upstream response")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.kills < 0 || o.latency < 0 {
		return nil, errors.New("-rounds must be at least 1, -kills and -latency must not be negative; " +
			"no arguments are allowed")
	}
	return &o, servers.CheckGateway(o.gateway)
}

// walker walks the list of an upstream.
type walker struct {
	*options
	rest *servers.Upstream
	dir  string
	dice *rand.Rand
}

// measurement is one measurement of one way to get all calls.
type measurement struct {
	took     time.Duration
	peak     int // memory in bytes; 0: unknown
	requests int // to the upstream
}

// Run measures each way to get all calls, and walks that are interrupted.
func Run(ctx context.Context, args []string) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	rest, err := servers.StartUpstream(ctx)
	if err != nil {
		return err
	}
	defer rest.Stop()
	rest.Behave(func(b *fake.Behaviour) { b.Latency = o.latency })
	dir, err := os.MkdirTemp("", "revox-bench-")
	if err != nil {
		return fmt.Errorf("temporary folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	w := &walker{o, rest, dir, rand.New(rand.NewPCG(1, 2))} //nolint:gosec // the same in each run
	var t report.Table
	err = errors.Join(w.compare(ctx, &t), w.interrupt(ctx, &t))
	fmt.Print(t.String())
	return err
}

// compare measures each way to get all calls.
func (w *walker) compare(ctx context.Context, t *report.Table) error {
	ways := []struct {
		name string
		run  func(context.Context, string) (measurement, error)
	}{
		{fmt.Sprintf("a loop over REST, %d calls per page, unchanged rows", loopPageSize), w.loop},
		{"`query --all --columns " + narrowColumns + "`", w.query("--columns", narrowColumns)},
		{"`query --all`, whole calls with transcripts", w.query("-d", wholeCall)},
		{"the same as CSV", w.query("-d", wholeCall, "--format", "csv")},
	}
	measured := make([][]measurement, len(ways))
	for range w.rounds {
		for i, way := range ways {
			path := filepath.Join(w.dir, strconv.Itoa(i))
			w.rest.ResetRequests()
			one, err := way.run(ctx, path)
			if err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			one.requests = len(w.rest.Requests())
			measured[i] = append(measured[i], one)
		}
	}
	t.Printf("%s calls, to a file. Medians of %d rounds.\n", humanize.Comma(fake.DefaultCalls), w.rounds)
	t.Head("all calls", "calls per second", "upstream requests", "peak memory, MiB")
	for i, way := range ways {
		peak := "–"
		if measured[i][0].peak > 0 {
			peaks := figures(measured[i], func(one measurement) float64 { return float64(one.peak) })
			peak = report.Decimals(0)(report.Median(peaks) / (1 << 20))
		}
		perSecond := figures(measured[i], func(one measurement) float64 { return fake.DefaultCalls / one.took.Seconds() })
		t.Row(way.name, humanize.Comma(int64(report.Median(perSecond))),
			strconv.Itoa(measured[i][0].requests), peak)
	}
	return nil
}

func figures(exports []measurement, figure func(measurement) float64) []float64 {
	figures := make([]float64, len(exports))
	for i, one := range exports {
		figures[i] = figure(one)
	}
	return figures
}

// loop is the program that one writes without the gateway, for a list that never changes.
func (w *walker) loop(ctx context.Context, path string) (measurement, error) {
	began := time.Now()
	file, err := os.Create(path) //nolint:gosec // in a folder of this program
	if err != nil {
		return measurement{}, err
	}
	defer func() { _ = file.Close() }()
	out, client := bufio.NewWriter(file), load.NewClient()
	defer client.CloseIdleConnections()
	for number := 0; ; number++ {
		body, err := load.RESTPage(ctx, client, w.rest, number, loopPageSize)
		if err != nil {
			return measurement{}, err
		}
		var page struct{ Calls []json.RawMessage }
		if err := json.Unmarshal(body, &page); err != nil {
			return measurement{}, err
		}
		for _, row := range page.Calls {
			_, _ = out.Write(row) // Flush returns the error
			_ = out.WriteByte('\n')
		}
		if len(page.Calls) < loopPageSize {
			break
		}
	}
	if err := errors.Join(out.Flush(), file.Sync()); err != nil {
		return measurement{}, err
	}
	return measurement{took: time.Since(began)}, nil
}

// query returns a function that runs the command with these flags.
func (w *walker) query(flags ...string) func(context.Context, string) (measurement, error) {
	return func(ctx context.Context, path string) (measurement, error) {
		var one measurement
		began := time.Now()
		cmd, log := w.command(ctx, path, flags...)
		if err := cmd.Start(); err != nil {
			return one, err
		}
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		ticks := time.NewTicker(sampleInterval)
		defer ticks.Stop()
		for {
			select {
			case err := <-exited:
				one.took = time.Since(began)
				if err != nil {
					err = fmt.Errorf("%w: %s", err, log)
				}
				return one, err
			case <-ticks.C:
				if peak, err := servers.Memory(cmd.Process.Pid, servers.PeakRSS); err == nil { // the process may have ended
					one.peak = max(one.peak, peak)
				}
			}
		}
	}
}

func (w *walker) command(ctx context.Context, path string, flags ...string) (*exec.Cmd, *bytes.Buffer) {
	args := append([]string{"query", "--all", "--out", path}, flags...)
	cmd := exec.CommandContext(ctx, w.gateway, args...) //nolint:gosec // the caller chooses what is measured
	cmd.Env = append(slices.DeleteFunc(os.Environ(), servers.IsSetting),
		"REVOX_API_KEY="+servers.GatewayKey, "REVOX_BASE_URL="+w.rest.URL)
	log := &bytes.Buffer{}
	cmd.Stderr = log
	return cmd, log
}
