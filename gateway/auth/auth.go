// Package auth authenticates the clients of the gateway: by a token of the gateway (token.go, tokensfile.go), or by
// their own API key with forwarding. key.go has the gateway's own key.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"revox-graphql/graph"
	"revox-graphql/upstream"
)

// Options say which clients are let in, and with which credential.
type Options struct {
	// Key goes upstream for every client, unless Forward is set: then each client's own bearer token does.
	Key     Key
	Forward bool
	// Tokens are the bearer tokens that clients may present, and so are those of File, unless that is nil. Without
	// either every client is let in. Not with Forward.
	Tokens []string
	File   *TokensFile
	Log    *slog.Logger
}

// tokenHash is the hash of a token; the token itself is not kept.
type tokenHash = [sha256.Size]byte

// Errors as the client reads them.
var (
	//nolint:staticcheck // a sentence
	errNoKey = errors.New("Send your Revox API key as `Authorization: Bearer …`.")
	//nolint:staticcheck // a sentence
	errNoToken = errors.New("Send a token of this gateway as `Authorization: Bearer …`.")
)

// Realm returns the realm of WWW-Authenticate in a 401: it says whose credential is missing. A page that asks its user
// reads it there.
func Realm(forward bool) string {
	if forward {
		return "Revox"
	}
	return "revox-graphql"
}

// New returns a function for [graph.Options.Authenticate].
func New(opts Options) func(*http.Request) (graph.Client, error) {
	switch {
	case opts.Forward:
		return forward
	case len(opts.Tokens) == 0 && opts.File == nil:
		return func(*http.Request) (graph.Client, error) {
			return graph.Client{Credential: opts.Key.Current(opts.Log)}, nil
		}
	}
	hashes := make([]tokenHash, len(opts.Tokens))
	for i, token := range opts.Tokens {
		hashes[i] = sha256.Sum256([]byte(token))
	}
	return func(r *http.Request) (graph.Client, error) {
		// Hashes are compared, so that the time it takes says nothing about a token, not even its length.
		hash := sha256.Sum256([]byte(bearer(r)))
		ok := contains(hashes, hash)
		if opts.File != nil {
			ok = contains(opts.File.Current(opts.Log), hash) || ok
		}
		if !ok {
			return graph.Client{}, errNoToken
		}
		return graph.Client{Credential: opts.Key.Current(opts.Log), ID: hash}, nil
	}
}

// forward lets every client in that sends a key, which goes upstream.
func forward(r *http.Request) (graph.Client, error) {
	key := bearer(r)
	if key == "" {
		return graph.Client{}, errNoKey
	}
	return graph.Client{
		Credential: upstream.NewCredential(key), OwnKey: true, ID: sha256.Sum256([]byte(key)),
	}, nil
}

func contains(tokens []tokenHash, hash tokenHash) bool {
	ok := false
	for _, known := range tokens {
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
