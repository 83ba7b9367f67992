// Package telemetry counts for Prometheus what the gateway does, and logs once what its operator should know.
//
// All label sets are bounded: what comes from outside (names and values that the gateway does not know) is counted
// under its own name only so many times, and no label holds a tenant.
package telemetry

import (
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"revox-graphql/upstream"
)

// namespace begins the name of every metric.
const namespace = "revox_graphql"

// Upstream counts what a client of upstream meets. It implements [upstream.Observer].
type Upstream struct {
	log *slog.Logger

	attempts     *prometheus.HistogramVec
	retries      *prometheus.CounterVec
	replays      prometheus.Counter
	refused      *prometheus.CounterVec
	open         prometheus.Gauge
	paced        prometheus.Counter
	firstPage    prometheus.Gauge
	pageSize     prometheus.Gauge
	statuses     *prometheus.GaugeVec
	unrecognized *prometheus.CounterVec

	strangers *names[[2]string] // fields, and values of fields

	mu     sync.Mutex
	told   map[string]bool          // what has been logged
	opened map[upstream.Tenant]bool // whose circuit breaker has opened and not closed since
}

// maxNames is how many names and values that the gateway does not know are told apart; the rest is counted as "other".
const maxNames = 100

// NewUpstream registers its metrics.
func NewUpstream(registry prometheus.Registerer, log *slog.Logger) *Upstream {
	options := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: namespace, Subsystem: "upstream", Name: name, Help: help}
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(options(name, help)), labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts(options(name, help)))
	}
	u := &Upstream{
		log: log,
		attempts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "upstream", Name: "request_duration_seconds",
			Help:    "Time that requests to Revox took, by what came of them; retries are requests of their own.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"outcome"}),
		retries:      counter("retries_total", "Requests to Revox that repeat a failed one, by how that failed.", "because"),
		replays:      counter("replays_total", "Requests to Revox that were sent again because an idle connection had died.").WithLabelValues(),
		refused:      counter("refused_total", "Requests to Revox that were not made, because it was known not to answer or too many waited.", "because"),
		open:         gauge("breakers_open", "Credentials with which Revox is not asked at present, after failures in a row."),
		paced:        counter("paced_total", "Times that the rate of requests was lowered because Revox answered 429.").WithLabelValues(),
		firstPage:    gauge("first_page", "The number of Revox's first page, as found out last."),
		pageSize:     gauge("page_size_limit", "The most calls that Revox serves a page, if that is less than it is asked for; else 0."),
		statuses:     prometheus.NewGaugeVec(prometheus.GaugeOpts(options("statuses_applied", "1 if Revox was found to apply a filter by several statuses, 0 if not.")), nil),
		unrecognized: counter("unrecognized_total", "Pages from Revox with a field, or a value of a field, that the gateway does not know.", "field", "value"),
		strangers:    newNames[[2]string](maxNames),
		told:         map[string]bool{},
		opened:       map[upstream.Tenant]bool{},
	}
	registry.MustRegister(u.attempts, u.retries, u.replays, u.refused, u.open, u.paced, u.firstPage, u.pageSize, u.statuses, u.unrecognized)
	return u
}

// once reports whether something is told for the first time.
func (u *Upstream) once(what string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	first := !u.told[what]
	u.told[what] = true
	return first
}

// Attempted implements [upstream.Observer].
func (u *Upstream) Attempted(outcome string, took time.Duration) {
	u.attempts.WithLabelValues(outcome).Observe(took.Seconds())
}

// Retried implements [upstream.Observer].
func (u *Upstream) Retried(reason upstream.Kind) { u.retries.WithLabelValues(reason.String()).Inc() }

// Replayed implements [upstream.Observer].
func (u *Upstream) Replayed() { u.replays.Inc() }

// Refused implements [upstream.Observer].
func (u *Upstream) Refused(reason upstream.Kind) { u.refused.WithLabelValues(reason.String()).Inc() }

// maxOpened bounds the breakers that are told apart: a tenant that the client forgets never closes its own.
const maxOpened = 10_000

// BreakerOpened implements [upstream.Observer]. A breaker that stays open opens anew after each attempt that was to close it.
func (u *Upstream) BreakerOpened(tenant upstream.Tenant) {
	u.mu.Lock()
	if len(u.opened) < maxOpened {
		u.opened[tenant] = true
	}
	u.open.Set(float64(len(u.opened)))
	u.mu.Unlock()
	u.log.Warn("upstream keeps failing: it is not asked for some seconds", "tenant", tenant.String())
}

// BreakerClosed implements [upstream.Observer].
func (u *Upstream) BreakerClosed(tenant upstream.Tenant) {
	u.mu.Lock()
	delete(u.opened, tenant)
	u.open.Set(float64(len(u.opened)))
	u.mu.Unlock()
	u.log.Info("upstream answers again", "tenant", tenant.String())
}

// RateLowered implements [upstream.Observer].
func (u *Upstream) RateLowered(tenant upstream.Tenant, perSecond float64) {
	u.paced.Inc()
	u.log.Warn("upstream said that it is asked too often: asking less often", "tenant", tenant.String(), "perSecond", perSecond)
}

// FirstPage implements [upstream.Observer].
func (u *Upstream) FirstPage(_ upstream.Tenant, number int) {
	u.firstPage.Set(float64(number))
	if u.once("first page " + strconv.Itoa(number)) {
		u.log.Info("found out the number of upstream's first page", "number", number)
	}
}

// PageSize implements [upstream.Observer].
func (u *Upstream) PageSize(_ upstream.Tenant, rows int) {
	u.pageSize.Set(float64(rows))
	if u.once("page size " + strconv.Itoa(rows)) {
		u.log.Warn("upstream lowers page_size silently: it is noticed, and nothing is lost", "rows", rows)
	}
}

// StatusesChecked implements [upstream.Observer].
func (u *Upstream) StatusesChecked(_ upstream.Tenant, applied bool) {
	if applied {
		u.statuses.WithLabelValues().Set(1)
		return
	}
	u.statuses.WithLabelValues().Set(0)
	if u.once("statuses") {
		u.log.Warn("upstream does not filter by several statuses as they are sent: set GATEWAY_UPSTREAM_STATUSES_FORMAT")
	}
}

// Unrecognized implements [upstream.Observer].
func (u *Upstream) Unrecognized(field, value string) {
	ok, first := u.strangers.admit([2]string{field, value})
	if !ok {
		field, value = "other", ""
	} else if first {
		u.log.Warn("upstream sent what this gateway does not know; clients find it in `extra`", "field", field, "value", value)
	}
	u.unrecognized.WithLabelValues(field, value).Inc()
}

// RegisterClient registers how much of an upstream client is under way.
func RegisterClient(registry prometheus.Registerer, load func() (underWay, waiting int)) {
	gauge := func(name, help string, value func() int) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "upstream", Name: name, Help: help,
		}, func() float64 { return float64(value()) }))
	}
	gauge("requests_in_flight", "Requests to Revox under way.", func() int { n, _ := load(); return n })
	gauge("requests_waiting", "Requests to Revox that wait for others to end.", func() int { _, n := load(); return n })
}

// RegisterBuild registers the version of the program.
func RegisterBuild(registry prometheus.Registerer, version string) {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "1, with the version of the gateway.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	registry.MustRegister(build)
}
