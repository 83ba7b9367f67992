// Package walk measures `query --all`, which writes all calls of a fake upstream to a file, next to a plain loop over
// REST that does the minimum: request a page, write each of its rows. Then the benchmark kills the command several
// times, restarts it until it has finished, and compares the file with the list.
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
	"net/http"
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

	concurrency  int // requests in flight: of the second loop over REST, and of `query --all`
	comes, leave int // calls per second, while walks are killed
}

func parseOptions(args []string) (*options, error) {
	var o options
	flags := flag.NewFlagSet("bench "+Command, flag.ContinueOnError)
	flags.StringVar(&o.gateway, "gateway", servers.DefaultGateway, "the built gateway")
	flags.IntVar(&o.rounds, "rounds", 5, "measurements of each way")
	flags.IntVar(&o.kills, "kills", 20, "number of times that the last walk is killed")
	flags.DurationVar(&o.latency, "latency", 0, "additional latency of every upstream response")
	flags.IntVar(&o.concurrency, "concurrency", 4,
		"requests in flight of the second loop over REST, and GATEWAY_SCAN_CONCURRENCY")
	flags.IntVar(&o.comes, "arrive", 0, "calls that arrive per second while walks are killed")
	flags.IntVar(&o.leave, "leave", 0, "calls that leave per second while walks are killed")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.concurrency < 1 ||
		o.kills < 0 || o.latency < 0 || o.comes < 0 || o.leave < 0 {
		return nil, errors.New("-rounds and -concurrency must be at least 1, -kills, -latency, -arrive and -leave must " +
			"not be negative; no arguments are allowed")
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
		{fmt.Sprintf("a loop over REST, %d calls per page, unchanged rows", loopPageSize), w.loop(1)},
		{fmt.Sprintf("the same, %d pages at a time", w.concurrency), w.loop(w.concurrency)},
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
	t.Head("all calls", "seconds", "calls per second", "upstream requests", "peak memory, MiB")
	for i, way := range ways {
		peak := "–"
		if measured[i][0].peak > 0 {
			peaks := figures(measured[i], func(one measurement) float64 { return float64(one.peak) })
			peak = report.Decimals(0)(report.Median(peaks) / (1 << 20))
		}
		perSecond := figures(measured[i], func(one measurement) float64 { return fake.DefaultCalls / one.took.Seconds() })
		t.Row(way.name, report.Decimals(2)(fake.DefaultCalls/report.Median(perSecond)),
			humanize.Comma(int64(report.Median(perSecond))),
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

// loop returns a function that gets all calls without the gateway, from a list that never changes: it requests so many
// pages at a time, and writes their rows in the list's order.
func (w *walker) loop(concurrency int) func(context.Context, string) (measurement, error) {
	return func(ctx context.Context, path string) (measurement, error) {
		began := time.Now()
		file, err := os.Create(path) //nolint:gosec // in a folder of this program
		if err != nil {
			return measurement{}, err
		}
		defer func() { _ = file.Close() }()
		out, client := bufio.NewWriter(file), load.NewClient()
		defer client.CloseIdleConnections()
		pages := make(chan func() ([]byte, error), concurrency-1) // and one that is waited for
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		go w.request(ctx, client, pages)
		for page := range pages {
			rows, err := writePage(page, out)
			if err != nil {
				return measurement{}, err
			}
			if rows < loopPageSize {
				break
			}
		}
		if err := errors.Join(out.Flush(), file.Sync()); err != nil {
			return measurement{}, err
		}
		return measurement{took: time.Since(began)}, nil
	}
}

// request requests page after page, as many at a time as the channel has room for, until ctx ends.
func (w *walker) request(ctx context.Context, client *http.Client, pages chan<- func() ([]byte, error)) {
	for number := 0; ; number++ {
		var body []byte
		var err error
		done := make(chan struct{})
		wait := func() ([]byte, error) {
			<-done
			return body, err
		}
		select {
		case pages <- wait:
		case <-ctx.Done():
			return
		}
		go func() {
			defer close(done)
			body, err = load.RESTPage(ctx, client, w.rest, number, loopPageSize)
		}()
	}
}

// writePage writes the rows of a page, and returns how many they are.
func writePage(page func() ([]byte, error), out *bufio.Writer) (rows int, err error) {
	body, err := page()
	if err != nil {
		return 0, err
	}
	var content struct{ Calls []json.RawMessage }
	if err := json.Unmarshal(body, &content); err != nil {
		return 0, err
	}
	for _, row := range content.Calls {
		_, _ = out.Write(row) // Flush returns the error
		_ = out.WriteByte('\n')
	}
	return len(content.Calls), nil
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
		"REVOX_API_KEY="+servers.GatewayKey, "REVOX_BASE_URL="+w.rest.URL,
		"GATEWAY_SCAN_CONCURRENCY="+strconv.Itoa(w.concurrency))
	log := &bytes.Buffer{}
	cmd.Stderr = log
	return cmd, log
}
