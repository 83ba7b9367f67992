package gateway

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/dustin/go-humanize"

	"revox-graphql/gateway/auth"
	"revox-graphql/gateway/export"
	"revox-graphql/graph/pagination"
	"revox-graphql/internal/middleware"
	"revox-graphql/upstream"
)

// settings are everything that can be set. A flag comes before its environment variable, and that before the default.
// The tag `variable` names the environment variable, and `query` marks what matters to a query too: what is about
// Revox, the walk and the limits, and not about clients.
type settings struct {
	Listen             string        `variable:"GATEWAY_LISTEN" default:"127.0.0.1:8080" help:"Address to listen on. Port 0 picks a free one."`
	BaseURL            string        `variable:"REVOX_BASE_URL" query:"" placeholder:"https://www.getrevox.com/api" help:"Address of the Revox API, without /call. Needs a key, or --credentials=forward."`
	Credentials        string        `variable:"GATEWAY_CREDENTIALS" default:"server" enum:"server,forward" help:"Whose key goes to Revox: the gateway's own (server), or the bearer token of each request (forward)."`
	Tokens             []string      `variable:"GATEWAY_TOKENS" placeholder:"TOKEN" help:"Bearer tokens that clients must present, separated by commas. Only with --credentials=server."`
	TokensFile         string        `variable:"GATEWAY_TOKENS_FILE" placeholder:"FILE" help:"A file of such tokens, one a line, with comments after #. It is read again when it changes."`
	AllowAnonymous     bool          `variable:"GATEWAY_ALLOW_ANONYMOUS" help:"Serve your calls beyond this machine to anybody, without tokens."`
	UpstreamPageSize   int           `variable:"GATEWAY_UPSTREAM_PAGE_SIZE" query:"" default:"200" help:"The most calls that one request to Revox asks for: 20 to 1000."`
	UpstreamFirstPage  string        `variable:"GATEWAY_UPSTREAM_FIRST_PAGE" query:"" default:"auto" enum:"auto,0,1" help:"The number of Revox's first page: 0, 1, or auto to find it out at first use."`
	UpstreamStatuses   string        `name:"upstream-statuses-format" variable:"GATEWAY_UPSTREAM_STATUSES_FORMAT" query:"" default:"comma" enum:"comma,repeat,brackets" help:"How statuses are sent to Revox: comma (a,b), repeat (statuses=a&statuses=b) or brackets (statuses[]=a&statuses[]=b)."`
	UpstreamTimeout    time.Duration `variable:"GATEWAY_UPSTREAM_TIMEOUT" query:"" default:"30s" help:"How long one GraphQL request may wait for Revox."`
	UpstreamAttempt    time.Duration `name:"upstream-attempt-timeout" variable:"GATEWAY_UPSTREAM_ATTEMPT_TIMEOUT" query:"" default:"10s" help:"How long one request to Revox may take, before it is given up and perhaps tried again."`
	UpstreamRequests   int           `name:"upstream-max-requests" variable:"GATEWAY_UPSTREAM_MAX_REQUESTS" query:"" default:"150" help:"How many requests to Revox one GraphQL request may cause, retries included."`
	UpstreamConcurrent int           `name:"upstream-concurrency" variable:"GATEWAY_UPSTREAM_CONCURRENCY" query:"" default:"32" help:"How many requests to Revox may be under way at once; with --credentials=forward half of them for one credential, and an eighth for those that Revox has not accepted yet."`
	UpstreamQueue      int           `variable:"GATEWAY_UPSTREAM_QUEUE" query:"" default:"256" help:"How many requests to Revox may wait for others to finish, and with --upstream-concurrency how many GraphQL requests may."`
	CacheTTL           time.Duration `name:"cache-ttl" variable:"GATEWAY_CACHE_TTL" query:"" default:"15s" help:"How long a page from Revox is fresh. 0 turns the cache off."`
	CacheRevalidate    orTTL         `variable:"GATEWAY_CACHE_REVALIDATE" query:"" placeholder:"DURATION" help:"How long after that a page may still be served while it is read afresh: while Revox is well, no answer shows older data. Unset it is as long as --cache-ttl."`
	CacheStale         time.Duration `variable:"GATEWAY_CACHE_STALE" query:"" default:"5m" help:"How long after --cache-ttl a page may still be served while Revox is failing; then the answer says how old it is."`
	CacheBytes         byteSize      `variable:"GATEWAY_CACHE_BYTES" default:"256MiB" help:"Memory for cached pages."`
	CacheTenantBytes   byteSize      `variable:"GATEWAY_CACHE_TENANT_BYTES" default:"64MiB" help:"With --credentials=forward: the most of that memory that pages of one credential may take."`
	AnswerBytes        byteSize      `variable:"GATEWAY_ANSWER_BYTES" default:"64MiB" help:"Memory for remembered answers, which are never older than the pages that they were made from; 0 remembers none."`
	MaxPageSize        int           `variable:"GATEWAY_MAX_PAGE_SIZE" query:"" default:"100" help:"Largest first or last of a connection: 1 to 1000."`
	MaxShift           int           `variable:"GATEWAY_MAX_SHIFT" query:"" default:"1000" help:"How many places a call may have moved in the list since its cursor was made, before the cursor expires."`
	MaxScanPages       int           `variable:"GATEWAY_MAX_SCAN_PAGES" query:"" default:"20" help:"How many pages a look-up by id may read."`
	MaxRequestBytes    byteSize      `variable:"GATEWAY_MAX_REQUEST_BYTES" query:"" default:"256KiB" help:"The most bytes that one GraphQL request may have: 1KiB to 16MiB."`
	MaxTokens          int           `variable:"GATEWAY_MAX_TOKENS" query:"" default:"1000" help:"The most tokens that a document may have, without comments, and the most fields with its fragments expanded: 1 to 100000."`
	MaxDepth           int           `variable:"GATEWAY_MAX_DEPTH" query:"" default:"16" help:"How deep fields may be nested: 1 to 100. Introspection by GraphiQL takes 15."`
	MaxAliases         int           `variable:"GATEWAY_MAX_ALIASES" query:"" default:"30" help:"The most aliases in one operation: 1 to 1000."`
	MaxRootFields      int           `variable:"GATEWAY_MAX_ROOT_FIELDS" query:"" default:"10" help:"The most fields of Query in one operation: 1 to 1000."`
	MaxCost            int           `variable:"GATEWAY_MAX_COST" query:"" default:"5000" help:"The most that one GraphQL request may cost: 1 for each call, 10 for its transcript, 20 for each total and each look-up by id. 1 to 100000000."`
	MaxAnswerBytes     byteSize      `variable:"GATEWAY_MAX_ANSWER_BYTES" query:"" default:"64MiB" help:"The most bytes that an answer may have, 1KiB to 4GiB. A field of Query that goes beyond is null, with an error."`
	APQBytes           byteSize      `name:"apq-bytes" variable:"GATEWAY_APQ_BYTES" default:"16MiB" help:"Memory for automatic persisted queries. 0 turns them off."`
	TrustedDocuments   string        `variable:"GATEWAY_TRUSTED_DOCUMENTS" placeholder:"FILE" help:"A manifest of persisted operations, by Apollo, graphql-codegen or Relay. When set, nothing else runs."`
	Hosts              []string      `variable:"GATEWAY_HOSTS" placeholder:"NAME" help:"Further names of this gateway in the Host header, separated by commas. On loopback no others are answered, and with this set nowhere."`
	CORSOrigins        []string      `name:"cors-origins" variable:"GATEWAY_CORS_ORIGINS" placeholder:"ORIGIN" help:"Origins whose pages may read answers, separated by commas, like https://app.example.com."`
	MemoryLimit        byteSize      `variable:"GATEWAY_MEMORY_LIMIT" placeholder:"BYTES" help:"The memory that the process may take, 128MiB or more. Near it remembered answers are dropped, then cached pages, and then requests are refused. Unset it is GOMEMLIMIT, else 65 % of what the control group (a container, a systemd unit) may have, else there is no limit."`
	MaxConcurrent      int           `name:"max-concurrent-requests" variable:"GATEWAY_MAX_CONCURRENT_REQUESTS" default:"1024" help:"How many GraphQL requests may be under way at once; those beyond are refused."`
	MaxConnections     int           `variable:"GATEWAY_MAX_CONNECTIONS" placeholder:"NUMBER" help:"How many connections clients may have; a new one then takes the place of the one idle longest. Unset, as many as the limit of open files leaves room for, and at most 10000."`
	DrainDelay         time.Duration `variable:"GATEWAY_DRAIN_DELAY" default:"0s" help:"How long to go on accepting requests after the signal to stop, while /readyz already says no."`
	IdleTimeout        time.Duration `variable:"GATEWAY_IDLE_TIMEOUT" default:"620s" help:"How long a connection may be idle between two requests before it is closed: 1s to 24h. Longer than balancers keep theirs."`
	Introspection      bool          `variable:"GATEWAY_INTROSPECTION" default:"true" negatable:"" help:"Let clients read the schema by queries. GraphiQL needs it."`
	LogFormat          string        `variable:"GATEWAY_LOG_FORMAT" default:"text" enum:"text,json" help:"How the log is written to standard error: text or json."`
	LogLevel           string        `variable:"GATEWAY_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"The least that is logged: debug, info (requests too), warn (slow requests, and trouble) or error."`
	LogRequests        bool          `variable:"GATEWAY_LOG_REQUESTS" default:"true" negatable:"" help:"Log a line for each GraphQL request. Without, only slow ones have one."`
	SlowRequest        time.Duration `variable:"GATEWAY_SLOW_REQUEST" default:"1s" help:"From when on a GraphQL request is logged as slow."`
	OTLPEndpoint       string        `name:"otlp-endpoint" variable:"OTEL_EXPORTER_OTLP_ENDPOINT" placeholder:"URL" help:"An OpenTelemetry collector for traces, by OTLP over HTTP, like http://localhost:4318. Without one nothing is traced, unless OTEL_TRACES_EXPORTER is otlp."`
	OTLPTraces         string        `name:"otlp-traces-endpoint" variable:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" placeholder:"URL" help:"The same for traces alone, with the path, like http://localhost:4318/v1/traces."`
	TraceSample        float64       `variable:"GATEWAY_TRACE_SAMPLE" default:"1" help:"The share of requests that are traced, 0 to 1, where the client has not decided that in traceparent, and OTEL_TRACES_SAMPLER is not set."`
	MetricsListen      string        `variable:"GATEWAY_METRICS_LISTEN" placeholder:"HOST:PORT" help:"An address of their own for /metrics, which are then not at --listen. Unset they are, for one reader at a time."`
	PprofListen        string        `variable:"GATEWAY_PPROF_LISTEN" placeholder:"127.0.0.1:6060" help:"An address on this machine at which to serve profiles of the gateway."`
	DemoCallsPerMinute float64       `variable:"GATEWAY_DEMO_CALLS_PER_MINUTE" query:"" default:"6" help:"How many calls a minute arrive at the demo upstream. 0 lets its list stand still."`
	Check              bool          `help:"Check the settings, and do nothing else."`
	Version            bool          `help:"Show the version."`
	apiKey             upstream.Credential
	tokensFile         *auth.TokensFile
	host               string // to listen on
	demo               bool
	baseURL            *url.URL
	firstPage          upstream.FirstPage
	query              *queryCommand // nil: it is to be served
}

const defaultBaseURL = "https://www.getrevox.com/api"

// byteSize is a number of bytes, written like 256MiB.
type byteSize int

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *byteSize) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > 1<<50 {
		return fmt.Errorf("%q is not a number of bytes like 256MiB", text)
	}
	*b = byteSize(n)
	return nil
}

// orTTL is a duration that is as long as the cache's TTL where it is not set.
type orTTL struct {
	time.Duration
	set bool
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *orTTL) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	d.set = true
	return err
}

// or is the duration, or the TTL.
func (d orTTL) or(ttl time.Duration) time.Duration {
	if d.set {
		return d.Duration
	}
	return ttl
}

// errHelp says that the usage was asked for, and printed.
var errHelp = errors.New("help")

// parseSettings reads the settings. An error is a line for each setting that is wrong, which it names.
func parseSettings(args []string, getenv func(string) string, stdout io.Writer) (*settings, error) {
	s, err := readSettings(args, getenv, stdout)
	if err != nil && !errors.Is(err, errHelp) {
		err = &export.UsageError{Err: err}
	}
	return s, err
}

func readSettings(args []string, getenv func(string) string, stdout io.Writer) (*settings, error) {
	s, err := parseOnce(args, getenv, stdout)
	if errors.Is(err, errHelp) {
		return nil, err
	}
	if err != nil {
		s, err = parseApart(args, getenv)
	}
	if s == nil || s.Version {
		return s, err
	}
	key := strings.TrimSpace(getenv("REVOX_API_KEY")) // a file's last line break comes along easily
	s.apiKey = upstream.NewCredential(key)
	if getenv("REVOX_API_KEY") != "" {
		if bad := auth.CheckToken(key); bad != nil {
			err = errors.Join(err, fmt.Errorf("REVOX_API_KEY %w", bad))
		}
	}
	err = errors.Join(err, s.check(getenv("REVOX_API_KEY") != ""))
	if s.query != nil {
		err = errors.Join(err, s.query.check())
	}
	return s, err
}

// parseOnce reads the settings up to the first that cannot be read.
func parseOnce(args []string, getenv func(string) string, stdout io.Writer) (*settings, error) {
	var line commandLine
	helped := false
	parser, err := kong.New(&line,
		kong.Name("revox-graphql"),
		kong.Description("A GraphQL gateway over the calls of Revox.\n\n"+
			"REVOX_API_KEY, in the environment only, is the key that goes to Revox. Without it, and without "+
			"--credentials=forward, the gateway serves made-up demo calls."),
		kong.Writers(stdout, io.Discard),
		kong.Exit(func(int) { helped = true }),
		kong.Help(printHelp),
		kong.Resolvers(environment(getenv)),
		kong.ValueFormatter(func(v *kong.Value) string {
			if variable := v.Tag.Get("variable"); variable != "" {
				return fmt.Sprintf("%s ($%s)", v.Help, variable)
			}
			return v.Help
		}),
	)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.Parse(args)
	if helped {
		return nil, errHelp
	} else if err != nil {
		return nil, withVariable(err, parser.Model.Flags)
	}
	if isQuery(parsed) {
		line.query = &line.Query
	}
	return &line.settings, errors.Join(strayFlag(parsed), emptyValue(parsed))
}

// parseApart reads each argument and each variable by itself, to find all that are wrong: kong stops at the first. The
// settings that it returns are made from the others.
func parseApart(args []string, getenv func(string) string) (*settings, error) {
	nothing := func(string) string { return "" }
	var wrong []error
	var good []string
	if i := slices.Index(args, queryName); i >= 0 { // it decides what the others mean
		good, args = []string{queryName}, slices.Delete(slices.Clone(args), i, i+1)
	}
	command := len(good)
	for len(args) > 0 {
		n := 1 // a flag, and what follows until the next
		for n < len(args) && !strings.HasPrefix(args[n], "-") {
			n++
		}
		if _, err := parseOnce(slices.Concat(good[:command], args[:n]), nothing, io.Discard); err != nil {
			wrong = append(wrong, err)
		} else {
			good = append(good, args[:n]...)
		}
		args = args[n:]
	}
	bad := map[string]bool{}
	for field := range reflect.TypeFor[settings]().Fields() {
		variable := field.Tag.Get("variable")
		only := func(name string) string {
			if name == variable {
				return getenv(name)
			}
			return ""
		}
		if _, err := parseOnce(good, only, io.Discard); err != nil {
			wrong = append(wrong, err)
			bad[variable] = true
		}
	}
	s, err := parseOnce(good, func(name string) string {
		if bad[name] {
			return ""
		}
		return getenv(name)
	}, io.Discard)
	if err != nil && len(wrong) > 0 { // it has been said
		err = nil
	}
	return s, errors.Join(append(wrong, err)...)
}

// environment reads settings from the environment; an empty variable is like none.
func environment(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(c *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if variable := flag.Tag.Get("variable"); variable != "" && (!isQuery(c) || flag.Tag.Has("query")) {
			if value := getenv(variable); value != "" {
				return value, nil
			}
		}
		return nil, nil
	})
}

// withVariable adds the environment variable to an error that blames a flag: the value may come from either.
func withVariable(err error, flags []*kong.Flag) error {
	for _, flag := range flags {
		if rest, ok := strings.CutPrefix(err.Error(), "--"+flag.Name); ok && strings.ContainsAny(rest[:min(1, len(rest))], ": ") {
			return fmt.Errorf("--%s (%s)%s", flag.Name, flag.Tag.Get("variable"), rest)
		}
	}
	return err
}

// check refuses what cannot be served, or not safely. It finds all that is wrong.
func (s *settings) check(hasKey bool) error {
	forward := s.Credentials == "forward"
	s.demo = !hasKey && !forward
	s.firstPage = upstream.FirstPageAuto
	if n, err := strconv.Atoi(s.UpstreamFirstPage); err == nil {
		s.firstPage = upstream.FirstPage(n)
	}
	var errs []error
	refuse := func(bad bool, flag, variable, format string, args ...any) {
		if bad {
			errs = append(errs, wrong(flag, variable, format, args...))
		}
	}
	host, err := hostOf("listen", "GATEWAY_LISTEN", s.Listen)
	listens := err == nil
	if !listens {
		errs = append(errs, err)
	}
	if s.MetricsListen != "" {
		if _, err := hostOf("metrics-listen", "GATEWAY_METRICS_LISTEN", s.MetricsListen); err != nil {
			errs = append(errs, err)
		}
	}
	s.host = host
	refuse(s.UpstreamPageSize < 20 || s.UpstreamPageSize > 1000, "upstream-page-size", "GATEWAY_UPSTREAM_PAGE_SIZE", "must be from 20 to 1000, and is %d", s.UpstreamPageSize)
	refuse(s.MaxPageSize < 1 || s.MaxPageSize > 1000, "max-page-size", "GATEWAY_MAX_PAGE_SIZE", "must be from 1 to 1000, and is %d", s.MaxPageSize)
	refuse(s.MaxShift < 1 || s.MaxShift > 1_000_000, "max-shift", "GATEWAY_MAX_SHIFT", "must be from 1 to 1000000, and is %d", s.MaxShift)
	if most := pagination.MostRequests(s.UpstreamPageSize, s.MaxShift, s.MaxPageSize); len(errs) == 0 {
		refuse(s.UpstreamRequests > 0 && most > s.UpstreamRequests, "max-shift", "GATEWAY_MAX_SHIFT",
			"of %d can take %d requests to Revox with pages of %d calls, and GATEWAY_UPSTREAM_MAX_REQUESTS allows %d: "+
				"lower the one, or raise the other", s.MaxShift, most, s.UpstreamPageSize, s.UpstreamRequests)
	}
	refuse(s.MaxScanPages < 1 || s.MaxScanPages > 10_000, "max-scan-pages", "GATEWAY_MAX_SCAN_PAGES", "must be from 1 to 10000, and is %d", s.MaxScanPages)
	refuse(s.MaxRequestBytes < 1<<10 || s.MaxRequestBytes > 16<<20, "max-request-bytes", "GATEWAY_MAX_REQUEST_BYTES", "must be from 1KiB to 16MiB, and is %d bytes", s.MaxRequestBytes)
	refuse(s.MaxTokens < 1 || s.MaxTokens > 100_000, "max-tokens", "GATEWAY_MAX_TOKENS", "must be from 1 to 100000, and is %d", s.MaxTokens)
	refuse(s.MaxDepth < 1 || s.MaxDepth > 100, "max-depth", "GATEWAY_MAX_DEPTH", "must be from 1 to 100, and is %d", s.MaxDepth)
	refuse(s.MaxAliases < 1 || s.MaxAliases > 1000, "max-aliases", "GATEWAY_MAX_ALIASES", "must be from 1 to 1000, and is %d", s.MaxAliases)
	refuse(s.MaxRootFields < 1 || s.MaxRootFields > 1000, "max-root-fields", "GATEWAY_MAX_ROOT_FIELDS", "must be from 1 to 1000, and is %d", s.MaxRootFields)
	refuse(s.MaxCost < 1 || s.MaxCost > 100_000_000, "max-cost", "GATEWAY_MAX_COST", "must be from 1 to 100000000, and is %d", s.MaxCost)
	refuse(s.MaxAnswerBytes < 1<<10 || s.MaxAnswerBytes > 4<<30, "max-answer-bytes", "GATEWAY_MAX_ANSWER_BYTES", "must be from 1KiB to 4GiB, and is %d bytes", s.MaxAnswerBytes)
	refuse(s.MemoryLimit != 0 && s.MemoryLimit < leastMemory, "memory-limit", "GATEWAY_MEMORY_LIMIT",
		"must be 128MiB or more, and is %d bytes", s.MemoryLimit)
	refuse(s.MaxConcurrent < 1 || s.MaxConcurrent > 100_000, "max-concurrent-requests", "GATEWAY_MAX_CONCURRENT_REQUESTS", "must be from 1 to 100000, and is %d", s.MaxConcurrent)
	room := s.connectionRoom()
	refuse(s.MaxConnections < 0, "max-connections", "GATEWAY_MAX_CONNECTIONS",
		"must not be negative, and is %d", s.MaxConnections)
	refuse(openFiles() > 0 && s.MaxConnections > max(room, openFiles()-s.reservedFiles()),
		"max-connections", "GATEWAY_MAX_CONNECTIONS", "is %d, and of the %d files that may be open %d are kept for Revox "+
			"and the rest: raise that limit (ulimit -n), or lower this",
		s.MaxConnections, openFiles(), s.reservedFiles())
	refuse(s.DrainDelay < 0 || s.DrainDelay > time.Hour, "drain-delay", "GATEWAY_DRAIN_DELAY", "must be from 0s to 1h, and is %v", s.DrainDelay)
	refuse(s.IdleTimeout < time.Second || s.IdleTimeout > 24*time.Hour, "idle-timeout", "GATEWAY_IDLE_TIMEOUT",
		"must be from 1s to 24h, and is %v", s.IdleTimeout)
	for i, name := range s.Hosts {
		s.Hosts[i] = strings.TrimSpace(name)
		err := middleware.CheckHost(s.Hosts[i])
		refuse(err != nil, "hosts", "GATEWAY_HOSTS", "%v; %q is none", err, name)
	}
	for i, origin := range s.CORSOrigins {
		s.CORSOrigins[i] = strings.TrimSpace(origin)
		err := middleware.CheckOrigin(s.CORSOrigins[i])
		refuse(err != nil, "cors-origins", "GATEWAY_CORS_ORIGINS", "%v; %q is none", err, origin)
	}
	refuse(s.UpstreamTimeout <= 0, "upstream-timeout", "GATEWAY_UPSTREAM_TIMEOUT", "must be more than 0, and is %v", s.UpstreamTimeout)
	refuse(s.UpstreamAttempt <= 0, "upstream-attempt-timeout", "GATEWAY_UPSTREAM_ATTEMPT_TIMEOUT", "must be more than 0, and is %v", s.UpstreamAttempt)
	refuse(s.UpstreamRequests < 1 || s.UpstreamRequests > 10_000, "upstream-max-requests", "GATEWAY_UPSTREAM_MAX_REQUESTS", "must be from 1 to 10000, and is %d", s.UpstreamRequests)
	refuse(s.UpstreamConcurrent < 1 || s.UpstreamConcurrent > 1000, "upstream-concurrency", "GATEWAY_UPSTREAM_CONCURRENCY", "must be from 1 to 1000, and is %d", s.UpstreamConcurrent)
	refuse(s.UpstreamQueue < 1 || s.UpstreamQueue > 100_000, "upstream-queue", "GATEWAY_UPSTREAM_QUEUE", "must be from 1 to 100000, and is %d", s.UpstreamQueue)
	refuse(s.CacheStale < 0, "cache-stale", "GATEWAY_CACHE_STALE", "must not be negative, and is %v", s.CacheStale)
	refuse(s.CacheRevalidate.Duration < 0, "cache-revalidate", "GATEWAY_CACHE_REVALIDATE",
		"must not be negative, and is %v", s.CacheRevalidate.Duration)
	refuse(s.CacheTTL < 0, "cache-ttl", "GATEWAY_CACHE_TTL", "must not be negative, and is %v", s.CacheTTL)
	refuse(s.DemoCallsPerMinute < 0 || s.DemoCallsPerMinute > 60_000, "demo-calls-per-minute", "GATEWAY_DEMO_CALLS_PER_MINUTE", "must be from 0 to 60000, and is %v", s.DemoCallsPerMinute)
	refuse(s.SlowRequest <= 0, "slow-request", "GATEWAY_SLOW_REQUEST", "must be more than 0, and is %v", s.SlowRequest)
	refuse(!(s.TraceSample >= 0 && s.TraceSample <= 1), "trace-sample", "GATEWAY_TRACE_SAMPLE", "must be from 0 to 1, and is %v", s.TraceSample)
	s.OTLPEndpoint = strings.TrimSuffix(s.OTLPEndpoint, "/")
	refuse(s.OTLPEndpoint != "" && !isAddress(s.OTLPEndpoint), "otlp-endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT", "must be an address like http://localhost:4318")
	refuse(s.OTLPTraces != "" && !isAddress(s.OTLPTraces), "otlp-traces-endpoint", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		"must be an address like http://localhost:4318/v1/traces")
	pprofHost, _, err := net.SplitHostPort(s.PprofListen)
	refuse(s.PprofListen != "" && (err != nil || !loopback(pprofHost)), "pprof-listen", "GATEWAY_PPROF_LISTEN",
		"must be host:port on this machine, like 127.0.0.1:6060, and is %q", s.PprofListen)
	refuse(s.demo && s.BaseURL != "", "base-url", "REVOX_BASE_URL", "needs a key: set REVOX_API_KEY, or --credentials=forward")
	refuse(forward && hasKey, "credentials", "GATEWAY_CREDENTIALS", "is forward, which does not use REVOX_API_KEY: unset one of them")
	refuse(forward && len(s.Tokens) > 0, "tokens", "GATEWAY_TOKENS", "go with --credentials=server only")
	refuse(forward && s.TokensFile != "", "tokens-file", "GATEWAY_TOKENS_FILE", "goes with --credentials=server only")
	var badToken error // one is enough
	for i, token := range s.Tokens {
		s.Tokens[i] = strings.TrimSpace(token)
		if err := auth.CheckToken(s.Tokens[i]); err != nil && badToken == nil {
			badToken = fmt.Errorf("number %d of them %w", i+1, err)
		}
	}
	refuse(badToken != nil, "tokens", "GATEWAY_TOKENS", "must be separated by single commas: %v", badToken)
	if s.TokensFile != "" && !forward {
		s.tokensFile, err = auth.NewTokensFile(s.TokensFile)
		refuse(err != nil, "tokens-file", "GATEWAY_TOKENS_FILE", "cannot be used: %v", err)
	}
	secured := len(s.Tokens) > 0 || s.TokensFile != "" || s.AllowAnonymous
	refuse(listens && hasKey && !forward && !loopback(host) && !secured, "listen", "GATEWAY_LISTEN",
		"is %s: anybody who reaches it could read your calls; set GATEWAY_TOKENS or GATEWAY_TOKENS_FILE, or GATEWAY_ALLOW_ANONYMOUS=true", s.Listen)
	base := s.BaseURL
	if base == "" {
		base = defaultBaseURL
	}
	s.baseURL, _ = url.Parse(base)
	refuse(!isAddress(base), "base-url", "REVOX_BASE_URL", "must be an address like %s", defaultBaseURL)
	return errors.Join(errs...)
}

// mostConnections is the default where files do not bound them: idle connections take some 20 kB each, so these take
// a fifth of the memory that deploy/ gives a gateway.
const mostConnections = 10_000

// reservedFiles is how many files are kept for all but clients: two for each request to Revox, as one that is looking a
// name up or being closed has two, and 64 for the log, the demo, metrics, profiles, traces and what Go needs.
func (s *settings) reservedFiles() int { return 2*s.UpstreamConcurrent + 64 }

// connectionRoom is how many connections clients may have by default. Where few files may be open, half are kept.
func (s *settings) connectionRoom() int {
	files := openFiles()
	if files == 0 {
		return mostConnections
	}
	return max(1, min(mostConnections, max(files-s.reservedFiles(), files/2)))
}

// isAddress reports whether a text is the address of a server, and holds no secret.
func isAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && u.User == nil && u.RawQuery == ""
}

// logger writes the log as it is set.
func (s *settings) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{}
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err == nil { // kong knows only these four
		options.Level = level
	}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// hostOf is the host part of an address to listen on, which a flag and its variable have set.
func hostOf(flag, variable, address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", wrong(flag, variable, "must be host:port, and is %q", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return "", wrong(flag, variable, "has no port from 0 to 65535: %q", address)
	}
	return host, nil
}

// loopback reports whether only this machine can reach the host. An empty host is every address.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func wrong(flag, variable, format string, args ...any) error {
	return fmt.Errorf("--%s (%s) "+format, append([]any{flag, variable}, args...)...)
}
