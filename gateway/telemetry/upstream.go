package telemetry

import (
	"log/slog"
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"

	"revox-graphql/internal/seldom"
	"revox-graphql/upstream"
	"revox-graphql/upstream/attempt"
)

// Upstream counts what a client of upstream reports. It implements [upstream.Observer].
type Upstream struct {
	log *slog.Logger

	attempts     *prometheus.HistogramVec
	retries      *prometheus.CounterVec
	replays      *prometheus.CounterVec
	rejected     *prometheus.CounterVec
	rateLimited  *prometheus.CounterVec
	firstPage    prometheus.Gauge
	pageSize     prometheus.Gauge
	statuses     *prometheus.GaugeVec
	unrecognized *prometheus.CounterVec

	labels *names[[2]string] // fields, and values of fields

	lowered *seldom.Log // lower request rates

	opened  *lru.Cache[upstream.Tenant, time.Time] // when circuit breakers last opened that have not closed since
	openFor time.Duration                          // how long one counts as open: without requests, nothing closes it

	mu     sync.Mutex
	logged map[string]bool // the events that are logged once and have been
}

// maxNames is how many unrecognized fields and values have labels of their own; the rest is counted as [other].
const maxNames = 100

// maxOpened bounds the circuit breakers that are counted: if the client forgets a tenant, it never reports that the
// tenant's circuit breaker has closed.
const maxOpened = 10_000

// NewUpstream registers the metrics of requests to Revox, each attempt of which may take so long.
func NewUpstream(registry prometheus.Registerer, attemptTimeout time.Duration, log *slog.Logger) *Upstream {
	m := newMetrics(registry)
	opened, _ := lru.New[upstream.Tenant, time.Time](maxOpened) // its one error is a size below 1
	u := &Upstream{
		log: log,
		attempts: m.histogram("upstream_request_duration_seconds",
			"Duration of requests to Revox, by their result; each retry is a request of its own.",
			[]string{"result"}, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30),
		retries: m.counter("upstream_retries_total",
			"Requests to Revox that repeat a failed one, by the reason of the failure.", "reason"),
		replays: m.counter("upstream_replays_total",
			"Requests to Revox that net/http sent again because an idle connection had died."),
		rejected: m.counter("upstream_rejected_total",
			"Requests to Revox that the gateway did not send, by the reason: Revox was known to fail, or too many waited.",
			"reason"),
		rateLimited: m.counter("upstream_rate_limited_total",
			"Times that the gateway lowered its request rate because Revox returned 429."),
		firstPage: m.gauge("upstream_first_page", "Number of Revox's first page, as last determined."),
		pageSize: m.gauge("upstream_page_size_limit",
			"Maximum number of calls that Revox serves per page, if it is less than the gateway asks for; else 0."),
		statuses: m.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Name: "upstream_statuses_applied",
			Help: "1 if Revox was found to apply a filter by several statuses, 0 if not.",
		}, nil),
		unrecognized: m.counter("upstream_unrecognized_total",
			"Pages from Revox that contain a field, or a value of a field, that the gateway does not know.", "field", "value"),
		labels:  newNames[[2]string](maxNames),
		lowered: seldom.New(log),
		opened:  opened,
		openFor: attempt.OpensAgainWithin(attemptTimeout),
		logged:  map[string]bool{},
	}
	m.readGauge("upstream_circuit_breakers_open", "Credentials for which Revox keeps failing: their circuit breaker "+
		"opened in the last minutes, and no request has closed it since.", u.breakersOpen)
	for _, kind := range []upstream.Kind{upstream.KindUnauthenticated, upstream.KindForbidden} {
		u.attempts.WithLabelValues(kind.String()) // 0 from the start, for the alert about rejected keys
	}
	return u
}

// first reports whether an event has not been logged before.
func (u *Upstream) first(what string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	first := !u.logged[what]
	u.logged[what] = true
	return first
}

// Attempted implements [upstream.Observer].
func (u *Upstream) Attempted(result string, took time.Duration) {
	u.attempts.WithLabelValues(result).Observe(took.Seconds())
}

// Retried implements [upstream.Observer].
func (u *Upstream) Retried(reason upstream.Kind) { u.retries.WithLabelValues(reason.String()).Inc() }

// Replayed implements [upstream.Observer].
func (u *Upstream) Replayed() { u.replays.WithLabelValues().Inc() }

// Refused implements [upstream.Observer].
func (u *Upstream) Refused(reason upstream.Kind) { u.rejected.WithLabelValues(reason.String()).Inc() }

// breakersOpen returns how many circuit breakers count as open.
func (u *Upstream) breakersOpen() (n int) {
	for _, at := range u.opened.Values() {
		if time.Since(at) < u.openFor {
			n++
		}
	}
	return n
}

// BreakerOpened implements [upstream.Observer]. A breaker opens again after each trial that fails; only the first
// opening of an outage is logged.
func (u *Upstream) BreakerOpened(tenant upstream.Tenant) {
	before, ok := u.opened.Peek(tenant)
	u.opened.Add(tenant, time.Now())
	if ok && time.Since(before) < u.openFor {
		return
	}
	u.log.Warn("circuit breaker opened: upstream keeps failing, and gets no requests for some seconds",
		"tenant", tenant.String())
}

// BreakerClosed implements [upstream.Observer].
func (u *Upstream) BreakerClosed(tenant upstream.Tenant) {
	u.opened.Remove(tenant)
	u.log.Info("circuit breaker closed: upstream responds again", "tenant", tenant.String())
}

// RateLowered implements [upstream.Observer].
func (u *Upstream) RateLowered(tenant upstream.Tenant, perSecond float64) {
	u.rateLimited.WithLabelValues().Inc()
	u.lowered.Warn("upstream returned 429: lowering the request rate",
		"tenant", tenant.String(), "requestsPerSecond", perSecond)
}

// FirstPage implements [upstream.Observer].
func (u *Upstream) FirstPage(_ upstream.Tenant, number int) {
	u.firstPage.Set(float64(number))
	if u.first("first page " + strconv.Itoa(number)) {
		u.log.Info("determined the number of upstream's first page", "number", number)
	}
}

// PageSize implements [upstream.Observer].
func (u *Upstream) PageSize(_ upstream.Tenant, rows int) {
	u.pageSize.Set(float64(rows))
	if rows > 0 && u.first("page size "+strconv.Itoa(rows)) {
		u.log.Warn("upstream serves fewer calls per page than requested: the gateway adapts", "rows", rows)
	}
}

// StatusesChecked implements [upstream.Observer].
func (u *Upstream) StatusesChecked(_ upstream.Tenant, applied bool) {
	if applied {
		u.statuses.WithLabelValues().Set(1)
		return
	}
	u.statuses.WithLabelValues().Set(0)
	if u.first("statuses") {
		u.log.Warn("upstream does not filter by several statuses in this format: set GATEWAY_UPSTREAM_STATUSES_FORMAT")
	}
}

// Unrecognized implements [upstream.Observer].
func (u *Upstream) Unrecognized(field, value string) {
	ok, first := u.labels.admit([2]string{field, value})
	if !ok {
		field, value = other, ""
	} else if first {
		u.log.Warn("upstream sent an unrecognized field or value: clients find it in `extra`",
			"field", field, "value", value)
	}
	u.unrecognized.WithLabelValues(field, value).Inc()
}
