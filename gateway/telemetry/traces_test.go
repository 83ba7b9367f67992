package telemetry

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// The address follows OpenTelemetry's specification of these variables.
func TestCollector(t *testing.T) {
	const base, traces, other = "http://c:4318", "http://t:4318/v1/traces", "http://t:4318/here"
	for name, test := range map[string]struct {
		endpoint, traces, env string
		want, warns           string
	}{
		"nothing":              {"", "", "", "", ""},
		"an address":           {base, "", "", base + "/v1/traces", ""},
		"with a path":          {base + "/otel", "", "", base + "/otel/v1/traces", ""},
		"one for traces":       {"", traces, "", traces, ""},
		"as it is":             {"", other, "", other, ""},
		"that comes first":     {base, other, "", other, ""},
		"disabled":             {base, traces, "OTEL_SDK_DISABLED=true", "", ""},
		"disabled in capitals": {base, traces, "OTEL_SDK_DISABLED=TRUE", "", ""},
		"not disabled":         {base, "", "OTEL_SDK_DISABLED=false", base + "/v1/traces", ""},
		"perhaps disabled":     {base, "", "OTEL_SDK_DISABLED=1", base + "/v1/traces", "OTEL_SDK_DISABLED"},
		"no exporter":          {base, traces, "OTEL_TRACES_EXPORTER=none", "", ""},
		"OTLP":                 {base, "", "OTEL_TRACES_EXPORTER=otlp", base + "/v1/traces", ""},
		"OTLP and no address":  {"", "", "OTEL_TRACES_EXPORTER=otlp", "http://localhost:4318/v1/traces", ""},
		"another exporter":     {base, "", "OTEL_TRACES_EXPORTER=zipkin", "", "OTEL_TRACES_EXPORTER"},
		"OTLP among others":    {base, "", "OTEL_TRACES_EXPORTER=console,otlp", base + "/v1/traces", "OTEL_TRACES_EXPORTER"},
		"OTLP, disabled":       {base, "", "OTEL_TRACES_EXPORTER=otlp OTEL_SDK_DISABLED=true", "", ""},
		"by gRPC":              {base, "", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", base + "/v1/traces", "http/protobuf"},
		"by HTTP":              {base, "", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", base + "/v1/traces", ""},
		"by gRPC, traces by HTTP": {
			base, "", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf",
			base + "/v1/traces", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{}
			for variable := range strings.FieldsSeq(test.env) {
				name, value, _ := strings.Cut(variable, "=")
				env[name] = value
			}
			var log bytes.Buffer
			opts := TraceOptions{
				Endpoint: test.endpoint, TracesEndpoint: test.traces, Log: slog.New(slog.NewTextHandler(&log, nil)),
				Getenv: func(name string) string { return env[name] },
			}
			if got := opts.collector(); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
			if warned := log.Len() > 0; warned != (test.warns != "") || !strings.Contains(log.String(), test.warns) {
				t.Errorf("log: %s", &log)
			}
		})
	}
}
