package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// The variables by which OpenTelemetry is set everywhere hold here too. The SDK reads them from the process's own
// environment, so it is a process.
func TestOpenTelemetryVariables(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"
	for name, test := range map[string]struct {
		env  string // URL stands for the collector's, and ADDRESS for setting it
		want string // the operations that are traced, see below
		path string
	}{
		"an address":            {"ADDRESS", "None Wanted", "/v1/traces"},
		"one for traces":        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=URL/here", "None Wanted", "/here"},
		"both":                  {"ADDRESS OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=URL/here", "None Wanted", "/here"},
		"our share":             {"ADDRESS GATEWAY_TRACE_SAMPLE=0", "Wanted", "/v1/traces"},
		"disabled":              {"ADDRESS OTEL_SDK_DISABLED=true", "", ""},
		"no exporter":           {"ADDRESS OTEL_TRACES_EXPORTER=none", "", ""},
		"always_off":            {"ADDRESS OTEL_TRACES_SAMPLER=always_off", "", ""},
		"always_on":             {"ADDRESS OTEL_TRACES_SAMPLER=always_on", "None Unwanted Wanted", "/v1/traces"},
		"parentbased_always_on": {"ADDRESS OTEL_TRACES_SAMPLER=parentbased_always_on", "None Wanted", "/v1/traces"},
		"a share of nothing": {
			"ADDRESS OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0", "Wanted", "/v1/traces",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var paths, operations []string
			endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				var sent collector.ExportTraceServiceRequest
				if err != nil || proto.Unmarshal(body, &sent) != nil {
					t.Errorf("no traces: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				paths = append(paths, r.URL.Path)
				for _, resource := range sent.GetResourceSpans() {
					for _, scope := range resource.GetScopeSpans() {
						for _, span := range scope.GetSpans() {
							operations = append(operations, strings.TrimPrefix(span.GetName(), "query "))
						}
					}
				}
				w.Header().Set("Content-Type", "application/x-protobuf")
			}))
			defer endpoint.Close()
			env, address := map[string]string{}, strings.NewReplacer(
				"ADDRESS", "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint.URL, "URL", endpoint.URL)
			for variable := range strings.FieldsSeq(address.Replace(test.env)) {
				name, value, _ := strings.Cut(variable, "=")
				env[name] = value
			}
			c := startChild(t, env)
			for operation, traceparent := range map[string]string{
				"None": "", "Wanted": parent + "01", "Unwanted": parent + "00",
			} {
				c.send(t, http.MethodPost, "graphql", `{"query": "query `+operation+` { __typename }"}`,
					"Content-Type", "application/json", "Traceparent", traceparent)
			}
			c.signal(t, syscall.SIGTERM)
			if status := c.status(); status != 0 {
				t.Fatalf("it ended with %d\n%s", status, c.log)
			}
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(operations)
			if got := strings.Join(operations, " "); got != test.want {
				t.Errorf("traced are %q, want %q", got, test.want)
			}
			for _, path := range paths {
				if path != test.path {
					t.Errorf("sent to %s", path)
				}
			}
		})
	}
}
