package explorer

import (
	"net/http"
	"strings"

	"revox-graphql/internal/negotiate"
)

// Browsers leads a browser that opens the GraphQL endpoint itself to the page: a GET without parameters that prefers
// HTML. Anything else goes to the endpoint, and so does a browser's request with a query, which has a JSON response.
func Browsers(endpoint http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.RawQuery != "" || !prefersHTML(r.Header) {
			endpoint.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Vary", "Accept")
		redirect(w, r)
	})
}

func prefersHTML(header http.Header) bool {
	const html = "text/html"
	preferred, _ := negotiate.MediaType(header.Values("Accept"), "application/json",
		"application/graphql-response+json", html)
	return preferred == html
}

// Redirect leads all requests to the page, for paths at which other servers have it.
func Redirect() http.Handler { return http.HandlerFunc(redirect) }

// redirect leads from a path of one segment, which may end with a slash, to the page. The location is relative, because
// a proxy may serve the gateway below a path of its own.
func redirect(w http.ResponseWriter, r *http.Request) {
	location := "./"
	if strings.HasSuffix(r.URL.Path, "/") {
		location = "../"
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusFound)
}
