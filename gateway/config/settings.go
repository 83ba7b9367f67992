// Package config reads the settings. One table has for each setting its flag, environment variable, default, bounds and
// help. `--help` and the table in docs/configuration.md are generated from its rows.
//
// [Register] declares the flags, and [Load] reads the settings from the flags and the environment. To add a setting,
// add a field to [Settings] and a row to its method rows, then run `go generate ./gateway/config`. Package gateway
// passes the fields on (engine.go, routes.go, run.go).
//
// settings.go has the table, values.go the kinds of values and their bounds, load.go the order of precedence, and
// check.go the rules between several settings.
package config

//go:generate go run revox-graphql/docs/tables

import (
	"math"
	"net/url"
	"time"

	"revox-graphql/gateway/auth"
	"revox-graphql/internal/middleware"
)

// Settings are the values of all settings. A flag takes precedence over its environment variable, and the variable over
// the default.
type Settings struct {
	APIKeyFile             string
	Listen                 string // host:port
	BaseURL                *url.URL
	Credentials            string // server or forward
	Tokens                 []string
	TokensFile             string
	AllowAnonymous         bool
	UpstreamPageSize       int // calls
	UpstreamFirstPage      string
	UpstreamStatuses       string
	UpstreamTimeout        time.Duration
	UpstreamAttemptTimeout time.Duration
	UpstreamMaxRequests    int
	UpstreamConcurrency    int
	UpstreamQueue          int
	CacheTTL               time.Duration
	CacheRevalidate        time.Duration
	CacheStale             time.Duration
	CacheBytes             int
	CacheTenantBytes       int
	ResponseBytes          int // the setting's name, GATEWAY_ANSWER_BYTES, is older than the word
	MaxPageSize            int // calls
	MaxShift               int // calls
	MaxScanPages           int
	ScanConcurrency        int
	MaxRequestBytes        int
	MaxTokens              int
	MaxDepth               int
	MaxAliases             int
	MaxRootFields          int
	MaxCost                int
	MaxResponseBytes       int // GATEWAY_MAX_ANSWER_BYTES
	APQBytes               int
	TrustedDocuments       string
	Hosts                  []string
	CORSOrigins            []string
	MemoryLimit            int // bytes; 0 if unset
	MaxConcurrentRequests  int
	MaxConnections         int // 0 if unset, see [Settings.Connections]
	DrainDelay             time.Duration
	IdleTimeout            time.Duration
	Introspection          bool
	LogFormat              string
	LogLevel               string
	LogRequests            bool
	SlowRequest            time.Duration
	OTLPEndpoint           string
	OTLPTracesEndpoint     string
	TraceSample            float64
	MetricsListen          string
	PprofListen            string
	DemoCallsPerMinute     float64

	Derived
}

// Derived are values that [Load] derives from the settings.
type Derived struct {
	// Key is REVOX_API_KEY, or the key in the file APIKeyFile. REVOX_API_KEY has no flag, because other users of the
	// machine can read a command line.
	Key auth.Key
	// Demo is true if there is neither a key nor forwarding.
	Demo bool
	// Forward is true if each client's own key goes upstream.
	Forward bool
	// TokenList is the file of tokens; nil if there is none.
	TokenList *auth.TokensFile
	// Host is the host of the address to listen on; "" means every address.
	Host string
}

// row is one setting.
type row struct {
	flag     string
	variable string
	// fallback is the default. If it is empty, the setting may be unset, and the text unset says what then applies.
	fallback string
	unset    string
	// query is true if the command `query` has the setting too. It has those about Revox, pagination and limits, and not
	// those about clients.
	query bool
	value value
	// help is Markdown, for `--help` and docs/configuration.md; details appear in docs/configuration.md only.
	help, details string
}

const (
	defaultBaseURL = "https://www.getrevox.com/api"
	// leastMemory is the smallest memory limit of the process, in bytes. An idle process takes about 30 MiB.
	leastMemory = 128 << 20
	day         = 24 * time.Hour
	forever     = time.Duration(math.MaxInt64)
)

// rows is the table, in the order in which the documentation lists the settings.
func (s *Settings) rows() []row {
	return []row{
		{
			flag: "api-key-file", variable: "REVOX_API_KEY_FILE", query: true, value: file(&s.APIKeyFile),
			help: "File that holds the key, in place of `REVOX_API_KEY`. The gateway rereads it when it changes.",
			details: "A change takes effect within a second. If the new content is invalid, the previous key stays in " +
				"force, and the log says so.",
		},
		{
			flag: "base-url", variable: "REVOX_BASE_URL", unset: defaultBaseURL, query: true, value: baseURL(&s.BaseURL),
			help: "Address of the Revox API, without `/call`. Requires a key, or `--credentials=forward`.",
		},
		{
			flag: "listen", variable: "GATEWAY_LISTEN", fallback: "127.0.0.1:8080", value: address(&s.Listen),
			help: "Address to listen on. Port 0 picks a free port; the log reports it.",
		},
		{
			flag: "credentials", variable: "GATEWAY_CREDENTIALS", fallback: "server",
			value:   choice(&s.Credentials, "server", "forward"),
			help:    "Whose key goes to Revox: the gateway's own (`server`), or the bearer token of each request (`forward`).",
			details: "With `forward`, no cached byte crosses from one credential to another.",
		},
		{
			flag: "tokens", variable: "GATEWAY_TOKENS", value: tokens(&s.Tokens),
			help: "Bearer tokens that clients must present, separated by commas. Only with `--credentials=server`.",
		},
		{
			flag: "tokens-file", variable: "GATEWAY_TOKENS_FILE", value: file(&s.TokensFile),
			help: "File of such tokens, one per line. Lines that begin with `#` are comments. The gateway rereads the file " +
				"when it changes.",
			details: "A change takes effect within a second. If the new content is invalid, the previous tokens stay in " +
				"force, and the log says so.",
		},
		{
			flag: "allow-anonymous", variable: "GATEWAY_ALLOW_ANONYMOUS", fallback: "false", value: boolean(&s.AllowAnonymous),
			help: "Serve your calls beyond this machine without tokens.",
			details: "With a key and without tokens, the gateway refuses to listen beyond this machine unless this is " +
				"`true`.",
		},
		{
			flag: "upstream-page-size", variable: "GATEWAY_UPSTREAM_PAGE_SIZE", fallback: "200", query: true,
			value: number(&s.UpstreamPageSize, 20, 1000),
			help:  "Maximum number of calls that one request to Revox asks for.",
		},
		{
			flag: "upstream-first-page", variable: "GATEWAY_UPSTREAM_FIRST_PAGE", fallback: "auto", query: true,
			value: choice(&s.UpstreamFirstPage, "auto", "0", "1"),
			help:  "Number of Revox's first page. `auto` determines it at first use.",
		},
		{
			flag: "upstream-statuses-format", variable: "GATEWAY_UPSTREAM_STATUSES_FORMAT", fallback: "comma", query: true,
			value: choice(&s.UpstreamStatuses, "comma", "repeat", "brackets"),
			help: "How to send `statuses` to Revox: `comma` (`a,b`), `repeat` (`statuses=a&statuses=b`) or `brackets` " +
				"(`statuses[]=a&statuses[]=b`).",
		},
		{
			flag: "upstream-timeout", variable: "GATEWAY_UPSTREAM_TIMEOUT", fallback: "30s", query: true,
			value: duration(&s.UpstreamTimeout, 1, forever),
			help:  "How long one GraphQL request may wait for Revox, retries included.",
		},
		{
			flag: "upstream-attempt-timeout", variable: "GATEWAY_UPSTREAM_ATTEMPT_TIMEOUT", fallback: "10s", query: true,
			value: duration(&s.UpstreamAttemptTimeout, 1, forever),
			help:  "How long one request to Revox may take before the gateway cancels it and may retry it.",
		},
		{
			flag: "upstream-max-requests", variable: "GATEWAY_UPSTREAM_MAX_REQUESTS", fallback: "150", query: true,
			value: number(&s.UpstreamMaxRequests, 1, 10_000),
			help:  "Request budget: how many requests to Revox one GraphQL request may cause, retries included.",
		},
		{
			flag: "upstream-concurrency", variable: "GATEWAY_UPSTREAM_CONCURRENCY", fallback: "32", query: true,
			value: number(&s.UpstreamConcurrency, 1, 1000),
			help:  "Concurrency limit: how many requests to Revox may be in flight.",
			details: "With forwarding, one credential may use half of them, and all credentials that Revox has not accepted " +
				"yet an eighth together. Revalidation of cached pages may use a quarter.",
		},
		{
			flag: "upstream-queue", variable: "GATEWAY_UPSTREAM_QUEUE", fallback: "256", query: true,
			value: number(&s.UpstreamQueue, 1, 100_000),
			help:  "How many requests to Revox may wait for a slot.",
			details: "With forwarding, credentials take turns. Up to three quarters of `GATEWAY_MAX_CONCURRENT_REQUESTS` " +
				"may wait for Revox, and half of those for one page; cached pages are served meanwhile.",
		},
		{
			flag: "cache-ttl", variable: "GATEWAY_CACHE_TTL", fallback: "15s", query: true,
			value: duration(&s.CacheTTL, 0, forever),
			help:  "How long a page from Revox is fresh. 0 turns the page cache off.",
		},
		{
			flag: "cache-revalidate", variable: "GATEWAY_CACHE_REVALIDATE", unset: "the TTL", query: true,
			value: duration(&s.CacheRevalidate, 0, forever),
			help: "How long after `--cache-ttl` the gateway may still serve a page while it revalidates the page in the " +
				"background.",
			details: "While Revox is available, no response shows data older than the two together. The `Age` header of " +
				"each response gives the age of its oldest page in seconds.",
		},
		{
			flag: "cache-stale", variable: "GATEWAY_CACHE_STALE", fallback: "5m", query: true,
			value: duration(&s.CacheStale, 0, forever),
			help: "How long after `--cache-ttl` the gateway may still serve a page while Revox fails. The response " +
				"then gives its age in `extensions.stale`.",
		},
		{
			flag: "cache-bytes", variable: "GATEWAY_CACHE_BYTES", fallback: "256MiB", value: size(&s.CacheBytes, 0, mostBytes),
			help: "Memory for the page cache.",
		},
		{
			flag: "cache-tenant-bytes", variable: "GATEWAY_CACHE_TENANT_BYTES", fallback: "64MiB",
			value: size(&s.CacheTenantBytes, 0, mostBytes),
			help:  "With `--credentials=forward`: maximum share of that memory for the pages of one credential.",
		},
		{
			flag: "answer-bytes", variable: "GATEWAY_ANSWER_BYTES", fallback: "64MiB",
			value: size(&s.ResponseBytes, 0, mostBytes),
			help: "Memory for the response cache. A cached response is never older than the pages that it came from. " +
				"0 turns the response cache off.",
		},
		{
			flag: "max-page-size", variable: "GATEWAY_MAX_PAGE_SIZE", fallback: "100", query: true,
			value: number(&s.MaxPageSize, 1, 1000),
			help:  "Maximum `first` or `last` of a connection.",
		},
		{
			flag: "max-shift", variable: "GATEWAY_MAX_SHIFT", fallback: "1000", query: true,
			value: number(&s.MaxShift, 1, 1_000_000),
			help:  "How many positions a call may have moved in the list since its cursor was made, before the cursor expires.",
		},
		{
			flag: "max-scan-pages", variable: "GATEWAY_MAX_SCAN_PAGES", fallback: "20", query: true,
			value: number(&s.MaxScanPages, 1, 10_000),
			help:  "How many pages a look-up by id, or a scan for a filter, may read.",
		},
		{
			flag: "scan-concurrency", variable: "GATEWAY_SCAN_CONCURRENCY", fallback: "4", query: true,
			value: number(&s.ScanConcurrency, 1, 100),
			help: "How many pages the gateway may read ahead at once for one credential: for exports, look-ups by id, scans " +
				"for a filter, and windows larger than a page. 1 reads one page after another.",
			details: "The gateway begins with two pages at once, adapts to the speed of Revox, and uses at most half of the " +
				"requests that a credential may have in flight.",
		},
		{
			flag: "max-request-bytes", variable: "GATEWAY_MAX_REQUEST_BYTES", fallback: "256KiB", query: true,
			value: size(&s.MaxRequestBytes, 1<<10, 16<<20),
			help:  "Maximum size of one GraphQL request.",
		},
		{
			flag: "max-tokens", variable: "GATEWAY_MAX_TOKENS", fallback: "1000", query: true,
			value: number(&s.MaxTokens, 1, 100_000),
			help: "Maximum number of tokens in a document, without comments; also the maximum number of its fields, with " +
				"fragments expanded.",
		},
		{
			flag: "max-depth", variable: "GATEWAY_MAX_DEPTH", fallback: "16", query: true, value: number(&s.MaxDepth, 1, 100),
			help: "Maximum nesting depth of fields. GraphiQL's introspection query has a depth of 15.",
		},
		{
			flag: "max-aliases", variable: "GATEWAY_MAX_ALIASES", fallback: "30", query: true,
			value: number(&s.MaxAliases, 1, 1000),
			help:  "Maximum number of aliases in one operation, with its fragments expanded.",
		},
		{
			flag: "max-root-fields", variable: "GATEWAY_MAX_ROOT_FIELDS", fallback: "10", query: true,
			value: number(&s.MaxRootFields, 1, 1000),
			help:  "Maximum number of fields of `Query` in one operation.",
		},
		{
			flag: "max-cost", variable: "GATEWAY_MAX_COST", fallback: "5000", query: true,
			value: number(&s.MaxCost, 1, 100_000_000),
			help: "Maximum cost of one GraphQL request: 1 for each call, 10 for its transcript, 20 for each total and " +
				"each look-up by id.",
		},
		{
			flag: "max-answer-bytes", variable: "GATEWAY_MAX_ANSWER_BYTES", fallback: "64MiB", query: true,
			value: size(&s.MaxResponseBytes, 1<<10, 4<<30),
			help: "Maximum size of a response with calls. A field that exceeds it (`calls`, `call`, `node`, an element of " +
				"`nodes`) is null, with an error.",
			details: "The bytes of `callStats` and introspection are bounded by the number of groups, and by the cost.",
		},
		{
			flag: "apq-bytes", variable: "GATEWAY_APQ_BYTES", fallback: "16MiB", value: size(&s.APQBytes, 0, mostBytes),
			help: "Memory for automatic persisted queries. 0 turns them off.",
		},
		{
			flag: "trusted-documents", variable: "GATEWAY_TRUSTED_DOCUMENTS", value: file(&s.TrustedDocuments),
			help: "Manifest of persisted operations, by Apollo, graphql-codegen or Relay. If set, nothing else runs.",
		},
		{
			flag: "hosts", variable: "GATEWAY_HOSTS", value: list(&s.Hosts, middleware.CheckHost),
			help:    "Further names of this gateway in the `Host` header, separated by commas.",
			details: "On loopback, the gateway rejects all other names. Beyond loopback, it does so once this is set.",
		},
		{
			flag: "cors-origins", variable: "GATEWAY_CORS_ORIGINS", value: list(&s.CORSOrigins, middleware.CheckOrigin),
			help: "Origins whose pages may read responses, separated by commas, for example `https://app.example.com`.",
		},
		{
			flag: "memory-limit", variable: "GATEWAY_MEMORY_LIMIT", unset: "the system's",
			value: zeroOr(size(&s.MemoryLimit, leastMemory, mostBytes)),
			help: "Maximum memory of the process. Unset, the limit is `GOMEMLIMIT`, or else 65 % of the control group's " +
				"limit (a container, a systemd unit); without either, there is none.",
			details: "To make room for requests, the gateway drops cached responses, then cached pages, and then rejects " +
				"requests with 503 and `OVERLOADED`: large ones beyond half of the limit, small ones later. " +
				"Go's garbage collector observes the limit too.",
		},
		{
			flag: "max-concurrent-requests", variable: "GATEWAY_MAX_CONCURRENT_REQUESTS", fallback: "1024",
			value: number(&s.MaxConcurrentRequests, 1, 100_000),
			help: "Concurrency limit: how many GraphQL requests may be in flight. The gateway rejects others with 503 and " +
				"`OVERLOADED`.",
		},
		{
			flag: "max-connections", variable: "GATEWAY_MAX_CONNECTIONS", unset: "by the limit of open files",
			value: number(&s.MaxConnections, 0, math.MaxInt),
			help: "How many connections clients may have. A new connection then replaces the one that has been idle " +
				"longest. Unset, the limit of open files (`ulimit -n`) decides, up to 10000.",
			details: "Of the open files, 64 and two for each of `GATEWAY_UPSTREAM_CONCURRENCY` are reserved.",
		},
		{
			flag: "drain-delay", variable: "GATEWAY_DRAIN_DELAY", fallback: "0s", value: duration(&s.DrainDelay, 0, time.Hour),
			help: "How long to accept requests after the signal to stop, while `/readyz` already returns 503.",
		},
		{
			flag: "idle-timeout", variable: "GATEWAY_IDLE_TIMEOUT", fallback: "620s",
			value: duration(&s.IdleTimeout, time.Second, day),
			help: "How long a connection may be idle between two requests. Make it longer than the idle timeout of the " +
				"load balancer in front.",
			details: "Otherwise the balancer sends requests on connections that the gateway is closing. AWS keeps idle " +
				"connections for 60 s, Google for 600 s.",
		},
		{
			flag: "introspection", variable: "GATEWAY_INTROSPECTION", fallback: "true", value: boolean(&s.Introspection),
			help:    "Let clients read the schema by queries. GraphiQL requires it.",
			details: "With `false`, errors suggest no names either.",
		},
		{
			flag: "log-format", variable: "GATEWAY_LOG_FORMAT", fallback: "text", value: choice(&s.LogFormat, "text", "json"),
			help: "Format of the log on standard error.",
		},
		{
			flag: "log-level", variable: "GATEWAY_LOG_LEVEL", fallback: "info",
			value: choice(&s.LogLevel, "debug", "info", "warn", "error"),
			help:  "Lowest level to log: `debug`, `info` (requests too), `warn` (slow requests and failures) or `error`.",
		},
		{
			flag: "log-requests", variable: "GATEWAY_LOG_REQUESTS", fallback: "true", value: boolean(&s.LogRequests),
			help: "Log a line for each GraphQL request. With `false`, only slow requests have one.",
		},
		{
			flag: "slow-request", variable: "GATEWAY_SLOW_REQUEST", fallback: "1s", value: duration(&s.SlowRequest, 1, forever),
			help: "Duration from which a GraphQL request is logged as slow.",
		},
		{
			flag: "otlp-endpoint", variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
			value: endpoint(&s.OTLPEndpoint, "http://localhost:4318"),
			help: "OpenTelemetry collector for traces, by OTLP over HTTP, for example `http://localhost:4318`. Unset, " +
				"nothing is traced, unless `OTEL_TRACES_EXPORTER` is `otlp`.",
		},
		{
			flag: "otlp-traces-endpoint", variable: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
			value: endpoint(&s.OTLPTracesEndpoint, "http://localhost:4318/v1/traces"),
			help:  "The same for traces alone, with the path, for example `http://localhost:4318/v1/traces`.",
		},
		{
			flag: "trace-sample", variable: "GATEWAY_TRACE_SAMPLE", fallback: "1", value: fraction(&s.TraceSample, 0, 1),
			help: "Fraction of requests to trace, where the client's `traceparent` does not decide and " +
				"`OTEL_TRACES_SAMPLER` is unset.",
		},
		{
			flag: "metrics-listen", variable: "GATEWAY_METRICS_LISTEN", value: address(&s.MetricsListen),
			help: "Separate address for `/metrics`, for example `:9090`. Unset, `--listen` serves them, to one reader at a " +
				"time.",
			details: "Other readers then get 503.",
		},
		{
			flag: "pprof-listen", variable: "GATEWAY_PPROF_LISTEN", value: loopbackAddress(&s.PprofListen),
			help: "Address on this machine at which to serve `/debug/pprof/`, for example `127.0.0.1:6060`.",
		},
		{
			flag: "demo-calls-per-minute", variable: "GATEWAY_DEMO_CALLS_PER_MINUTE", fallback: "6", query: true,
			value: fraction(&s.DemoCallsPerMinute, 0, 60_000),
			help:  "How many calls per minute arrive at the demo upstream. 0 stops them.",
		},
	}
}
