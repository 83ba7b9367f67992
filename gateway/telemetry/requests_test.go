package telemetry

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"revox-graphql/graph"
	"revox-graphql/internal/errcode"
)

// The duration of a request ends when its response begins: how long the rest takes depends on the client.
func TestDurationEndsWhenTheResponseBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		requests := NewRequests(registry, RequestOptions{Log: slog.New(slog.DiscardHandler), Slow: time.Hour})
		handler := requests.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * time.Second)
			w.WriteHeader(http.StatusOK)
			time.Sleep(time.Minute)
		}))
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/graphql", http.NoBody))
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if family.GetName() == namespace+"_request_duration_seconds" {
				if got := family.GetMetric()[0].GetHistogram().GetSampleSum(); got != 2 {
					t.Errorf("it took %v s", got)
				}
				return
			}
		}
		t.Error("there is no duration")
	})
}

// The metric of the alert holds the time of the last internal error, whatever operation it was in.
func TestLastInternalError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		requests := NewRequests(registry, RequestOptions{Log: slog.New(slog.DiscardHandler), Slow: time.Hour})
		for _, code := range []string{codeOK, errcode.UpstreamTimeout, errcode.InternalServerError, errcode.BadUserInput} {
			time.Sleep(time.Minute)
			requests.count(&outcome{Report: &graph.Report{Code: code}, written: &recorder{}, code: code})
		}
		want := float64(time.Now().Add(-time.Minute).Unix())
		if got := gathered(t, registry)["last_internal_error_timestamp_seconds"]; got != want {
			t.Errorf("%v, want %v", got, want)
		}
	})
}
