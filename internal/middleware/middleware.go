// Package middleware checks HTTP requests before they are read as GraphQL: it gives each an id, and checks the host
// that it names and the origin of the page that sent it. It also bounds connections, streams and headers. Of GraphQL it
// knows the form of an error alone.
//
// The gateway has no cookies. The checks protect a browser inside the network, or on the same machine, from a foreign
// page that makes it send requests: such a page must neither read calls nor cause work upstream.
package middleware

import (
	"encoding/json"
	"net/http"

	"revox-graphql/internal/negotiate"
)

// GraphQL is the path whose refusals are GraphQL errors; those of other paths are plain text.
const GraphQL = "/graphql"

// isGraphQL reports whether a request is about GraphQL, whose path may end with a slash.
func isGraphQL(r *http.Request) bool { return r.URL.Path == GraphQL || r.URL.Path == GraphQL+"/" }

// refuse answers a request that is not let in.
func refuse(w http.ResponseWriter, r *http.Request, status int, message string, extensions map[string]any) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	if !isGraphQL(r) {
		http.Error(w, message, status)
		return
	}
	body, err := json.Marshal(map[string]any{"errors": []any{map[string]any{"message": message, "extensions": extensions}}})
	if err != nil { // extensions are texts and numbers
		panic(err)
	}
	const plain = "application/json"
	contentType, ok := negotiate.MediaType(r.Header.Values("Accept"), plain, "application/graphql-response+json")
	if !ok {
		contentType = plain
	}
	header.Add("Vary", "Authorization") // as with every answer there
	header.Set("Content-Type", contentType+"; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// ReadOnly lets GET and HEAD in, and answers OPTIONS by itself, which HAProxy asks for by default to see whether a
// server is well. The patterns of [http.ServeMux] do not tell other methods apart from a path that does not exist, once
// another pattern takes all paths.
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
			http.Error(w, "Only GET and HEAD are answered here.", http.StatusMethodNotAllowed)
		}
	})
}

const allowedReading = "GET, HEAD, OPTIONS"
