package telemetry

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"revox-graphql/graph"
	"revox-graphql/internal/errcode"
)

// Requests counts GraphQL requests, writes a line about each to the log, and tells its trace.
type Requests struct {
	log      *slog.Logger
	slow     time.Duration
	onlySlow bool

	total      *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	answers    *prometheus.CounterVec
	limits     *prometheus.CounterVec
	bytes      prometheus.Counter
	cost       prometheus.Histogram
	upstream   prometheus.Histogram
	drift      prometheus.Histogram
	operations *names[string]
}

const (
	// maxOperations is how many operations are told apart by name; the rest are counted as "(other)".
	maxOperations = 100
	// maxOperationName is the longest name, in bytes, that is told apart.
	maxOperationName = 100
)

// Labels of operations that are not named, or not told apart. No operation can have such a name.
const (
	anonymous = "(anonymous)"
	other     = "(other)"
	none      = "(none)" // the request was refused before its operation was known
)

// codeOK is what a request has come to where it has no error.
const codeOK = "OK"

// RequestOptions are about GraphQL requests.
type RequestOptions struct {
	// Log gets a line for each request, at the level INFO, and for one that takes Slow or longer at WARN. With
	// OnlySlow the others have none.
	Log      *slog.Logger
	Slow     time.Duration
	OnlySlow bool
	// Inside is how many requests have been read and are not yet being answered, and Shed how many were refused because
	// too many were.
	Inside func() int
	Shed   func() uint64
	// Headers is how many connections were ended because too much of headers was on its way in.
	Headers func() uint64
}

// NewRequests registers its metrics.
func NewRequests(registry prometheus.Registerer, opts RequestOptions) *Requests {
	histogram := func(name, help string, buckets ...float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	q := &Requests{
		log:        opts.Log,
		slow:       opts.Slow,
		onlySlow:   opts.OnlySlow,
		operations: newNames[string](maxOperations),
		total: counter(
			"requests_total",
			"GraphQL requests, by the name of the operation and the code of the first error.",
			"operation",
			"code",
		),
		duration: prometheus.NewHistogramVec(
			histogram("request_duration_seconds", "Time that GraphQL requests took, until their answer was there to be written.",
				.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30),
			[]string{"operation"},
		),
		answers: counter(
			"answers_total",
			"Operations answered: executed, executed with stale pages, or with a remembered answer.",
			"as",
		),
		limits: counter("limited_total", "GraphQL requests beyond a limit, by its name.", "limit"),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "answer_bytes_total", Help: "Bytes of the bodies of answers, as sent.",
		}),
		cost: prometheus.NewHistogram(histogram("request_cost", "Cost of operations, those refused for it included.",
			1, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)),
		upstream: prometheus.NewHistogram(
			histogram("request_upstream_requests", "Requests to Revox that one executed operation caused.",
				0, 1, 2, 3, 5, 10, 20, 50, 100),
		),
		drift: prometheus.NewHistogram(
			histogram("walk_drift_rows", "Rows by which a cursor's call had moved, either way, since the cursor was made.",
				0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000),
		),
	}
	registry.MustRegister(q.total, q.duration, q.answers, q.limits, q.bytes, q.cost, q.upstream, q.drift,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace,
			Name:      "requests_in_flight",
			Help:      "GraphQL requests that have been read and are not yet being answered.",
		}, func() float64 { return float64(opts.Inside()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "requests_shed_total",
			Help:      "GraphQL requests that were refused because too many were under way.",
		}, func() float64 { return float64(opts.Shed()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: namespace, Name: "headers_refused_total",
			Help: "Connections that were ended because too many bytes of headers were on their way in.",
		}, func() float64 { return float64(opts.Headers()) }),
	)
	return q
}

// Wrap observes a handler of GraphQL requests. Preflights are none.
func (q *Requests) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		start := time.Now()
		ctx, report := graph.WithReport(r.Context())
		written := &recorder{ResponseWriter: w}
		next.ServeHTTP(written, r.WithContext(ctx))
		o := &outcome{Report: report, written: written, code: written.code(report), took: time.Since(start)}
		if o.made = o.took; written.status != 0 {
			o.made = written.began.Sub(start)
		}
		if report.Unsent {
			written.status = statusUnsent
		}
		q.answered(ctx, r, o)
	})
}

// outcome is what is told of a request.
type outcome struct {
	*graph.Report
	written *recorder
	code    string
	took    time.Duration
	made    time.Duration // until the answer began to be written: what comes after is for the client to decide
}

// statusUnsent is told of answers that did not arrive as a whole. nginx and Caddy log it where the client has left.
const statusUnsent = 499

// how says in a word where an answer to an operation came from; "" if there is none.
func (o *outcome) how() string {
	switch {
	case o.Cached:
		return "remembered"
	case o.Stale > 0:
		return "stale"
	case o.Executed:
		return "executed"
	}
	return ""
}

func (q *Requests) answered(ctx context.Context, r *http.Request, o *outcome) {
	operation := q.count(o)
	span := trace.SpanFromContext(ctx)
	if span.IsRecording() {
		describe(span, operation, o)
	}
	level, message := slog.LevelInfo, "request"
	if o.took >= q.slow {
		level, message = slog.LevelWarn, "slow request"
	}
	if !q.log.Enabled(ctx, level) || q.onlySlow && level == slog.LevelInfo {
		return
	}
	attributes := make([]slog.Attr, 0, 16)
	attributes = append(
		attributes,
		slog.String(
			"requestId",
			o.written.Header().Get("X-Request-Id"),
		),
		slog.String("client", r.RemoteAddr),
		slog.String("method", r.Method),
		slog.String("operation", o.Operation.Name),
		slog.String("hash", o.Operation.Hash),
		slog.String("code", o.code),
		slog.Int("status", o.written.status),
		slog.Int("bytes", o.written.bytes),
		slog.Float64("ms", milliseconds(o.took)),
		slog.String("answer", o.how()),
		slog.Int("cost", o.Operation.Cost),
		slog.Int("upstreamRequests", o.UpstreamRequests),
	)
	if o.Stale > 0 {
		attributes = append(attributes, slog.Int("staleSeconds", int(o.Stale.Seconds())))
	}
	if o.Limit != "" {
		attributes = append(attributes, slog.String("limit", o.Limit))
	}
	if o.Walked {
		attributes = append(attributes, slog.Int("drift", o.Drift))
	}
	if span.SpanContext().IsSampled() {
		attributes = append(attributes, slog.String("traceId", span.SpanContext().TraceID().String()))
	}
	q.log.LogAttrs(ctx, level, message, attributes...)
}

// count counts a request, and returns the label of its operation.
func (q *Requests) count(o *outcome) string {
	operation := q.label(o)
	q.total.WithLabelValues(operation, o.code).Inc()
	q.duration.WithLabelValues(operation).Observe(o.made.Seconds())
	q.bytes.Add(float64(o.written.bytes))
	if o.Operation.Cost > 0 {
		q.cost.Observe(float64(o.Operation.Cost))
	}
	if how := o.how(); how != "" {
		q.answers.WithLabelValues(how).Inc()
	}
	if o.Executed {
		q.upstream.Observe(float64(o.UpstreamRequests))
	}
	if o.Walked {
		q.drift.Observe(math.Abs(float64(o.Drift)))
	}
	if o.Limit != "" {
		q.limits.WithLabelValues(o.Limit).Inc()
	}
	return operation
}

// label is that of the operation. Only those that were run may take one of their own, so that nonsense takes none.
func (q *Requests) label(o *outcome) string {
	name := o.Operation.Name
	switch {
	case o.Operation.Hash == "":
		return none
	case name == "":
		return anonymous
	case len(name) > maxOperationName:
		return other
	case !o.Executed && !o.Cached:
		if !q.operations.has(name) {
			return other
		}
	default:
		if ok, _ := q.operations.admit(name); !ok {
			return other
		}
	}
	return name
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// recorder notes what is written.
type recorder struct {
	http.ResponseWriter
	status int       // 0 until the header is written
	began  time.Time // when that was
	bytes  int
}

func (w *recorder) begin(status int) {
	if w.status == 0 {
		w.status, w.began = status, time.Now()
	}
}

// WriteHeader implements [http.ResponseWriter].
func (w *recorder) WriteHeader(status int) {
	w.begin(status)
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *recorder) Write(b []byte) (int, error) {
	w.begin(http.StatusOK)
	n, err := w.ResponseWriter.Write(b)
	w.bytes += n
	return n, err
}

// Unwrap is for [http.ResponseController].
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// code is what to count a request by. Who is refused before GraphQL is read is told these codes too.
func (w *recorder) code(report *graph.Report) string {
	switch {
	case report.Code != "":
		return report.Code
	case w.status == http.StatusServiceUnavailable:
		return errcode.Overloaded
	case w.status >= http.StatusBadRequest:
		return errcode.BadUserInput
	}
	return codeOK
}
