package demo

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// entry is the line of the log for one request.
type entry struct {
	http.ResponseWriter
	status, bytes int
	fault         string
}

// entryKey is the key of a request's line in its context.
type entryKey struct{}

// note records the fault of a request for its line in the log.
func note(ctx context.Context, fault string) {
	if e, ok := ctx.Value(entryKey{}).(*entry); ok {
		e.fault = fault
	}
}

// logged logs each request when it has ended. The status is 0 where the connection was closed without a response.
func logged(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, began := &entry{ResponseWriter: w}, time.Now()
		defer func() {
			args := []any{
				"method", r.Method, "uri", r.URL.RequestURI(), "status", e.status, "bytes", e.bytes,
				"duration", time.Since(began).Round(time.Microsecond),
			}
			if e.fault != "" {
				args = append(args, "fault", e.fault)
			}
			log.Info("request", args...)
		}()
		next.ServeHTTP(e, r.WithContext(context.WithValue(r.Context(), entryKey{}, e)))
	})
}

// WriteHeader implements [http.ResponseWriter].
func (e *entry) WriteHeader(status int) {
	e.status = status
	e.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (e *entry) Write(p []byte) (int, error) {
	n, err := e.ResponseWriter.Write(p)
	e.bytes += n
	return n, err
}

// Unwrap is for [http.ResponseController].
func (e *entry) Unwrap() http.ResponseWriter { return e.ResponseWriter }
