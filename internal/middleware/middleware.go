// Package middleware checks HTTP requests before they are read as GraphQL: it gives each request an id, and checks its
// Host header and the origin of the page that sent it. It also bounds connections, streams and headers. It knows
// nothing of GraphQL but the form of an error.
//
// The gateway has no cookies. The checks protect a browser inside the network, or on the same machine, from a page of
// another origin that makes it send requests: such a page must neither read calls nor cause work upstream.
package middleware

import (
	"encoding/json"
	"net/http"

	"revox-graphql/internal/negotiate"
)

// GraphQL is the path where rejections are GraphQL errors; on other paths they are plain text.
const GraphQL = "/graphql"

// isGraphQL reports whether a request is for the GraphQL path, which may end with a slash.
func isGraphQL(r *http.Request) bool { return r.URL.Path == GraphQL || r.URL.Path == GraphQL+"/" }

// reject responds to a request that is not accepted.
func reject(w http.ResponseWriter, r *http.Request, status int, message string, extensions map[string]any) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	if !isGraphQL(r) {
		http.Error(w, message, status)
		return
	}
	graphQLError := map[string]any{"message": message, "extensions": extensions}
	body, err := json.Marshal(map[string]any{"errors": []any{graphQLError}})
	if err != nil { // extensions are strings and numbers
		panic(err)
	}
	const plain = "application/json"
	contentType, ok := negotiate.MediaType(r.Header.Values("Accept"), plain, "application/graphql-response+json")
	if !ok {
		contentType = plain
	}
	header.Add("Vary", "Authorization") // like every response there
	header.Set("Content-Type", contentType+"; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// ReadOnly accepts GET and HEAD. It responds to OPTIONS itself: HAProxy sends that as a health check by default. The
// patterns of [http.ServeMux] cannot distinguish other methods from a path that does not exist, once another pattern
// matches all paths.
func ReadOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			next.ServeHTTP(w, r)
		case http.MethodOptions:
			w.Header().Set("Allow", allowedReading)
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", allowedReading)
			http.Error(w, "This path supports GET and HEAD only.", http.StatusMethodNotAllowed)
		}
	})
}

const allowedReading = "GET, HEAD, OPTIONS"
