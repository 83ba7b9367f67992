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

// Requests counts GraphQL requests, logs a line for each, and completes its span.
type Requests struct {
	log      *slog.Logger
	slow     time.Duration
	onlySlow bool

	total      *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	operations *prometheus.CounterVec
	limits     *prometheus.CounterVec
	bytes      prometheus.Counter
	cost       prometheus.Observer
	upstream   prometheus.Observer
	drift      *prometheus.HistogramVec
	internal   prometheus.Gauge

	names *names[string] // of operations that have a label
}

const (
	// maxOperations is how many operations have a label of their own; the rest are counted as "(other)".
	maxOperations = 100
	// maxOperationName is the longest name, in bytes, that has a label of its own.
	maxOperationName = 100
)

// Labels of operations without a name or without a label of their own. No operation can have such a name.
const (
	anonymous = "(anonymous)"
	other     = "(other)" // also of unrecognized fields
	none      = "(none)"  // the request was rejected before its operation was known
)

// codeOK is the code of a request without errors.
const codeOK = "OK"

// RequestOptions are the options of [NewRequests].
type RequestOptions struct {
	// Log gets a line for each request: at the level WARN if the request took Slow or longer, else at INFO. With
	// OnlySlow, only slow requests have a line.
	Log      *slog.Logger
	Slow     time.Duration
	OnlySlow bool
}

// NewRequests registers the metrics of GraphQL requests.
func NewRequests(registry prometheus.Registerer, opts RequestOptions) *Requests {
	m := newMetrics(registry)
	return &Requests{
		log:      opts.Log,
		slow:     opts.Slow,
		onlySlow: opts.OnlySlow,
		total: m.counter("requests_total",
			"GraphQL requests, by the name of the operation and the code of the first error.", "operation", "code"),
		duration: m.histogram("request_duration_seconds",
			"Duration of GraphQL requests until their response was ready to be written, by the name of the operation.",
			[]string{"operation"}, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30),
		operations: m.counter("operations_total",
			"Operations by the source of the response: executed, stale (executed with stale pages) or cached (a cached "+
				"response).", "source"),
		limits: m.counter("limits_exceeded_total", "GraphQL requests beyond a limit, by the limit.", "limit"),
		bytes:  m.counter("response_bytes_total", "Bytes of the bodies of GraphQL responses, as sent.").WithLabelValues(),
		cost: m.histogram("request_cost", "Cost of operations, including those rejected because of it.", nil,
			1, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000).WithLabelValues(),
		upstream: m.histogram("request_upstream_requests", "Requests to Revox that one executed operation caused.", nil,
			0, 1, 2, 3, 5, 10, 20, 50, 100).WithLabelValues(),
		drift: m.histogram("walk_drift_rows",
			"Rows by which the call of a cursor had moved, up or down, since the cursor was made.", nil,
			0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000),
		internal: m.gauge("last_internal_error_timestamp_seconds",
			"When a request last had an internal error, in seconds since 1970; 0 if none had."),
		names: newNames[string](maxOperations),
	}
}

// Wrap observes a handler of GraphQL requests. It ignores preflights.
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

// outcome is the reported outcome of a request.
type outcome struct {
	*graph.Report
	written *recorder
	code    string
	took    time.Duration
	made    time.Duration // until the response began to be written: the client decides how long the rest takes
}

// statusUnsent is the logged status of responses that were not sent as a whole. nginx and Caddy log it when the client
// has left.
const statusUnsent = 499

// source returns where the response to an operation came from; "" if there is none.
func (o *outcome) source() string {
	switch {
	case o.Cached:
		return "cached"
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
	attributes = append(attributes,
		slog.String("requestId", o.written.Header().Get("X-Request-Id")),
		slog.String("client", r.RemoteAddr),
		slog.String("method", r.Method),
		slog.String("operation", o.Operation.Name),
		slog.String("hash", o.Operation.Hash),
		slog.String("code", o.code),
		slog.Int("status", o.written.status),
		slog.Int("bytes", o.written.bytes),
		slog.Float64("ms", milliseconds(o.took)),
		slog.String("source", o.source()),
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
	if source := o.source(); source != "" {
		q.operations.WithLabelValues(source).Inc()
	}
	if o.Executed {
		q.upstream.Observe(float64(o.UpstreamRequests))
	}
	if o.Walked {
		q.drift.WithLabelValues().Observe(math.Abs(float64(o.Drift)))
	}
	if o.Limit != "" {
		q.limits.WithLabelValues(o.Limit).Inc()
	}
	// Of a counter, Prometheus would miss the only error of an operation, and one between a restart and the first read.
	if o.code == errcode.InternalServerError {
		q.internal.SetToCurrentTime()
	}
	return operation
}

// label returns the label of the operation. Only executed operations and cached responses get a label of their own: a
// client could send any number of names otherwise.
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
		if !q.names.has(name) {
			return other
		}
	default:
		if ok, _ := q.names.admit(name); !ok {
			return other
		}
	}
	return name
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// recorder records what is written.
type recorder struct {
	http.ResponseWriter
	status int       // 0 until the header is written
	began  time.Time // when the header was written
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

// code returns the code by which a request is counted. Responses of the middleware report no code, so their code
// follows from the status.
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
