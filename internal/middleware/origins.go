package middleware

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"revox-graphql/internal/errcode"
)

// CORS
//
// The response names a listed origin, and no others: there is no `*`. Credentials in the sense of CORS, which are
// cookies and what else a browser adds by itself, are not allowed, since the gateway has none; a bearer token is a
// header that a page sets. Browsers cache preflights for ten minutes, so removing an origin from the list soon takes
// effect.
//
// A page of a listed origin may send any header. The preflight lists the headers to come, and the response allows them:
// headers that the gateway does not read are harmless, and a fixed list would stop clients that add their own, such as
// the name of the application (Apollo Client) or the context of a trace. Pages cannot set some names, such as Host,
// Origin and Sec-Fetch-Site (Fetch standard, "forbidden request-header").

const (
	allowedMethods = "GET, POST"
	exposedHeaders = "age, etag, retry-after, www-authenticate, x-request-id, x-revox-upstream"
	maxAgeSeconds  = "600"
)

// requestedHeaders is the header in which a preflight lists the headers of the request to come.
const requestedHeaders = "Access-Control-Request-Headers"

// CORS lets pages of the listed origins read responses. Without origins it does nothing.
func CORS(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		listed := slices.Contains(origins, origin)
		if listed {
			header.Set("Access-Control-Allow-Origin", origin)
			header.Set("Access-Control-Expose-Headers", exposedHeaders)
		}
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		if !listed {
			reject(w, r, http.StatusForbidden,
				"Pages of this origin may not use the gateway. Its operator can add origins in GATEWAY_CORS_ORIGINS.",
				map[string]any{"code": errcode.BadUserInput})
			return
		}
		header.Del("Access-Control-Expose-Headers") // for responses to the request itself
		header.Set("Access-Control-Allow-Methods", allowedMethods)
		header.Add("Vary", requestedHeaders)
		if asked := r.Header.Values(requestedHeaders); len(asked) > 0 {
			header.Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
		}
		header.Set("Access-Control-Max-Age", maxAgeSeconds)
		w.WriteHeader(http.StatusNoContent)
	})
}

// CheckOrigin returns an error if an origin is not written as browsers send it: origins are compared as strings.
func CheckOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin ||
		strings.ToLower(origin) != origin || strings.ContainsAny(origin, "* ,") ||
		u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" ||
		strings.HasSuffix(origin, ":") {
		return errors.New("must be exact origins as browsers send them, " +
			"like https://app.example.com or http://localhost:5173")
	}
	return nil
}

// Requests from pages of other origins
//
// A page of another origin can make a browser send a GET request without a preflight, by a link, a picture or fetch. It
// cannot read the response, but it causes work upstream, and can measure its duration. POST requires the content type
// application/json, for which a browser first sends a preflight. GET requires one of these:
//
//   - The browser reports that the page has this origin or a listed one: Sec-Fetch-Site, or Origin in older browsers.
//     net/http's CrossOriginProtection decides that.
//   - A header that pages can send to other origins only after a preflight: apollo-require-preflight,
//     x-apollo-operation-name, Content-Type: application/json, or Authorization with a bearer token. Authorization of
//     another scheme proves nothing: browsers add stored passwords (Basic) by themselves. Neither do other content
//     types: pages may send three of them freely, and browsers differ on malformed ones.
//   - No browser. A client that sends neither Sec-Fetch-Site nor Origin is curl, a server, an old browser, or a
//     browser that uses plain HTTP beyond its own machine: there, browsers omit Sec-Fetch-Site, and Origin for
//     pictures. All browsers begin their User-Agent with Mozilla/5.0, which no page can change without a preflight, so
//     such a client must prove more.

// CrossSite rejects GET requests that a page of another origin may have caused. Origins are those of [CORS].
func CrossSite(origins []string, next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, origin := range origins {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			panic(err) // CheckOrigin is stricter
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && !preflighted(r.Header) && !trusted(protection, r) {
			reject(w, r, http.StatusForbidden,
				"A page of another origin may have sent this request by GET. "+
					"Send the header `apollo-require-preflight: true` with it, or use POST.",
				map[string]any{"code": errcode.BadUserInput})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// preflighted reports whether a page of another origin can send these headers only after a preflight.
func preflighted(header http.Header) bool {
	if header.Get("Apollo-Require-Preflight") != "" || header.Get("X-Apollo-Operation-Name") != "" {
		return true
	}
	scheme, token, _ := strings.Cut(header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && token != "" {
		return true
	}
	contentType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && contentType == "application/json"
}

// trusted reports whether a request comes from a page of this origin or a listed one, from the address bar, or from
// something other than a browser.
func trusted(protection *http.CrossOriginProtection, r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return !strings.HasPrefix(r.Header.Get("User-Agent"), "Mozilla/")
	}
	unsafe := *r // Check does not check GET, which it expects to be safe
	unsafe.Method = http.MethodPost
	return protection.Check(&unsafe) == nil
}
