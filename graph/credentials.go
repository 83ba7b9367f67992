package graph

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"strings"

	"revox-graphql/upstream"
)

// gate decides whose calls a request is about.
type gate struct {
	credential upstream.Credential
	forward    bool
	tokens     []tokenHash
	file       *TokensFile // may be nil
	log        *slog.Logger
}

// tokenHash is what is kept of a token.
type tokenHash = [sha256.Size]byte

func newGate(opts Options) gate {
	g := gate{credential: opts.Credential, forward: opts.Forward, file: opts.TokensFile, log: opts.Log}
	for _, token := range opts.Tokens {
		g.tokens = append(g.tokens, sha256.Sum256([]byte(token)))
	}
	return g
}

// admit returns the credential that goes upstream, or what to tell whoever has none.
func (g *gate) admit(r *http.Request) (credential upstream.Credential, refusal string) {
	if g.anonymous() {
		return g.credential, ""
	}
	token := bearer(r)
	switch {
	case g.forward && token == "":
		return upstream.Credential{}, "Send your Revox API key as `Authorization: Bearer …`."
	case g.forward:
		return upstream.NewCredential(token), ""
	case !g.accepts(token):
		return upstream.Credential{}, "Send a token of this gateway as `Authorization: Bearer …`."
	default:
		return g.credential, ""
	}
}

// anonymous says that everybody is let in, without a credential of their own.
func (g *gate) anonymous() bool { return !g.forward && len(g.tokens) == 0 && g.file == nil }

// client tells those apart who are admitted, as far as they have credentials of their own.
func (g *gate) client(r *http.Request) tokenHash {
	if g.anonymous() {
		return tokenHash{}
	}
	return sha256.Sum256([]byte(bearer(r)))
}

// accepts compares hashes, so that the time it takes says nothing about a token, not even its length.
func (g *gate) accepts(token string) bool {
	hash := sha256.Sum256([]byte(token))
	ok := contains(g.tokens, hash)
	if g.file != nil {
		ok = contains(g.file.Current(g.log), hash) || ok
	}
	return ok
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
