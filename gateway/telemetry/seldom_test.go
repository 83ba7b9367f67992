package telemetry

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
)

// The first event has a line at once. Then a line comes once per minute, with the number of events.
func TestSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := newSeldom(slog.New(slog.NewTextHandler(&out, nil)))
		for range 20 * 150 { // 2.5 minutes
			s.warn("failed", "error", "reset")
			time.Sleep(time.Second / 20)
		}
		var times []string
		for line := range strings.Lines(out.String()) {
			_, text, _ := strings.Cut(line, `level=WARN msg=failed error=reset `)
			times = append(times, strings.TrimSpace(text))
		}
		if got := strings.Join(times, " "); got != "times=1 times=1200 times=1200" {
			t.Errorf("got %s", &out)
		}
	})
}

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
	libraries := libraryLog{newSeldom(log)}
	for range 50 {
		if _, err := libraries.Write([]byte("Unsolicited response\n")); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("of libraries: %s", out.String())
	}
}
