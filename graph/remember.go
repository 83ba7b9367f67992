package graph

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"sync/atomic"

	"revox-graphql/graph/pagination"
	"revox-graphql/internal/bytelru"
	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
)

// Remembered answers
//
// An answer is a function of the request and of the pages it was made from. Pages never change, so while every look-up
// that the answer took would still find the very same page in memory, the answer is the one that executing would give,
// and its bytes are sent as they are. That check is the whole invalidation: a page that has gone stale is not found any
// more, and a newer one is another page. It costs one look-up for each page, as executing would.
//
// What is remembered names its pages by weak pointers. It must not hold them: pages have a bound in memory of their
// own, and whoever walks a list leaves answers of many pages that the cache has let go.
//
// What is remembered is keyed by the request's own bytes, the credential and the encoding. Only answers without errors
// are.

// answers remembers answers, the least recently used leaving first.
type answers struct {
	memory   pagination.Memory
	maxBytes int
	account  *memory.Account
	cache    *bytelru.Cache[answerKey, *answer]
}

// answerKey names a request. Its text is the query string or the body, whose forms overlap.
type answerKey struct {
	tenant   upstream.Tenant
	method   string
	text     string
	encoding string
	trusted  int // the version of the trusted documents
}

// answer is a body as it is sent, and what it was made from.
type answer struct {
	operation Operation
	body      []byte
	encoding  string // "" for none
	tag       string // the entity tag, for GET
	trace     *pagination.Reads
	sharers   atomic.Int32 // how many write the body now
}

// send writes the answer, or that the client has it.
func (a *answer) send(x *exchange) {
	header := x.w.Header()
	x.age = a.trace.Age()
	if a.tag != "" {
		header["Cache-Control"] = revalidate
		header["Etag"] = []string{a.tag}
		if hasTag(x.r.Header.Values("If-None-Match"), a.tag) {
			x.sayAge()
			x.w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if a.encoding != "" {
		header["Content-Encoding"] = []string{a.encoding}
	}
	x.send(http.StatusOK, a.body)
}

// entityTag is a weak tag: the same for every encoding and media type of the body.
func entityTag(body []byte) string {
	hash := sha256.Sum256(body)
	return `W/"` + base64.RawURLEncoding.EncodeToString(hash[:16]) + `"`
}

// hasTag reports whether the client has an answer with this weak tag (RFC 9110 §13.1.2).
func hasTag(ifNoneMatch []string, tag string) bool {
	for part := range strings.SplitSeq(strings.Join(ifNoneMatch, ","), ",") {
		if part = strings.TrimSpace(part); part == "*" || strings.TrimPrefix(part, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// size is about what it takes to remember an answer.
func (a *answer) size(key answerKey) int {
	const rest = 1 << 10 // keys, reads, and the LRU's own
	return len(a.body) + len(key.text) + rest
}

// maxReads bounds the look-ups that an answer may have taken, and so what it costs to check it.
const maxReads = 8

// maxAnswers bounds the number of answers whatever their bytes.
const maxAnswers = 1 << 16

func newAnswers(known pagination.Memory, maxBytes int, budget *memory.Budget) *answers {
	a := &answers{memory: known, maxBytes: maxBytes, account: budget.Account("response_cache")}
	a.cache = bytelru.New[answerKey, *answer](bytelru.Options{
		MaxEntries: maxAnswers, MaxBytes: maxBytes, Count: a.account.Add,
	})
	budget.Shrinks(memory.ShrinkResponses, a.account, a.cache.Shrink)
	return a
}

// get is the answer to a request, nil when it has to be made.
func (a *answers) get(key answerKey) *answer {
	known, ok := a.cache.Get(key)
	if !ok || !known.trace.Holds(a.memory) {
		return nil
	}
	return known
}

// put remembers an answer. It takes a copy of the body.
func (a *answers) put(key answerKey, made *answer) {
	size := made.size(key)
	if size > a.maxBytes || !a.account.HasRoom(int64(size)) || made.trace.Count() > maxReads {
		return
	}
	kept := &answer{operation: made.operation, encoding: made.encoding, tag: made.tag, trace: made.trace}
	kept.body = bytes.Clone(made.body)
	a.cache.Put(key, kept, size)
	a.account.Settle()
}
