package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"revox-graphql/gateway/config"
	"revox-graphql/gateway/demo"
	"revox-graphql/gateway/remote"
	"revox-graphql/upstream/fake"
)

// plain returns what runs a command that has no settings: its flags are checked before.
func (l *commandLine) plain(
	do func(context.Context) error, validate func() error,
) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if l.version {
			return l.showVersion(c)
		}
		if err := errors.Join(l.badFlags(c), emptyValues(c, args), validate()); err != nil {
			return err
		}
		l.parsed = true
		return do(c.Context())
	}
}

const healthHelp = `Ask a gateway that runs on this machine whether it is alive, for health checks in images
without a shell.

The command requests /healthz, or /readyz with --ready, at the address in GATEWAY_LISTEN. The exit status is 0 if the
gateway responds with 200, 2 for a wrong command, and 1 otherwise.`

// healthCommand is the command `health`.
func (l *commandLine) healthCommand() *cobra.Command {
	var address string
	var ready bool
	var timeout time.Duration
	c := &cobra.Command{
		Use: "health", Short: "Ask a running gateway whether it is alive.", Long: healthHelp, Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&address, "url", "", "`ADDRESS` of the gateway, in place of that in GATEWAY_LISTEN.")
	c.Flags().BoolVar(&ready, "ready", false, "Ask whether the gateway is ready for requests. It is not ready while it "+
		"stops, or while Revox keeps failing.")
	c.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "How long to wait for the response.")
	c.RunE = l.plain(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		path := "/healthz"
		if ready {
			path = "/readyz"
		}
		if err := remote.Health(ctx, address+path); err != nil {
			return err
		}
		_, err := fmt.Fprintln(c.OutOrStdout(), "ok")
		return err
	}, func() error {
		var err error
		if address == "" {
			address, err = localAddress(l.getenv)
		} else if _, ok := config.ParseServer(address); !ok {
			err = errors.New("--url must be the address of a gateway, like http://127.0.0.1:8080")
		}
		address = strings.TrimSuffix(address, "/")
		if timeout <= 0 {
			err = errors.Join(err, fmt.Errorf("--timeout must be more than 0, and is %v", timeout))
		}
		return err
	})
	return c
}

// localAddress is the address at which a gateway with these settings is reached from its own machine.
func localAddress(getenv func(string) string) (string, error) {
	listen, err := config.Listen(getenv)
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err
	}
	if port == "0" {
		return "", config.Wrong("listen", "is %s, which says no port: give --url", listen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

const demoHelp = `Serve made-up calls as Revox does, with faults of your choice, to test a REST client or a gateway.

The endpoint is GET /api/call?page=0&page_size=20. A gateway uses it with
REVOX_BASE_URL=http://127.0.0.1:8090/api REVOX_API_KEY=any.

A fault is a name, which applies to every request, or a name and a number: 429:5 applies to every fifth request. If
several faults are due for one request, the rarest takes precedence. The faults:
`

const demoExamples = `  revox-graphql demo --fault 429:5 --retry-after 3s
  revox-graphql demo --fault slow:10 --fault reset:7 --calls-per-minute 600 --removed-per-minute 60
  revox-graphql demo --first-page 1 --past-end 404 --max-page-size 50`

// demoFlags are the flags of the command `demo`.
type demoFlags struct {
	listen                              string
	calls, firstPage, maxPageSize, lag  int
	arriving, leaving                   float64 // calls per minute
	key, order, pastEnd, statusesFormat string
	latency                             time.Duration
	faults                              []demo.Fault
	times                               demo.Times
	logRequests                         bool
}

// demoCommand is the command `demo`.
func (l *commandLine) demoCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "demo", Short: "Serve made-up calls as Revox does, with faults of your choice.",
		Long: demoHelp + strings.TrimSuffix(demo.Help(), "\n"), Example: demoExamples, Args: cobra.NoArgs,
	}
	d := &demoFlags{}
	d.register(c)
	c.RunE = l.plain(func(ctx context.Context) error {
		surviveItsLog()
		return d.run(ctx, slog.New(slog.NewTextHandler(l.stderr, nil)))
	}, d.validate)
	return c
}

func (d *demoFlags) register(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&d.listen, "listen", "127.0.0.1:8090", "`ADDRESS` to listen on. Port 0 picks a free port.")
	flags.IntVar(&d.calls, "calls", fake.DefaultCalls, "`NUMBER` of calls at the start.")
	flags.Float64Var(&d.arriving, "calls-per-minute", 6, "`NUMBER` of calls that arrive per minute.")
	flags.Float64Var(&d.leaving, "removed-per-minute", 0, "`NUMBER` of the newest calls that leave the list per minute.")
	flags.StringVar(&d.key, "key", "", "The `KEY` that requests must have. Others get 401. Default: any key, or none.")
	flags.IntVar(&d.firstPage, "first-page", 0, "`NUMBER` of the first page, 0 or 1.")
	flags.IntVar(&d.maxPageSize, "max-page-size", 0, "Maximum `NUMBER` of calls per page; a larger page_size is lowered "+
		"to it. 0 is no limit.")
	choose(c, &d.pastEnd, "past-end", "empty", fake.PastEnds(),
		"The response to a page past the end: an empty list, a status, null, or the last or first page.")
	choose(c, &d.order, "order", "newest", fake.Orders(),
		"The order of the list. With started, a call moves when it is dialled; with updated, when its status changes.")
	choose(c, &d.statusesFormat, "statuses-format", "comma", []string{"", "repeat", "brackets"},
		"The format of statuses that the demo understands. It ignores statuses in another format.")
	flags.IntVar(&d.lag, "lag", 0, "`NUMBER` of the newest calls that every other response lacks, as from a replica that "+
		"is behind.")
	flags.DurationVar(&d.latency, "latency", 0, "How long each response takes.")
	flags.Var(&faultList{&d.faults}, "fault", "A fault, such as 429:5. May be repeated.")
	offer(c, "fault", demo.Names())
	flags.DurationVar(&d.times.RetryAfter, "retry-after", 2*time.Second, "The time in Retry-After of 429 and 503.")
	flags.DurationVar(&d.times.Slow, "slow", 20*time.Second, "How long a slow response takes.")
	toggle(flags, &d.logRequests, "log-requests", "Log a line for each request.")
}

func (d *demoFlags) validate() error {
	var errs []error
	reject := func(bad bool, flag, must string, value any) {
		if bad {
			errs = append(errs, fmt.Errorf("--%s must %s, and is %v", flag, must, value))
		}
	}
	if err := config.CheckAddress(d.listen); err != nil {
		errs = append(errs, fmt.Errorf("--listen %w", err))
	}
	const notNegative, perMinute = "not be negative", "be from 0 to 60000"
	reject(d.calls < 0, "calls", notNegative, d.calls)
	reject(d.firstPage != 0 && d.firstPage != 1, "first-page", "be 0 or 1", d.firstPage)
	reject(d.maxPageSize < 0, "max-page-size", notNegative, d.maxPageSize)
	reject(d.lag < 0, "lag", notNegative, d.lag)
	reject(!(d.arriving >= 0 && d.arriving <= mostPerMinute), "calls-per-minute", perMinute, d.arriving)
	reject(!(d.leaving >= 0 && d.leaving <= mostPerMinute), "removed-per-minute", perMinute, d.leaving)
	reject(d.latency < 0, "latency", notNegative, d.latency)
	reject(d.times.RetryAfter < 0, "retry-after", notNegative, d.times.RetryAfter)
	reject(d.times.Slow < 0, "slow", notNegative, d.times.Slow)
	return errors.Join(errs...)
}

// mostPerMinute is how many calls may come or go in a minute: one in a millisecond.
const mostPerMinute = 60_000

// run serves until ctx is done.
func (d *demoFlags) run(ctx context.Context, log *slog.Logger) error {
	server, err := demo.Start(ctx, d.listen, &demo.Options{
		Calls: d.calls, ArrivingPerMinute: d.arriving, LeavingPerMinute: d.leaving, LogRequests: d.logRequests, Log: log,
		Behave: func(b *fake.Behaviour) {
			b.FirstPage, b.MaxPageSize, b.StatusesFormat = d.firstPage, d.maxPageSize, d.statusesFormat
			b.PastEnd, b.Order, b.Key, b.Latency = d.pastEnd, d.order, d.key, d.latency
			b.Fault = demo.Injector(d.faults, d.times)
			if d.lag > 0 {
				b.Lag = func(n int) int { return d.lag * (n % 2) }
			}
		},
	})
	if err != nil {
		return err
	}
	defer server.Close()
	log.Info("listening", "url", fmt.Sprintf("%s/call?page=%d&page_size=20", server.URL, d.firstPage))
	log.Info("for a gateway", "REVOX_BASE_URL", server.URL, "REVOX_API_KEY", cmp.Or(d.key, "any"))
	select {
	case err := <-server.Failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// choose declares a flag that accepts a few names. The first of them stands for the empty name if there is one.
func choose(c *cobra.Command, to *string, flag, first string, names []string, usage string) {
	value := &choice{to: to, first: first, names: names}
	c.Flags().Var(value, flag, usage+" Accepts "+strings.Join(value.all(), ", ")+".")
	c.Flags().Lookup(flag).DefValue = first
	offer(c, flag, value.all())
}

// choice is the value of a flag that accepts a few names, see [choose].
type choice struct {
	to    *string
	first string
	names []string
}

func (v *choice) all() []string { return slices.Concat([]string{v.first}, v.names[1:]) }

// String implements [pflag.Value].
func (v *choice) String() string {
	if v.to == nil || *v.to == v.names[0] {
		return v.first
	}
	return *v.to
}

// Type implements [pflag.Value].
func (*choice) Type() string { return "NAME" }

// Set implements [pflag.Value].
func (v *choice) Set(given string) error {
	i := slices.Index(v.all(), given)
	if i < 0 {
		return fmt.Errorf("must be one of %s, and is %q", strings.Join(v.all(), ", "), given)
	}
	*v.to = v.names[i]
	return nil
}

// faultList is the value of --fault.
type faultList struct{ to *[]demo.Fault }

// String implements [pflag.Value].
func (*faultList) String() string { return "" }

// Type implements [pflag.Value].
func (*faultList) Type() string { return "FAULT" }

// Set implements [pflag.Value].
func (v *faultList) Set(given string) error {
	fault, err := demo.ParseFault(given)
	*v.to = append(*v.to, fault)
	return err
}
