package document

import (
	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/internal/bytelru"
	"revox-graphql/internal/memory"
)

// cache is a checker that caches documents, except those that fail a check or would evict many others.
type cache struct {
	*checker
	known *bytelru.Cache[string, *Document]
}

const (
	maxDocuments     = 500
	maxDocumentBytes = 32 << 20 // of all documents together
	maxDocumentShare = maxDocumentBytes / 32
)

func newCache(c *checker, budget *memory.Budget) *cache {
	return &cache{c, bytelru.New[string, *Document](bytelru.Options{
		MaxEntries: maxDocuments, MaxBytes: maxDocumentBytes, Count: budget.Account("documents").Add,
	})}
}

// get returns the document of a text, checked now or before.
func (c *cache) get(text string) (*Document, gqlerror.List) {
	if known, ok := c.known.Get(text); ok {
		return known, nil
	}
	made, errs := c.check(text)
	if errs != nil {
		return nil, errs
	}
	if made.size <= maxDocumentShare {
		made.grown = func(bytes int64) { c.known.Grow(text, made, int(bytes)) }
		c.known.Put(text, made, made.size)
	}
	return made, nil
}
