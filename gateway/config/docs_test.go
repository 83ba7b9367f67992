package config

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	text := Table()
	for _, want := range []string{
		"| variable | flag | default | accepts | meaning |\n",
		"| `GATEWAY_MAX_DEPTH` | `--max-depth` | `16` | 1 to 100 | ",
		"| `GATEWAY_CREDENTIALS` | `--credentials` | `server` | `server`, `forward` | ",
		"| `GATEWAY_MAX_REQUEST_BYTES` | `--max-request-bytes` | `256KiB` | 1KiB to 16MiB | ",
		"| `GATEWAY_DRAIN_DELAY` | `--drain-delay` | `0s` | 0s to 1h | ",
		"| `GATEWAY_TOKENS` | `--tokens` | none | a list | ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// Each row is whole: names that fit together, a default that its own bounds accept, and a help that is a sentence.
func TestRows(t *testing.T) {
	for _, r := range new(Settings).rows() {
		_, name, _ := strings.Cut(r.variable, "_")
		name = strings.TrimPrefix(name, "EXPORTER_")
		if want := strings.ReplaceAll(strings.ToLower(name), "_", "-"); r.flag != want {
			t.Errorf("%s has the flag %s", r.variable, r.flag)
		}
		if r.fallback != "" {
			if err := r.value.parse(r.fallback); err != nil {
				t.Errorf("%s does not accept its default: %v", r.flag, err)
			}
		}
		if !strings.HasSuffix(r.help, ".") || r.details != "" && !strings.HasSuffix(r.details, ".") ||
			strings.Contains(r.help, "|") {
			t.Errorf("%s: help %q", r.flag, r.help)
		}
		if kinds[r.value.kind] == "" && r.value.accepts == "" {
			t.Errorf("%s does not say what it accepts", r.flag)
		}
	}
}

func TestUnknownVariables(t *testing.T) {
	unknown := UnknownVariables([]string{
		"GATEWAY_CACHE_TTL=1s", "REVOX_API_KEY=k", "PATH=/bin", "GATEWAY_TOKEN=secret", "REVOX_APIKEY=k", "GATEWAY_XYZ=1",
		"GATEWAY_SERVICE_HOST=10.0.0.1", "GATEWAY_SERVICE_PORT=80", "GATEWAY_SERVICE_PORT_HTTP=80",
		"GATEWAY_PORT=tcp://10.0.0.1:80",
		"GATEWAY_PORT_80_TCP=tcp://10.0.0.1:80", "GATEWAY_PORT_80_TCP_ADDR=10.0.0.1", "REVOX_GRAPHQL_SERVICE_HOST=10.0.0.2",
		"OTEL_SERVICE_NAME=x",
	})
	want := []Unknown{{"GATEWAY_TOKEN", "GATEWAY_TOKENS"}, {"GATEWAY_XYZ", ""}, {"REVOX_APIKEY", "REVOX_API_KEY"}}
	if len(unknown) != len(want) {
		t.Fatalf("got %v", unknown)
	}
	for i, u := range unknown {
		if u != want[i] {
			t.Errorf("got %v, want %v", u, want[i])
		}
	}
}
