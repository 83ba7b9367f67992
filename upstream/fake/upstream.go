package fake

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"revox-graphql/upstream/fake/conversation"
)

// DefaultCalls is the length of the list that a busy account has after some weeks.
const DefaultCalls = 20_000

// Config fixes what New generates.
type Config struct {
	Seed  uint64           // the same seed makes the same calls
	Calls int              // how many calls the list has at first; may be 0
	Now   func() time.Time // the clock; nil: time.Now. If the clock stands still, calls do not change
}

// Upstream is the endpoint: an http.Handler, and a list of calls that can be changed while it is served. All methods
// are safe for concurrent use. New makes an Upstream.
type Upstream struct {
	seed    uint64
	now     func() time.Time
	library *conversation.Library

	list   atomic.Pointer[list]
	writer sync.Mutex // held while the list changes
	next   uint32     // the serial number of the next call; guarded by writer

	behaviour atomic.Pointer[Behaviour]
	behaving  sync.Mutex // held while the switches change

	ordered atomic.Pointer[ordered] // the last order that was made; nil before

	record  record
	scratch sync.Pool // of *scratch
}

// scratch is the memory in which a page is rendered. A page of 200 calls is more than a megabyte, so scratch is
// reused.
type scratch struct {
	page         []byte
	places       []int // of the rows of the page, in the view
	conversation conversation.Talk
}

// New generates a list of calls that ends now, and serves it.
func New(cfg Config) *Upstream {
	u := &Upstream{seed: cfg.Seed, now: cfg.Now, library: conversation.Load()}
	if u.now == nil {
		u.now = time.Now
	}
	u.scratch.New = func() any { return &scratch{conversation: conversation.New(u.library)} }
	u.behaviour.Store(&Behaviour{})
	u.generate(max(cfg.Calls, 0))
	return u
}

// ServeHTTP serves `GET <any prefix>/call`. Other paths are a 404, other methods a 405.
//
// ServeHTTP records the request first. Then it calls Fault, waits for Latency, and only then reads the list.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b := u.behaviour.Load()
	q := readQuery(r.URL.Query(), b)
	ticket := u.record.arrive(Request{
		Page: q.page, PageSize: q.pageSize, Statuses: q.names,
		RawQuery: r.URL.RawQuery, Authorization: r.Header.Get("Authorization"),
	})
	var fault *Response
	if b.Fault != nil {
		fault = b.Fault(ticket.n, r)
	}
	if !pause(r.Context(), b.Latency) {
		return // the client has left
	}

	s := u.scratch.Get().(*scratch) // the pool holds nothing else
	defer u.scratch.Put(s)
	status, rows := u.respond(s, b, r, q, ticket.n)
	body, header, truncate := s.page, http.Header(nil), false
	if fault != nil {
		header, truncate = fault.Header, fault.Truncate
		if status = fault.Status; status == 0 {
			status = http.StatusOK
		}
		if fault.Body != nil {
			body, rows = fault.Body, 0
		}
	}
	// Recorded before it is written: a client that has read the response finds it in the record.
	u.record.responded(ticket, status, rows)

	if status == http.StatusNoContent {
		body = nil
	} else {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodGet)
	}
	for name, values := range header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(status)
	if !truncate {
		_, _ = w.Write(body) // the client may have left
		return
	}
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush() // else net/http would not send the half
	panic(http.ErrAbortHandler)
}

// respond puts the body of the real response to request n into s.page.
func (u *Upstream) respond(s *scratch, b *Behaviour, r *http.Request, q query, n int) (status, rows int) {
	switch {
	case !strings.HasSuffix(r.URL.Path, "/call"):
		return s.refuse(http.StatusNotFound, "There is nothing here.")
	case r.Method != http.MethodGet:
		return s.refuse(http.StatusMethodNotAllowed, "Calls can only be read here.")
	case b.Key != "" && r.Header.Get("Authorization") != "Bearer "+b.Key:
		return s.refuse(http.StatusUnauthorized, "The API key is missing or not valid.")
	case q.refusal != "":
		return s.refuse(q.status, q.refusal)
	}
	return u.respondPage(s, b, q, n)
}

// refuse puts an error into s.page.
func (s *scratch) refuse(status int, message string) (int, int) {
	code := "validation_error"
	if status != http.StatusUnprocessableEntity {
		code = strings.ToLower(strings.ReplaceAll(http.StatusText(status), " ", "_"))
	}
	s.page = append(s.page[:0], `{"error":{"code":"`...)
	s.page = append(s.page, code...)
	s.page = append(s.page, `","message":"`...)
	s.page = append(s.page, message...)
	s.page = append(s.page, `"}}`...)
	return status, 0
}

// pause waits for d. It returns false if ctx is done first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
