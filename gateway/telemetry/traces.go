package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"revox-graphql/internal/seldom"
)

// Traces sends traces to an OpenTelemetry collector, by OTLP over HTTP. A trace continues the client's `traceparent`.
// It has a span for the GraphQL request, and one for each request to Revox, which gets a `traceparent` too. A nil
// Traces traces nothing, at no cost.
//
// Spans have names, sizes and numbers, but neither variables nor data.
type Traces struct {
	provider *sdktrace.TracerProvider
	options  []otelhttp.Option
}

// TraceOptions are the options of traces.
type TraceOptions struct {
	// Endpoint is the collector's address without the path for traces, like http://localhost:4318; "" if there is none.
	Endpoint string
	// TracesEndpoint is the address for traces alone, with its path. It takes precedence over Endpoint; "" if there is
	// none.
	TracesEndpoint string
	// Sample is the fraction of requests to trace, from 0 to 1, if neither the client nor OTEL_TRACES_SAMPLER decides
	// that.
	Sample float64
	// Getenv reads the environment.
	Getenv func(string) string
	// Version is the gateway's version.
	Version string
	// Log gets a line when spans cannot be sent, at most one per minute.
	Log *slog.Logger
}

// defaultEndpoint is OpenTelemetry's default, for OTEL_TRACES_EXPORTER=otlp without an address.
const defaultEndpoint = "http://localhost:4318"

// collector returns the address to which traces are sent; "" if they are not sent. The environment follows
// OpenTelemetry's Environment Variable Specification, with one exception: without an address, and without otlp in
// OTEL_TRACES_EXPORTER, nothing is sent.
func (opts *TraceOptions) collector() string {
	disabled := opts.Getenv("OTEL_SDK_DISABLED")
	if disabled != "" && !strings.EqualFold(disabled, "true") && !strings.EqualFold(disabled, "false") {
		opts.Log.Warn("OTEL_SDK_DISABLED is neither true nor false: ignored")
	}
	wanted := false
	exporters := strings.TrimSpace(opts.Getenv("OTEL_TRACES_EXPORTER"))
	for exporter := range strings.SplitSeq(exporters, ",") {
		switch strings.TrimSpace(exporter) {
		case "otlp":
			wanted = true
		case "", "none":
		default:
			opts.Log.Warn("OTEL_TRACES_EXPORTER has an unsupported exporter: ignored", "supported", "otlp, none")
		}
	}
	protocol := cmp.Or(opts.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), opts.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"))
	if protocol != "" && protocol != "http/protobuf" {
		opts.Log.Warn("traces are sent by http/protobuf, regardless of OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	switch {
	case strings.EqualFold(disabled, "true"), exporters != "" && !wanted:
		return ""
	case opts.TracesEndpoint != "":
		return opts.TracesEndpoint
	case opts.Endpoint == "" && !wanted:
		return ""
	}
	return cmp.Or(opts.Endpoint, defaultEndpoint) + "/v1/traces"
}

// NewTraces prepares traces; the caller must close them. It returns nil if nothing is to be traced, and an error if
// OpenTelemetry rejects the settings. It reads the variables that turn traces on and off (OTEL_SDK_DISABLED,
// OTEL_TRACES_EXPORTER). The SDK reads those for samplers (OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG), resources
// (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES), exporters (OTEL_EXPORTER_OTLP_HEADERS and the like) and batches
// (OTEL_BSP_*).
func NewTraces(ctx context.Context, opts TraceOptions) (*Traces, error) {
	collector := opts.collector()
	if collector == "" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(collector))
	if err != nil {
		return nil, fmt.Errorf("traces cannot be sent: %w", err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(
			attribute.String("service.name", "revox-graphql"), attribute.String("service.version", opts.Version)),
		resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES cannot be used: %w", err)
	}
	failures := seldom.New(opts.Log)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { // the handler is global
		failures.Warn("traces failed", "error", err)
	}))
	options := []sdktrace.TracerProviderOption{sdktrace.WithBatcher(exporter), sdktrace.WithResource(about)}
	if opts.Getenv("OTEL_TRACES_SAMPLER") == "" {
		ratio := sdktrace.TraceIDRatioBased(opts.Sample)
		options = append(options, sdktrace.WithSampler(sdktrace.ParentBased(ratio)))
	}
	provider := sdktrace.NewTracerProvider(options...)
	return &Traces{provider, []otelhttp.Option{
		otelhttp.WithTracerProvider(provider),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()), // Prometheus has the metrics
	}}, nil
}

// Handler traces requests.
func (t *Traces) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	options := append(slices.Clip(t.options), otelhttp.WithSpanNameFormatter(spanName))
	return otelhttp.NewHandler(next, "graphql", options...)
}

// spanName returns the name of a request's span: the method and path until the operation is known. otelhttp calls it
// again at the end of the request.
func spanName(_ string, r *http.Request) string {
	if span, ok := trace.SpanFromContext(r.Context()).(sdktrace.ReadOnlySpan); ok {
		return span.Name()
	}
	return r.Method + " " + r.URL.Path
}

// Transport traces requests to Revox.
func (t *Traces) Transport(base http.RoundTripper) http.RoundTripper {
	if t == nil {
		return base
	}
	name := func(_ string, r *http.Request) string { return r.Method + " /call" }
	return otelhttp.NewTransport(base, append(slices.Clip(t.options), otelhttp.WithSpanNameFormatter(name))...)
}

// Close sends the last spans. It returns an error if that fails, or takes longer than ctx allows.
func (t *Traces) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// describe sets the attributes of a request's span, by OpenTelemetry's semantic conventions where they apply.
func describe(span trace.Span, operation string, o *outcome) {
	if operation != none {
		span.SetName("query " + operation)
		span.SetAttributes(
			attribute.String("graphql.operation.type", "query"),
			attribute.String("graphql.operation.name", o.Operation.Name),
			attribute.String("revox_graphql.document.sha256", o.Operation.Hash),
			attribute.Int("revox_graphql.cost", o.Operation.Cost),
			attribute.String("revox_graphql.source", o.source()),
			attribute.Int("revox_graphql.upstream_requests", o.UpstreamRequests),
		)
	}
	span.SetAttributes(attribute.String("revox_graphql.code", o.code))
	if o.Stale > 0 {
		span.SetAttributes(attribute.Int("revox_graphql.stale_seconds", int(o.Stale.Seconds())))
	}
	if o.Walked {
		span.SetAttributes(attribute.Int("revox_graphql.drift_rows", o.Drift))
	}
	if o.Failed() {
		span.SetStatus(codes.Error, o.code)
	}
}
