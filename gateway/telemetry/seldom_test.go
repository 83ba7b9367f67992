package telemetry

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"

	"revox-graphql/internal/seldom"
)

// However many exports fail or libraries report errors, the log has one line of each.
func TestFailuresAreLoggedSeldom(t *testing.T) {
	endpoint := httptest.NewServer(http.NotFoundHandler())
	defer endpoint.Close()
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	traces, err := NewTraces(t.Context(), TraceOptions{
		Endpoint: endpoint.URL, Sample: 1, Getenv: func(string) string { return "" }, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		otel.Handle(errors.New("reset"))
	}
	if err := traces.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if strings.Count(out.String(), "\n") != 1 || !strings.Contains(out.String(), `"traces failed" error=reset times=1`) {
		t.Errorf("of traces: %s", out.String())
	}
	out.Reset()
	libraries := libraryLog{seldom.New(log)}
	for range 50 {
		if _, err := libraries.Write([]byte("Unsolicited response\n")); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("of libraries: %s", out.String())
	}
}
