package middleware

import (
	"crypto/rand"
	"net/http"
)

// RequestIDHeader holds the id of a request: as the client or a proxy has chosen it, or else made up. Every answer has
// it, and whoever is inside reads it from the answer's header, since what the request says may be anything.
const RequestIDHeader = "X-Request-Id"

// maxRequestID is the longest id that is taken from outside, in characters.
const maxRequestID = 128

// RequestID gives each request its id.
func RequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(RequestIDHeader)
		if !isRequestID(id) {
			id = rand.Text()
		}
		w.Header()[RequestIDHeader] = []string{id}
		next.ServeHTTP(w, r)
	})
}

// isRequestID reports whether an id from outside can be put into a log and a header as it is.
func isRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
