// Package interactive measures how long small requests take without an export, while all calls are exported through
// the same gateway with the same credential, and while the export goes through another gateway on the same machine.
// The export, the upstream and the gateway share the processors: a delay in the third case is not caused by the
// gateway.
package interactive

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/report"
	"revox-graphql/test/bench/servers"
	"revox-graphql/upstream/fake"
)

// Command is the name of the command.
const Command = "interactive"

const wholeCall = `{ calls { nodes {
	id status phoneNumber startedAt answeredAt endedAt result dialError endReason endedBy
	recordingUrl structuredOutput transcript { role content toolName toolArguments toolIsError } extra
} } }`

// options are the flags of the command.
type options struct {
	gateway string
	rounds  int
	part    time.Duration
}

// latencies returns the latencies of the upstream.
func latencies() []time.Duration {
	return []time.Duration{20 * time.Millisecond, 100 * time.Millisecond}
}

// kinds of small requests. Their names are in the table.
var kinds = []struct {
	name     string
	settings []string
}{
	// The cache is too small for the export, so that the export never ends early. What is requested stays in it.
	{"cached", []string{"GATEWAY_CACHE_TTL=1h", "GATEWAY_CACHE_BYTES=32MiB"}},
	{"not cached", []string{"GATEWAY_CACHE_TTL=0"}},
}

func parseOptions(args []string) (*options, error) {
	var o options
	flags := flag.NewFlagSet("bench "+Command, flag.ContinueOnError)
	flags.StringVar(&o.gateway, "gateway", servers.DefaultGateway, "the built gateway")
	flags.IntVar(&o.rounds, "rounds", 2, "parts without the export, and as many with it, through either gateway, in turn")
	flags.DurationVar(&o.part, "for", 4*time.Second, "duration of a part")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.part < time.Second {
		return nil, errors.New("-rounds must be at least 1, and -for at least 1s; no arguments are allowed")
	}
	return &o, servers.CheckGateway(o.gateway)
}

// Run measures each kind of request at each distance, and prints a table.
func Run(ctx context.Context, args []string) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "revox-bench-")
	if err != nil {
		return fmt.Errorf("temporary folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var t report.Table
	t.Printf("%d requests per second for %d calls each, without and with `query --all --url` through the same gateway, "+
		"and through another one on the same machine; %d parts of %v each, in turn.\n",
		load.NormalPerSecond, load.NormalCalls, o.rounds, o.part)
	t.Head("small requests, ms", "without, p50", "p99", "with the export, p50", "p99", "p99, with ÷ without",
		"export through another gateway, p50", "p99", "p99, with ÷ without", "calls exported per second")
	for _, latency := range latencies() {
		for _, kind := range kinds {
			report.Progress("%s, upstream %v away", kind.name, latency)
			m, err := o.measure(ctx, dir, latency, kind.settings)
			if err != nil {
				return fmt.Errorf("%s, upstream %v away: %w", kind.name, latency, err)
			}
			t.Row(append([]string{fmt.Sprintf("%s, upstream %v away", kind.name, latency)}, m.row()...)...)
		}
	}
	fmt.Print(t.String())
	return nil
}

// measurement has the latencies of small requests, and how fast the export through the same gateway was.
type measurement struct {
	without, with, beside []time.Duration
	exported              int // calls
	took                  time.Duration
}

// row returns the figures of a row.
func (m *measurement) row() []string {
	var cells []string
	quantiles := func(latencies []time.Duration) (p99 time.Duration) {
		slices.Sort(latencies)
		p99 = report.Percentile(latencies, 99)
		cells = append(cells, report.Milliseconds(report.Percentile(latencies, 50)), report.Milliseconds(p99))
		return p99
	}
	without := quantiles(m.without)
	for _, latencies := range [][]time.Duration{m.with, m.beside} {
		p99 := quantiles(latencies)
		cells = append(cells, report.Decimals(2)(float64(p99)/float64(without)))
	}
	return append(cells, report.Decimals(0)(float64(m.exported)/m.took.Seconds()))
}

// measure sends small requests in each part, and exports in two parts of three.
func (o *options) measure(
	ctx context.Context, dir string, latency time.Duration, settings []string,
) (*measurement, error) {
	s, pages, err := load.StartTargetWithPages(ctx, o.gateway, load.NormalCalls, load.NormalPages, settings...)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	other, err := s.StartGateway(ctx, o.gateway, "other", s.Upstream, settings...)
	if err != nil {
		return nil, err
	}
	s.Upstream.Behave(func(b *fake.Behaviour) { b.Latency = latency })
	_ = s.SendAtRate(ctx, pages, load.NormalPerSecond, o.part/4) // opens connections
	m := &measurement{}
	for range o.rounds {
		if m.without, err = send(ctx, s, pages, o.part, m.without); err != nil {
			return nil, err
		}
		began := time.Now()
		var exported int
		if m.with, exported, err = o.during(ctx, dir, s.Gateway.URL, s, pages, m.with); err != nil {
			return nil, err
		}
		m.took += time.Since(began)
		m.exported += exported
		if m.beside, _, err = o.during(ctx, dir, other.URL, s, pages, m.beside); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// during sends small requests for a part, while all calls are exported through the gateway at a URL.
func (o *options) during(
	ctx context.Context, dir, url string, s *load.Target, pages []load.Page, before []time.Duration,
) (latencies []time.Duration, exported int, err error) {
	exporting, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		var err error
		exported, err = o.export(exporting, dir, url)
		ended <- err
	}()
	latencies, err = send(ctx, s, pages, o.part, before)
	stop()
	err = errors.Join(err, <-ended)
	return latencies, exported, err
}

// send sends small requests for so long, and appends their latencies. An incorrect response is an error.
func send(
	ctx context.Context, s *load.Target, pages []load.Page, long time.Duration, latencies []time.Duration,
) ([]time.Duration, error) {
	replies := s.SendAtRate(ctx, pages, load.NormalPerSecond, long)
	for _, r := range replies {
		if r.Err == nil && r.Code != "" {
			return nil, fmt.Errorf("a small request got %s", r.Code)
		}
		latencies = append(latencies, r.Latency)
	}
	return latencies, errors.Join(load.CheckReplies(replies), ctx.Err())
}

// export exports all calls again and again until ctx ends, and returns how many calls were written.
func (o *options) export(ctx context.Context, dir, url string) (calls int, err error) {
	path := filepath.Join(dir, "calls.ndjson")
	for {
		cmd := exec.CommandContext(ctx, o.gateway, //nolint:gosec // the caller chooses what is measured
			"query", "--all", "--url", url+"graphql", "--out", path, "-d", wholeCall)
		cmd.Env = slices.DeleteFunc(os.Environ(), servers.IsSetting)
		log, err := cmd.CombinedOutput()
		ended := ctx.Err() != nil // the command was killed, and its file is incomplete
		if err != nil && !ended {
			return calls, fmt.Errorf("export: %w: %s", err, log)
		}
		written, err := takeLines(dir)
		calls += written
		if err == nil && ended && calls == 0 {
			err = errors.New("nothing was exported")
		}
		if err != nil || ended {
			return calls, err
		}
	}
}

// takeLines counts the lines of all files in a folder, and removes the files. It reads them part by part: this process
// is the client whose requests are measured.
func takeLines(dir string) (lines int, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, path := range paths {
		file, err := os.Open(path) //nolint:gosec // in a folder of this program
		if err != nil {
			return lines, err
		}
		part := make([]byte, 64<<10)
		for n := 0; err == nil; n, err = file.Read(part) {
			lines += bytes.Count(part[:n], []byte{'\n'})
		}
		if err := errors.Join(file.Close(), os.Remove(path)); err != nil {
			return lines, err
		}
	}
	return lines, err
}
