package gateway

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"revox-graphql/gateway/auth"
	"revox-graphql/gateway/config"
	"revox-graphql/gateway/export"
	"revox-graphql/gateway/telemetry"
	"revox-graphql/graph"
	"revox-graphql/graph/admission"
	"revox-graphql/graph/document"
	"revox-graphql/graph/pagination"
	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
	"revox-graphql/upstream/pagecache"
	"revox-graphql/upstream/rest"
)

// engine executes GraphQL: the upstream client, the page cache over it, and GraphQL over that.
type engine struct {
	graphQL   http.Handler
	client    *rest.Client
	admission *admission.Controller
	stop      func() // ends its background work
}

// refreshInterval is how long requests with `Cache-Control: no-cache` share the pages that were read for one of them.
const refreshInterval = time.Second

// maxWaiters is how many GraphQL requests may wait for upstream: a quarter of the requests in flight is left for those
// that cached pages serve. The upstream client's slots and queue bound the fetches.
func maxWaiters(s *config.Settings) int { return s.MaxConcurrentRequests - s.MaxConcurrentRequests/4 }

// scanConcurrency is how many pages may be read ahead at once for one credential: at most half of the requests that it
// may have in flight, so that those which clients wait for find a slot.
func scanConcurrency(s *config.Settings) int {
	slots := s.UpstreamConcurrency
	if s.Forward {
		slots /= 2
	}
	return min(s.ScanConcurrency, max(1, slots/2))
}

// newEngine wires the engine, and registers its metrics. Where walk is not nil, one client reads a list to its end.
func newEngine(
	s *config.Settings, traces *telemetry.Traces, registry *prometheus.Registry, budget *memory.Budget,
	walk *pagination.Walk, log *slog.Logger,
) (*engine, error) {
	forward := s.Forward
	telemetry.LogLibraries(log) // where net/http reports violations of HTTP by upstream
	observer := telemetry.NewUpstream(registry, s.UpstreamAttemptTimeout, log)
	clientOptions := rest.Options{
		BaseURL:        s.BaseURL,
		UserAgent:      "revox-graphql/" + strings.Trim(programVersion(), "()"), // parentheses would be a comment there
		StatusesFormat: rest.StatusesFormat(s.UpstreamStatuses),
		FirstPage:      s.FirstPage(),
		CheckStatuses:  true,
		AttemptTimeout: s.UpstreamAttemptTimeout,
		MaxConcurrent:  s.UpstreamConcurrency,
		MaxWaiting:     s.UpstreamQueue,
		Memory:         budget,
		Observer:       observer,
		Wrap:           traces.Transport,
	}
	cacheOptions := pagecache.Options{
		TTL: s.CacheTTL, Revalidate: s.CacheRevalidate, Stale: s.CacheStale, MaxBytes: s.CacheBytes,
		Patience: s.UpstreamAttemptTimeout, Timeout: s.UpstreamTimeout, MaxWaiters: maxWaiters(s), Memory: budget,
		Failing: func(tenant upstream.Tenant, err error) {
			if err != nil {
				log.Warn("upstream is failing: serving stale pages",
					"tenant", tenant.String(), "error", err)
			} else {
				log.Info("upstream responds again: serving fresh pages", "tenant", tenant.String())
			}
		},
	}
	if forward {
		clientOptions.MaxTenantConcurrent, clientOptions.AnyKey = max(1, s.UpstreamConcurrency/2), true
		cacheOptions.MaxTenantBytes = s.CacheTenantBytes
	}
	client := rest.NewClient(clientOptions)
	if forward {
		cacheOptions.Proven = client.Proven
	}
	cache := pagecache.New(client, cacheOptions)
	telemetry.RegisterCache(registry, cache.Stats)
	telemetry.RegisterClient(registry, client.Load)
	telemetry.RegisterMemory(registry, budget)
	stop := func() {
		cache.Close()
		client.Close()
	}
	// Bodies of a few kilobytes are not counted, so a quarter of the requests may have the largest body.
	control := admission.New(s.MaxConcurrentRequests, max(1, s.MaxConcurrentRequests/4)*s.MaxRequestBytes,
		writingBytes, budget)
	telemetry.RegisterAdmission(registry, control)
	graphQL, err := graph.NewHandler(graph.Options{
		Calls:               cache,
		Known:               cache,
		Cached:              s.CacheTTL > 0,
		ResponseCacheBytes:  s.ResponseBytes,
		MaxWaiters:          s.MaxConcurrentRequests,
		PageSize:            s.UpstreamPageSize,
		MaxCount:            s.MaxPageSize,
		MaxShift:            s.MaxShift,
		MaxScan:             s.MaxScanPages,
		ScanConcurrency:     scanConcurrency(s),
		Walk:                walk,
		Timeout:             s.UpstreamTimeout,
		MaxUpstreamRequests: s.UpstreamMaxRequests,
		NoCacheInterval:     refreshInterval,
		Authenticate: auth.New(auth.Options{
			Key: s.Key, Forward: forward, Tokens: s.Tokens, File: s.TokenList, Log: log,
		}),
		Realm:         auth.Realm(forward),
		Introspection: s.Introspection,
		Demo:          s.Demo,
		Log:           log,
		Limits: document.Limits{
			Tokens:     s.MaxTokens,
			Depth:      s.MaxDepth,
			Aliases:    s.MaxAliases,
			RootFields: s.MaxRootFields,
			Cost:       s.MaxCost,
		},
		MaxRequestBytes:  s.MaxRequestBytes,
		MaxResponseBytes: s.MaxResponseBytes,
		Admission:        control,
		Memory:           budget,
		PersistedBytes:   s.APQBytes,
		TrustedDocuments: s.TrustedDocuments,
	})
	if err != nil { // the manifest is the only thing that it reads
		stop()
		err = config.Wrong("trusted-documents", "cannot be used: %w", err)
		return nil, &export.UsageError{Err: err}
	}
	return &engine{graphQL, client, control, stop}, nil
}
