package graph

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/hashicorp/golang-lru/v2/simplelru"

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

// Memory tells whether pages are still what a request would be given.
type Memory interface {
	upstream.Finder
	// Page is the page in memory that ListCalls would return without asking upstream; nil if it would ask.
	Page(opts upstream.ListCallsOptions) *upstream.Page
}

// trace records what was read for one request; nil records nothing. Root fields are resolved side by side, hence the
// lock.
type trace struct {
	mu     sync.Mutex
	pages  []pageRead
	calls  []callRead
	oldest time.Time // when the oldest page was asked for; zero where none was read
	stale  time.Time // when the oldest stale page was asked for; zero where none was read

	walked    bool // a cursor was followed
	drift     int  // rows by which its call had moved
	reordered bool // calls were seen to have changed places
	doubtful  bool // a cursor was followed to a place that is likely, and not proven
}

type pageRead struct {
	opts upstream.ListCallsOptions
	page weak.Pointer[upstream.Page]
}

type callRead struct {
	tenant    upstream.Tenant
	id        string
	notBefore time.Time
	page      weak.Pointer[upstream.Page] // that has the call; of no page, where none has
}

// maxReads bounds the look-ups that an answer may have taken, and so what it costs to check it.
const maxReads = 8

func (t *trace) readPage(opts upstream.ListCallsOptions, page *upstream.Page) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	opts.Allowance = nil // it is of this request, and what is remembered outlives that
	t.pages = append(t.pages, pageRead{opts, weak.Make(page)})
	t.readAt(page)
}

// readCall records a look-up, and the page that has the call, if one has.
func (t *trace) readCall(read callRead, page *upstream.Page) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	read.page = weak.Make(page)
	t.calls = append(t.calls, read)
	t.readAt(page)
}

// readAt records how old a page is, if there is one.
func (t *trace) readAt(page *upstream.Page) {
	if page == nil {
		return
	}
	if t.oldest.IsZero() || page.AskedAt.Before(t.oldest) {
		t.oldest = page.AskedAt
	}
	if page.Stale && (t.stale.IsZero() || page.AskedAt.Before(t.stale)) {
		t.stale = page.AskedAt
	}
}

// age is how old the oldest page is that was read; 0 if none was.
func (t *trace) age() time.Duration {
	if t.oldest.IsZero() {
		return 0
	}
	return max(0, time.Since(t.oldest))
}

// moved records that a cursor's call has moved by so many rows.
func (t *trace) moved(rows int) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.walked = true
	if max(rows, -rows) > max(t.drift, -t.drift) {
		t.drift = rows
	}
}

// judged records what a search has found: calls that have changed places, or a place that is likely and not proven.
func (t *trace) judged(reordered, doubtful bool) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reordered, t.doubtful = t.reordered || reordered, t.doubtful || doubtful
}

// holds reports whether every look-up would find now what it found then. Weak pointers to two pages differ, also when
// one of the pages is not in memory any more.
func (t *trace) holds(memory Memory) bool {
	for _, read := range t.pages {
		if page := memory.Page(read.opts); page == nil || weak.Make(page) != read.page {
			return false
		}
	}
	for _, read := range t.calls {
		if _, page := memory.FindCall(read.tenant, read.id, read.notBefore); weak.Make(page) != read.page {
			return false
		}
	}
	return true
}

// answers remembers answers, the least recently used leaving first.
type answers struct {
	memory   Memory
	maxBytes int
	account  *memory.Account

	mu    sync.Mutex
	known *simplelru.LRU[answerKey, *answer]
	bytes int
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
	trace     *trace
	sharers   atomic.Int32 // how many write the body now
}

// send writes the answer, or that the client has it.
func (a *answer) send(x *exchange) {
	header := x.w.Header()
	x.age = a.trace.age()
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

// maxAnswers bounds the number of answers whatever their bytes.
const maxAnswers = 1 << 16

func newAnswers(known Memory, maxBytes int, budget *memory.Budget) *answers {
	a := &answers{memory: known, maxBytes: maxBytes, account: budget.Account("response_cache")}
	budget.Shrinks(memory.ShrinkResponses, a.shrink)
	a.known, _ = simplelru.NewLRU(maxAnswers, func(key answerKey, dropped *answer) { // its one error is a size below 1
		size := dropped.size(key)
		a.bytes -= size
		a.account.Release(int64(size))
	})
	return a
}

// get is the answer to a request, nil when it has to be made.
func (a *answers) get(key answerKey) *answer {
	a.mu.Lock()
	known, ok := a.known.Get(key)
	a.mu.Unlock()
	if !ok || !known.trace.holds(a.memory) {
		return nil
	}
	return known
}

// put remembers an answer. It takes a copy of the body.
func (a *answers) put(key answerKey, made *answer) {
	kept := &answer{operation: made.operation, encoding: made.encoding, tag: made.tag, trace: made.trace}
	size := made.size(key)
	if size > a.maxBytes || !a.account.HasRoom(int64(size)) || len(made.trace.pages)+len(made.trace.calls) > maxReads {
		return
	}
	kept.body = bytes.Clone(made.body)
	defer a.account.Settle()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known.Remove(key) // so that the bytes of an older answer are given back
	a.known.Add(key, kept)
	a.account.Add(int64(size))
	for a.bytes += size; a.bytes > a.maxBytes; {
		a.known.RemoveOldest()
	}
}

// shrink drops so many bytes, the least recently used first, and returns how many it has dropped.
func (a *answers) shrink(bytes int64) (freed int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.bytes
	for a.known.Len() > 0 && int64(before-a.bytes) < bytes {
		a.known.RemoveOldest()
	}
	return int64(before - a.bytes)
}
