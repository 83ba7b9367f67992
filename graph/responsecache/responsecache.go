// Package responsecache caches whole responses for as long as the pages that they were made from are current.
//
// A response is a function of the request and of the pages it was made from, and pages never change. So while each
// look-up that the response took would still find the very same page in memory, executing the request would give the
// same response, and the cache serves the stored bytes. That check is the whole invalidation: a look-up no longer finds
// a page that has become stale, and a newer page is another page. The check takes one look-up for each page, as
// executing would.
//
// A cached response refers to its pages by weak pointers. It must not keep them in memory: pages have a memory limit of
// their own, and a client that walks a list leaves responses of many pages that the page cache has evicted.
//
// The key is the bytes of the request, the tenant and the encoding. Only responses without errors are cached.
//
// executions.go shares one execution among identical requests in flight.
package responsecache

import (
	"bytes"
	"sync/atomic"

	"revox-graphql/graph/pagination"
	"revox-graphql/internal/bytelru"
	"revox-graphql/internal/memory"
)

// Key names a request.
type Key struct {
	Tenant   [16]byte // see upstream.Tenant
	Method   string
	Text     string // the query string or the body, whose forms overlap
	Encoding string // of the response; "" for none
	Trusted  int    // the version of the trusted documents
}

// Response is a response as it is sent, and what it was made from.
type Response struct {
	Operation Operation
	Body      []byte
	Encoding  string // "" for none
	Tag       string // the entity tag, for GET
	Reads     *pagination.Reads
	// Held is how many bytes of memory are held for the body, if more than it has.
	Held int
	// Writers is how many write the body at present.
	Writers atomic.Int32
}

// Operation describes the operation of a response, for the report.
type Operation struct {
	// Name is as the client has chosen it, cut where it has more than 100 bytes, and "" if it has not chosen one.
	Name string
	// Hash is the SHA-256 of the document in hexadecimal digits, as automatic persisted queries have it.
	Hash string
	// Cost is what package document makes of it and its variables.
	Cost int
}

// size is about what it takes to cache the response, in bytes.
func (r *Response) size(key *Key) int {
	const rest = 1 << 10 // keys, reads, and the cache's own
	return len(r.Body) + len(key.Text) + rest
}

const (
	// maxReads bounds the look-ups that a response may have taken, and so what it costs to check it.
	maxReads = 8
	// maxResponses bounds the number of responses whatever their bytes.
	maxResponses = 1 << 16
)

// Cache is safe for concurrent use. A nil Cache has nothing and keeps nothing.
type Cache struct {
	pages     pagination.Memory
	maxBytes  int
	account   *memory.Account
	responses *bytelru.Cache[Key, *Response]
}

// New makes a cache of so many bytes over the pages in memory. The budget counts it and may shrink it.
func New(pages pagination.Memory, maxBytes int, budget *memory.Budget) *Cache {
	c := &Cache{pages: pages, maxBytes: maxBytes, account: budget.Account("response_cache")}
	c.responses = bytelru.New[Key, *Response](bytelru.Options{
		MaxEntries: maxResponses, MaxBytes: maxBytes, Count: c.account.Add,
	})
	budget.Shrinks(memory.ShrinkResponses, c.account, c.responses.Shrink)
	return c
}

// Get returns the response to a request; nil if the request must be executed.
func (c *Cache) Get(key Key) *Response {
	if c == nil {
		return nil
	}
	found, ok := c.responses.Get(key)
	if !ok || !found.Reads.Holds(c.pages) {
		return nil
	}
	return found
}

// Put caches a copy of a response, unless there is no room for it or it is too costly to check.
func (c *Cache) Put(key Key, made *Response) {
	if c == nil {
		return
	}
	size := made.size(&key)
	if size > c.maxBytes || !c.account.HasRoom(int64(size)) || made.Reads.Count() > maxReads {
		return
	}
	c.responses.Put(key, &Response{
		Operation: made.Operation, Body: bytes.Clone(made.Body), Encoding: made.Encoding, Tag: made.Tag,
		Reads: made.Reads,
	}, size)
	c.account.Settle()
}
