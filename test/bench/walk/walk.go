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

// walkCommand measures walking the whole list.
const Command = "walk"

const (
	loopPageSize   = 200 // calls a page of the plain loop, as many as the gateway asks for
	sampleInterval = 5 * time.Millisecond
	narrowColumns  = "id,status,startedAt"
	wholeCall      = `{ calls { nodes { id status phoneNumber startedAt answeredAt endedAt result dialError endReason endedBy recordingUrl structuredOutput
		transcript { role content toolName toolArguments toolIsError } extra } } }`
)

// walkOptions are the flags of the subcommand.
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
	flags.IntVar(&o.rounds, "rounds", 5, "how often each way is measured")
	flags.IntVar(&o.kills, "kills", 20, "how often the last walk is killed")
	flags.DurationVar(&o.latency, "latency", 0, "how long upstream takes for every answer, beside making it")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.kills < 0 || o.latency < 0 {
		return nil, errors.New("-rounds is at least 1, -kills and -latency are not negative, and nothing follows the flags")
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

// export is one measurement.
type measurement struct {
	took     time.Duration
	peak     int // memory in bytes; 0: not known
	requests int // to upstream
}

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
		return fmt.Errorf("no place for files: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	w := &walker{o, rest, dir, rand.New(rand.NewPCG(1, 2))} //nolint:gosec // the same moments every time
	var t report.Table
	err = errors.Join(w.compare(ctx, &t), w.interrupt(ctx, &t))
	fmt.Print(t.String())
	return err
}

// compare measures each way to get at all calls.
func (w *walker) compare(ctx context.Context, t *report.Table) error {
	ways := []struct {
		name string
		run  func(context.Context, string) (measurement, error)
	}{
		{fmt.Sprintf("a loop over REST, %d calls a page, rows as they come", loopPageSize), w.loop},
		{"`query --all --columns " + narrowColumns + "`", w.query("--columns", narrowColumns)},
		{"`query --all`, whole calls with what was said", w.query("-d", wholeCall)},
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
	t.Head("all calls", "calls a second", "upstream requests", "peak memory, MiB")
	for i, way := range ways {
		peak := "–"
		if measured[i][0].peak > 0 {
			peak = report.Decimals(0)(report.Median(figures(measured[i], func(one measurement) float64 { return float64(one.peak) })) / (1 << 20))
		}
		t.Row(way.name, humanize.Comma(int64(report.Median(figures(measured[i], func(one measurement) float64 { return fake.DefaultCalls / one.took.Seconds() })))),
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

// loop is what one writes without the gateway, for a list that stands still.
func (w *walker) loop(ctx context.Context, path string) (measurement, error) {
	began := time.Now()
	file, err := os.Create(path) //nolint:gosec // in this program's own folder
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
			_, _ = out.Write(row) // Flush tells
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

// query is the command, with the flags that say what is selected.
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
				if peak, err := servers.Memory(cmd.Process.Pid, servers.PeakRSS); err == nil { // it may just have ended
					one.peak = max(one.peak, peak)
				}
			}
		}
	}
}

func (w *walker) command(ctx context.Context, path string, flags ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.CommandContext(ctx, w.gateway, append([]string{"query", "--all", "--out", path}, flags...)...) //nolint:gosec // it is for the caller to say what is measured
	cmd.Env = append(slices.DeleteFunc(os.Environ(), servers.IsSetting), "REVOX_API_KEY="+servers.GatewayKey, "REVOX_BASE_URL="+w.rest.URL)
	log := &bytes.Buffer{}
	cmd.Stderr = log
	return cmd, log
}
