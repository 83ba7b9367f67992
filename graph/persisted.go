package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"revox-graphql/internal/bytelru"
	"revox-graphql/internal/errcode"
	"revox-graphql/internal/memory"
)

// Persisted operations
//
// Automatic persisted queries (Apollo's protocol): a client sends the SHA-256 of its document; a gateway that does not
// know it says so, and the client sends both, once. Trusted documents: the operator gives a manifest of all that may
// run, and clients send ids. Either way what is found is a text or a document that has passed every check that others
// pass.

// finder finds the document that a request means.
type finder struct {
	documents *documents
	persisted *persistedQueries // nil: turned off
	trusted   *trustedDocuments // nil: everything may run
}

// find is the document of a request. With trusted documents it is one of the manifest.
func (f *finder) find(p *params, trusted *manifest) (*document, *refusal) {
	hash, given, refused := persistedHash(p.Extensions)
	switch {
	case refused != nil:
		return nil, refused
	case trusted != nil:
		return trusted.find(hash, p)
	case given && f.persisted == nil:
		return nil, refusePersisted(errcode.PersistedQueryNotSupported, "PersistedQueryNotSupported")
	case given && p.Query == "":
		text, known := f.persisted.get(hash)
		if !known {
			return nil, refusePersisted(errcode.PersistedQueryNotFound, "PersistedQueryNotFound")
		}
		return f.check(text)
	case p.Query == "" && p.documentID != "":
		return nil, refuse(0, errcode.PersistedQueryNotSupported,
			"This gateway has no trusted documents: send the document as `query`.")
	case p.Query == "":
		return nil, malformed("The parameter `query` is missing: it holds the GraphQL document.")
	case !given:
		return f.check(p.Query)
	}
	if sum := sha256.Sum256([]byte(p.Query)); !strings.EqualFold(hash, hex.EncodeToString(sum[:])) {
		return nil, malformed("The `sha256Hash` is not that of `query`. Hash the document's bytes as they are sent.")
	}
	document, refused := f.check(p.Query)
	if refused == nil {
		f.persisted.add(hash, document.text)
	}
	return document, refused
}

func (f *finder) check(text string) (*document, *refusal) {
	document, errs := f.documents.get(text)
	if errs != nil {
		return nil, &refusal{errors: errs}
	}
	return document, nil
}

// refusePersisted answers a hash as Apollo's protocol wants it: with 200 for every media type, or clients would take it
// for a failure of the network and not send the document. For the ids of other tools GraphQL over HTTP holds: without
// data, application/graphql-response+json is never 200.
func refusePersisted(code, message string) *refusal {
	return refuse(http.StatusOK, code, message)
}

// persistedHash is the hash that a request gives by Apollo's protocol. With trusted documents it may be any id.
func persistedHash(extensions map[string]any) (hash string, given bool, refused *refusal) {
	value, given := extensions["persistedQuery"]
	if !given || value == nil {
		return "", false, nil
	}
	object, _ := value.(map[string]any)
	hash, _ = object["sha256Hash"].(string)
	if hash == "" {
		return "", true, malformed("`extensions.persistedQuery` has no `sha256Hash`.")
	}
	if version, ok := object["version"]; ok && fmt.Sprint(version) != "1" {
		return "", true, malformed("`extensions.persistedQuery.version` must be 1.")
	}
	return hash, true, nil
}

// persistedQueries are the texts of documents by their hash. Only what parsed and validated gets in.
type persistedQueries struct {
	cache *bytelru.Cache[string, string]
}

// maxPersisted bounds their number whatever their bytes.
const maxPersisted = 1 << 16

func newPersistedQueries(maxBytes int, budget *memory.Budget) *persistedQueries {
	if maxBytes <= 0 {
		return nil
	}
	return &persistedQueries{bytelru.New[string, string](bytelru.Options{
		MaxEntries: maxPersisted, MaxBytes: maxBytes, Count: budget.Account("persisted_queries").Add,
	})}
}

func (p *persistedQueries) get(hash string) (text string, known bool) {
	return p.cache.Get(strings.ToLower(hash))
}

func (p *persistedQueries) add(hash, text string) {
	const rest = 256 // the hash, and the cache's own
	hash = strings.ToLower(hash)
	if _, known := p.cache.Get(hash); !known {
		p.cache.Put(strings.Clone(hash), text, len(text)+rest)
	}
}
