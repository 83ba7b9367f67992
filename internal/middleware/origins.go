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
// A listed origin is named in the answer, and nobody else: there is no `*`. Credentials in the sense of CORS, which
// are cookies and what else a browser adds by itself, are not allowed, since the gateway has none; a bearer token is
// a header that a page sets. Preflights are kept by browsers for ten minutes, so an origin that is taken off the list
// soon notices.
//
// A page of a listed origin may send any header. It asks for those that it wants to send in the preflight, and is
// given them: what the gateway does not read does no harm, and a list would stop clients that add headers of their
// own, such as the name of the application (Apollo Client), or the context of a trace. Browsers keep some names to
// themselves, such as Host, Origin and Sec-Fetch-Site (Fetch standard, "forbidden request-header").

const (
	allowedMethods = "GET, POST"
	exposedHeaders = "age, etag, retry-after, x-request-id, x-revox-upstream"
	maxAgeSeconds  = "600"
)

// requestedHeaders names the header in which a preflight lists the headers of the request to come.
const requestedHeaders = "Access-Control-Request-Headers"

// CORS lets pages of the listed origins read answers. Without origins there is nothing to do.
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
			refuse(w, r, http.StatusForbidden,
				"Pages of this origin may not ask the gateway. Its operator lists origins in GATEWAY_CORS_ORIGINS.",
				map[string]any{"code": errcode.BadUserInput})
			return
		}
		header.Del("Access-Control-Expose-Headers") // they are of answers to the request itself
		header.Set("Access-Control-Allow-Methods", allowedMethods)
		header.Add("Vary", requestedHeaders)
		if asked := r.Header.Values(requestedHeaders); len(asked) > 0 {
			header.Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
		}
		header.Set("Access-Control-Max-Age", maxAgeSeconds)
		w.WriteHeader(http.StatusNoContent)
	})
}

// CheckOrigin says what is wrong with an origin: it must be written as browsers send it, since they are compared as
// texts.
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

// Requests from foreign pages
//
// A foreign page can have a browser send a GET request anywhere without asking first, by a link, a picture or fetch.
// It cannot read the answer, but it causes work upstream, and can measure how long that takes. POST needs the content
// type application/json, for which a browser first asks by a preflight. GET needs one of these:
//
//   - The browser says that the page is ours or listed: Sec-Fetch-Site, or Origin in older ones. net/http's
//     CrossOriginProtection decides that.
//   - A header that pages can send abroad only after a preflight: apollo-require-preflight, x-apollo-operation-name,
//     Content-Type: application/json, or Authorization with a bearer token. Authorization of another scheme is no
//     such proof: browsers add remembered passwords (Basic) by themselves. Other content types are not either, three
//     of them being free for pages, and what a browser makes of a malformed one being its own affair.
//   - No browser at all. Who sends neither Sec-Fetch-Site nor Origin is curl, a server, or a browser that does not
//     tell: an old one, or any one over plain HTTP beyond its own machine, where Sec-Fetch-Site is left out and a
//     picture has no Origin. All browsers, and no page can change that without a preflight, call themselves
//     Mozilla/5.0 in User-Agent; so who calls itself that has to prove more.

// CrossSite refuses GET requests that a foreign page may have caused. Origins are those of [CORS].
func CrossSite(origins []string, next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, origin := range origins {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			panic(err) // CheckOrigin is stricter
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && !preflighted(r.Header) && !ours(protection, r) {
			refuse(w, r, http.StatusForbidden,
				"A page of another origin may have sent this request by GET. "+
					"Send the header `apollo-require-preflight: true` with it, or use POST.",
				map[string]any{"code": errcode.BadUserInput})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// preflighted reports whether a page of another origin could only have sent this after a preflight.
func preflighted(header http.Header) bool {
	if header.Get("Apollo-Require-Preflight") != "" || header.Get("X-Apollo-Operation-Name") != "" {
		return true
	}
	if scheme, token, _ := strings.Cut(header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") && token != "" {
		return true
	}
	contentType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && contentType == "application/json"
}

// ours reports whether a request comes from a page of this origin or a listed one, from the address bar, or from no
// browser.
func ours(protection *http.CrossOriginProtection, r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return !strings.HasPrefix(r.Header.Get("User-Agent"), "Mozilla/")
	}
	unsafe := *r // Check lets GET pass unseen, taking it to change nothing
	unsafe.Method = http.MethodPost
	return protection.Check(&unsafe) == nil
}
