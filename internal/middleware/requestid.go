package middleware

import (
	"crypto/rand"
	"net/http"
)

// RequestIDHeader holds the id of a request: the one that the client or a proxy has chosen, or else a random one. Every
// response has it. Handlers read it from the header of the response, since the header of the request may hold anything.
const RequestIDHeader = "X-Request-Id"

// maxRequestID is the longest id that is accepted from outside, in characters.
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

// isRequestID reports whether an id from outside can be written to a log and a header as it is.
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
