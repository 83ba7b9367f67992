package document

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"revox-graphql/internal/bytelru"
	"revox-graphql/internal/memory"
)

// Persisted operations
//
// Automatic persisted queries (Apollo's protocol): a client sends the SHA-256 of its document. If the gateway does not
// know the hash, it says so, and the client sends hash and text once. Trusted documents: the operator provides a
// manifest of all documents that may run, and clients send ids. Either way, the result is a document that has passed
// every check.

// Request is how a GraphQL request names its document.
type Request struct {
	// Query is the text; "" if the request has none.
	Query string
	// ID is the id of a trusted document; "" if the request has none.
	ID string
	// Extensions are the request's extensions, which have the hash in Apollo's protocol.
	Extensions map[string]any
}

// Errors of a request that does not name a document. The caller words them: clients of Apollo's protocol expect one
// wording and status, and other clients another.
var (
	// ErrNoQuery: the request has no text, hash or id.
	ErrNoQuery = errors.New("the request names no document")
	// ErrNoHash, ErrVersion and ErrWrongHash: `extensions.persistedQuery` is not as Apollo's protocol requires.
	ErrNoHash    = errors.New("persistedQuery has no sha256Hash")
	ErrVersion   = errors.New("persistedQuery has a version other than 1")
	ErrWrongHash = errors.New("the sha256Hash is not that of the query")
	// ErrHashUnknown: the client has to send the text too.
	ErrHashUnknown = errors.New("no document with this hash is known")
	// ErrHashNotSupported: automatic persisted queries are off, or no trusted document has the hash.
	ErrHashNotSupported = errors.New("documents are not found by hash")
	// ErrIDNotSupported: there are no trusted documents.
	ErrIDNotSupported = errors.New("documents are not found by id")
	// ErrIDUnknown: no trusted document has the id.
	ErrIDUnknown = errors.New("no trusted document has this id")
	// ErrNotTrusted: only trusted documents run, and the request names none.
	ErrNotTrusted = errors.New("only trusted documents run")
)

// Store finds and checks documents. It is safe for concurrent use.
type Store struct {
	cache     *cache
	persisted *persistedQueries // nil: turned off
	trusted   *trustedDocuments // nil: every document may run
}

// New makes a store. Its error is about the manifest of trusted documents.
func New(opts Options) (*Store, error) {
	c := newChecker(&opts)
	s := &Store{cache: newCache(c, opts.Memory), persisted: newPersistedQueries(opts.PersistedBytes, opts.Memory)}
	if opts.TrustedDocuments == "" {
		return s, nil
	}
	trusted, err := openTrustedDocuments(opts.TrustedDocuments, c, opts.Log)
	s.trusted = trusted
	return s, err
}

// Trusted returns the current manifest; nil if every document may run.
func (s *Store) Trusted() *Manifest { return s.trusted.current() }

// Find returns the document of a request: one of the manifest, unless that is nil. Its error is one of the errors of
// this package, or a gqlerror.List about the document.
func (s *Store) Find(r Request, trusted *Manifest) (*Document, error) {
	hash, given, err := persistedHash(r.Extensions)
	switch {
	case err != nil:
		return nil, err
	case trusted != nil:
		return trusted.find(hash, r.ID)
	case given && s.persisted == nil:
		return nil, ErrHashNotSupported
	case given && r.Query == "":
		text, known := s.persisted.get(hash)
		if !known {
			return nil, ErrHashUnknown
		}
		return s.check(text)
	case r.Query == "" && r.ID != "":
		return nil, ErrIDNotSupported
	case r.Query == "":
		return nil, ErrNoQuery
	case !given:
		return s.check(r.Query)
	}
	if sum := sha256.Sum256([]byte(r.Query)); !strings.EqualFold(hash, hex.EncodeToString(sum[:])) {
		return nil, ErrWrongHash
	}
	document, err := s.check(r.Query)
	if err == nil {
		s.persisted.add(hash, document.Text)
	}
	return document, err
}

func (s *Store) check(text string) (*Document, error) {
	document, errs := s.cache.get(text)
	if errs != nil {
		return nil, errs
	}
	return document, nil
}

// persistedHash returns the hash that a request has in Apollo's protocol. With trusted documents, that may be any id.
func persistedHash(extensions map[string]any) (hash string, given bool, err error) {
	value, given := extensions["persistedQuery"]
	if !given || value == nil {
		return "", false, nil
	}
	object, _ := value.(map[string]any)
	hash, _ = object["sha256Hash"].(string)
	if hash == "" {
		return "", true, ErrNoHash
	}
	if version, ok := object["version"]; ok && fmt.Sprint(version) != "1" {
		return "", true, ErrVersion
	}
	return hash, true, nil
}

// persistedQueries has the texts of documents by their hash, but only of documents that passed every check.
type persistedQueries struct {
	cache *bytelru.Cache[string, string]
}

// maxPersisted bounds the number of texts, whatever their bytes.
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
	const rest = 256 // bytes of the hash, and of the cache's entry
	hash = strings.ToLower(hash)
	if _, known := p.cache.Get(hash); !known {
		p.cache.Put(strings.Clone(hash), text, len(text)+rest)
	}
}
