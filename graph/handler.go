// Package graph is the GraphQL side: the handler, the resolvers, and the connections that walk a moving list.
//
// gqlgen generates generated.go from the schema, and keeps schema.resolvers.go in step with it. The resolvers only
// delegate: to connection.go for windows of a list, which are read as walk.go explains, to count.go for its length, and
// to lookup.go for single calls. errors.go decides what a client is told.
package graph

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/upstream"
)

// Options are the settings of the GraphQL handler.
type Options struct {
	// Calls lists upstream's calls, and Known finds those that were seen of late. Usually both are the page cache.
	Calls upstream.Lister
	Known upstream.Finder
	// Cached says that Calls remembers pages for a while, so that it pays to read ahead.
	Cached bool
	// PageSize is the most rows that one upstream request asks for; at least 20, see [relay.Cover].
	PageSize int
	// MaxCount is the largest `first` or `last` of a connection.
	MaxCount int
	// MaxShift is how many rows a list may have shifted by since a cursor was made, before the cursor expires.
	MaxShift int
	// MaxScan is how many pages a look-up by id may read.
	MaxScan int
	// Timeout bounds the upstream work of one GraphQL request.
	Timeout time.Duration
	// Credential goes upstream, unless Forward is set: then each request's own bearer token does.
	Credential upstream.Credential
	Forward    bool
	// Tokens are the bearer tokens that clients may present; none lets everybody in. Not with Forward.
	Tokens []string
	// Introspection lets clients read the schema by queries.
	Introspection bool
	// Demo marks every answer as made up, by the header X-Revox-Upstream.
	Demo bool
	Log  *slog.Logger
}

// cachedDocuments is how many parsed and validated documents are kept.
const cachedDocuments = 500

// NewHandler serves GraphQL over HTTP, at whatever path it is mounted.
func NewHandler(opts Options) http.Handler {
	pages := newPages(opts.Calls, opts.PageSize, opts.MaxShift, opts.Log)
	pages.cached = opts.Cached
	schema := NewExecutableSchema(Config{Resolvers: &Resolver{
		pages:    pages,
		known:    opts.Known,
		maxCount: opts.MaxCount,
		maxScan:  opts.MaxScan,
	}})
	srv := handler.New(withoutDefer{schema, schemaWithoutDefer(schema.Schema())})
	p := presenter{opts.Log}
	srv.SetErrorPresenter(p.present)
	srv.SetRecoverFunc(p.recovered)
	srv.SetQueryCache(lru.New[*ast.QueryDocument](cachedDocuments))
	if opts.Introspection {
		srv.Use(extension.Introspection{})
	}
	srv.AddTransport(transport{})
	h := &gate{next: srv, opts: opts}
	for _, token := range opts.Tokens {
		h.tokens = append(h.tokens, sha256.Sum256([]byte(token)))
	}
	return h
}

// withoutDefer is a schema that does not know @defer, which gqlgen adds to every schema and answers in a form that
// clients show as complete while fields are still missing. An unknown directive is a clear error.
type withoutDefer struct {
	graphql.ExecutableSchema
	schema *ast.Schema
}

// Schema implements [graphql.ExecutableSchema].
func (s withoutDefer) Schema() *ast.Schema { return s.schema }

func schemaWithoutDefer(schema *ast.Schema) *ast.Schema {
	s := *schema
	s.Directives = maps.Clone(s.Directives)
	delete(s.Directives, "defer")
	return &s
}

// gate decides whose calls a request is about, and sets what holds for every answer.
type gate struct {
	next   http.Handler
	opts   Options
	tokens [][sha256.Size]byte
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "private, no-store")
	header.Add("Vary", "Authorization")
	header.Add("Vary", "Accept")
	header.Set("X-Content-Type-Options", "nosniff")
	if g.opts.Demo {
		header.Set("X-Revox-Upstream", "demo")
	}
	req := request{credential: g.opts.Credential, deadline: time.Now().Add(g.opts.Timeout)}
	token := bearer(r)
	if g.opts.Forward {
		if token == "" {
			unauthorized(w, r, "Send your Revox API key as `Authorization: Bearer …`.")
			return
		}
		req.credential = upstream.NewCredential(token)
	} else if !g.accepts(token) {
		unauthorized(w, r, "Send a token of this gateway as `Authorization: Bearer …`.")
		return
	}
	if noCache(r.Header) {
		req.notBefore = time.Now()
	}
	g.next.ServeHTTP(w, r.WithContext(withRequest(r.Context(), req)))
}

// accepts compares hashes, so that the time it takes says nothing about a token, not even its length.
func (g *gate) accepts(token string) bool {
	hash, ok := sha256.Sum256([]byte(token)), len(g.tokens) == 0
	for _, known := range g.tokens {
		ok = subtle.ConstantTimeCompare(hash[:], known[:]) == 1 || ok
	}
	return ok
}

// bearer is the token of the Authorization header, "" without one.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// noCache reports whether the client wants to see upstream afresh (RFC 9111 §5.2.1.4).
func noCache(header http.Header) bool {
	for _, value := range header.Values("Cache-Control") {
		for directive := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(directive), "no-cache") {
				return true
			}
		}
	}
	return false
}

func unauthorized(w http.ResponseWriter, r *http.Request, message string) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	contentType, ok := negotiate(r.Header.Values("Accept"))
	if !ok {
		contentType = applicationJSON
	}
	writeError(w, contentType, http.StatusUnauthorized, codeUnauthenticated, message, nil)
}
