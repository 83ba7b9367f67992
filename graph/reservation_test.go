package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"revox-graphql/graph/admission"
	"revox-graphql/graph/document"
	"revox-graphql/internal/errcode"
	"revox-graphql/internal/memory"
	"revox-graphql/upstream"
)

// budgetOf is a budget of which so many bytes may be counted.
func budgetOf(bytes int64) *memory.Budget {
	return memory.NewBudget(bytes*2, bytes/80*100, slog.New(slog.DiscardHandler))
}

// account is one of a budget's accounts.
func account(t *testing.T, budget *memory.Budget, name string) *memory.Account {
	t.Helper()
	for _, account := range budget.Accounts() {
		if account.Name() == name {
			return account
		}
	}
	t.Fatalf("there is no account %s", name)
	return nil
}

// used is what an account has.
func used(t *testing.T, budget *memory.Budget, name string) int64 {
	t.Helper()
	return account(t, budget, name).Used()
}

// stuck is a client that takes nothing until it goes on.
type stuck struct {
	*httptest.ResponseRecorder
	once         sync.Once
	writes, goOn chan struct{}
}

func newStuck() *stuck {
	return &stuck{ResponseRecorder: httptest.NewRecorder(), writes: make(chan struct{}), goOn: make(chan struct{})}
}

// Write implements [io.Writer].
func (s *stuck) Write(b []byte) (int, error) {
	s.once.Do(func() { close(s.writes) })
	<-s.goOn
	return len(b), nil
}

// budgeted is a handler whose requests count in a budget, over one page of calls of which so many bytes were said. It
// caches nothing.
func budgeted(t *testing.T, budget *memory.Budget, calls, said, maxAnswer int) *handler {
	t.Helper()
	rows := make([]json.RawMessage, calls)
	for i := range rows {
		rows[i] = json.RawMessage(fmt.Sprintf(`{"id":"c%d","transcript":[{"role":"user","content":%q}]}`,
			i, strings.Repeat("x", said)))
	}
	h := newRival(t, rows).Handler.(*handler)
	h.responses, h.sizes = nil, admission.NewSizes[upstream.ListKey]()
	h.maxResponseBytes = maxAnswer
	h.admission = admission.New(100, 1<<20, 1<<30, budget)
	return h
}

func ask(h http.Handler, query string) *httptest.ResponseRecorder {
	body, _ := json.Marshal(map[string]string{"query": query})
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", applicationJSON)
	h.ServeHTTP(w, r)
	return w
}

// What a request is going to take is reserved before it is executed; and what it takes more while it is written. Beyond
// the budget it is refused as a whole. A first request always may begin.
func TestRequestsAreReserved(t *testing.T) {
	const said = 100_000
	all := "{ calls(first: 20) { nodes { id transcript { content } } } }" // 2 MB
	for name, test := range map[string]struct {
		budget   int64
		others   int64 // bytes that other requests have reserved
		learned  bool  // how much calls have is known
		query    string
		refused  bool
		executed bool
	}{
		"there is room":                     {budget: 8 << 20, query: all, executed: true},
		"there is room, beside others":      {budget: 10 << 20, others: 1 << 20, query: all, executed: true},
		"too much beside others":            {budget: 8 << 20, others: 4 << 20, query: all, refused: true, executed: true},
		"too much beside others, and known": {budget: 8 << 20, others: 6 << 20, learned: true, query: all, refused: true},
		"little beside others, and known": {
			budget: 8 << 20, others: 4 << 20, learned: true, query: "{ calls(first: 20) { nodes { id } } }", executed: true,
		},
		"a usual request with transcripts, beside others": {
			budget: 494 << 20, others: 450 << 20, learned: true, executed: true, // in a container of 1 GiB
			query: "{ calls(first: 2) { nodes { id transcript { content } } } }",
		},
		"nobody else, and known":  {budget: 1 << 20, learned: true, query: all, executed: true},
		"nothing is left at all":  {budget: 1 << 20, others: 2 << 20, query: "{ __typename }", refused: true},
		"nobody else, and little": {budget: 1 << 20, query: "{ __typename }", executed: true},
	} {
		t.Run(name, func(t *testing.T) {
			budget := budgetOf(test.budget)
			h := budgeted(t, budget, 20, said, 64<<20)
			if test.learned {
				h.sizes.Learn(upstream.List{}.Key(), 100, said)
			}
			account(t, budget, "requests_executing").Add(test.others)
			ran := false
			wrapped := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, report := WithReport(r.Context())
				h.ServeHTTP(w, r.WithContext(ctx))
				ran = report.Executed
			})
			w := ask(wrapped, test.query)
			if refused := w.Code == http.StatusServiceUnavailable; refused != test.refused {
				t.Errorf("%d: %.200s", w.Code, w.Body)
			}
			if test.refused && (w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), errcode.Overloaded) ||
				strings.Contains(w.Body.String(), `"data"`)) {
				t.Errorf("%v %.200s", w.Header(), w.Body)
			}
			if !test.refused && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%.200s", w.Body)
			}
			if ran != test.executed {
				t.Errorf("executed: %v", ran)
			}
			if got := used(t, budget, "requests_executing"); got != test.others {
				t.Errorf("%d bytes are still reserved", got-test.others)
			}
			if got := used(t, budget, "responses_being_written"); got != 0 {
				t.Errorf("%d bytes are still counted as being written", got)
			}
		})
	}
}

// While a response is written as much is counted as its buffers have.
func TestWhatIsWrittenIsCounted(t *testing.T) {
	budget := budgetOf(1 << 30)
	h := budgeted(t, budget, 20, 100_000, 64<<20)
	client := newStuck()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := httptest.NewRequest(http.MethodPost, "/graphql",
			strings.NewReader(`{"query":"{ calls(first: 20) { nodes { transcript { content } } } }"}`))
		r.Header.Set("Content-Type", applicationJSON)
		h.ServeHTTP(client, r)
	}()
	<-client.writes
	if got := used(t, budget, "responses_being_written"); got < 2_000_000 || got > 5_000_000 {
		t.Errorf("%d bytes are counted", got)
	}
	if got := used(t, budget, "requests_executing"); got > 0 {
		t.Errorf("%d bytes are still reserved", got)
	}
	close(client.goOn)
	<-done
	if got := used(t, budget, "responses_being_written"); got != 0 {
		t.Errorf("%d bytes are still counted", got)
	}
}

// A response beyond its limit is reported as that, whatever memory there is.
func TestTheLimitOfAResponseComesFirst(t *testing.T) {
	for _, limit := range []int{1 << 10, 100_000, 1_000_000} {
		h := budgeted(t, budgetOf(8<<20), 20, 100_000, limit)
		w := ask(h, "{ calls(first: 20) { nodes { transcript { content } } } }")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), errcode.QueryTooComplex) {
			t.Errorf("%d: %d %.200s", limit, w.Code, w.Body)
		}
	}
}

// Where there is no memory for a compressor a response is sent as it is.
func TestCompressingTakesMemory(t *testing.T) {
	for budget, encoding := range map[int64]string{16 << 20: encodingBrotli, 2 << 20: ""} {
		counted := budgetOf(budget)
		h := budgeted(t, counted, 20, 1000, 64<<20)
		r := httptest.NewRequest(http.MethodPost, "/graphql",
			strings.NewReader(`{"query":"{ calls(first: 20) { nodes { transcript { content } } } }"}`))
		r.Header.Set("Content-Type", applicationJSON)
		r.Header.Set("Accept-Encoding", "br")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding"); w.Code != http.StatusOK || got != encoding {
			t.Errorf("of %d bytes: %d, encoded as %q", budget, w.Code, got)
		}
		if got := used(t, counted, "requests_executing"); got != 0 {
			t.Errorf("%d bytes are still reserved", got)
		}
	}
}

// A body that several clients are sent is counted once, until the last has it.
func TestSharedBodiesAreCountedOnce(t *testing.T) {
	const size = 100_000
	for _, first := range []int{0, 1, 2} { // the client that gets it first
		budget := budgetOf(1 << 30)
		control := admission.New(10, 0, 1<<30, budget)
		writers := new(atomic.Int32)
		clients := []*stuck{newStuck(), newStuck(), newStuck()}
		done := make([]chan struct{}, len(clients))
		body := make([]byte, size)
		for i, client := range clients {
			done[i] = make(chan struct{})
			go func() {
				defer close(done[i])
				admitted := control.Begin()
				if err := admitted.Enter(); err != nil {
					t.Error(err)
				}
				x := &exchange{
					w: client, r: httptest.NewRequest(http.MethodPost, "/graphql", http.NoBody),
					contentType: applicationJSON, admission: admitted, writers: writers,
				}
				x.send(http.StatusOK, body, 0)
			}()
			<-client.writes
		}
		for n := range clients {
			if got := used(t, budget, "responses_being_written"); got != size {
				t.Errorf("%d bytes are counted for %d clients", got, len(clients)-n)
			}
			i := (first + n) % len(clients)
			close(clients[i].goOn)
			<-done[i]
		}
		if got := used(t, budget, "responses_being_written"); got != 0 {
			t.Errorf("%d bytes are counted in the end", got)
		}
	}
}

// Bodies on their way in are counted, and refused where there is no memory for them.
func TestBodiesCountInTheBudget(t *testing.T) {
	budget := budgetOf(130_000)
	control := admission.New(10, 1<<20, 0, budget)
	held, write := io.Pipe()
	read := func(body io.Reader) *rejection {
		r := httptest.NewRequest(http.MethodPost, "/graphql", body)
		r.Header.Set("Content-Type", applicationJSON)
		r.ContentLength = -1
		_, refused := readText(httptest.NewRecorder(), r, 1<<20, control)
		return refused
	}
	done := make(chan *rejection)
	go func() { done <- read(held) }()
	for range 2 { // the second is read after the first has been counted
		if _, err := io.WriteString(write, strings.Repeat(" ", 10_000)); err != nil {
			t.Fatal(err)
		}
	}
	if refused := read(strings.NewReader(strings.Repeat(" ", 45_000))); refused == nil ||
		refused.status != http.StatusServiceUnavailable {
		t.Errorf("got %+v", refused)
	}
	if refused := read(strings.NewReader(strings.Repeat(" ", 20_000))); refused != nil {
		t.Errorf("got %+v", refused)
	}
	_ = write.Close()
	if refused := <-done; refused != nil {
		t.Errorf("got %+v", refused)
	}
	if got := used(t, budget, "request_bodies"); got != 0 {
		t.Errorf("%d bytes are counted in the end", got)
	}
}

// What calls have is learned from the pages that are read, for each list.
func TestSizesAreLearned(t *testing.T) {
	const said = 50_000
	h := budgeted(t, budgetOf(1<<30), 20, said, 64<<20)
	own := upstream.NewCredential("own")
	h.authenticate = func(*http.Request) (Client, error) { return Client{Credential: own}, nil }
	all := upstream.List{Credential: own}.Key()
	if h.sizes.Of(all) != h.sizes.Of() {
		t.Error("something is known")
	}
	ask(h, "{ calls(first: 20) { nodes { id } } }")
	got := h.sizes.Of(all)
	if got.Transcript < said || got.Transcript > said*1.1 || got.Call < 50 || got.Call > 500 {
		t.Errorf("learned %+v", got)
	}
	for _, other := range []upstream.Credential{{}, upstream.NewCredential("other")} {
		if size := h.sizes.Of(upstream.List{Credential: other}.Key()); size != h.sizes.Of() {
			t.Errorf("another credential has %+v", size)
		}
	}
	errored := upstream.List{Credential: own, Statuses: upstream.NewOrderStatuses(upstream.OrderStatusErrored)}.Key()
	if other := h.sizes.Of(errored, all); other != got {
		t.Errorf("another list has %+v", other)
	}
	h.sizes.Learn(errored, 7, 9)
	for query, want := range map[string]float64{
		"{ calls(first: 20, statuses: [ERRORED]) { nodes { transcript { role } } } }":   20 * (7 + 9),
		"{ calls(first: 20, statuses: ERRORED) { nodes { id } } }":                      20 * 7,
		"{ calls(first: 20) { nodes { id } } }":                                         20 * got.Call,
		"{ calls(first: 20) { nodes { transcript { content } } } }":                     20 * (got.Call + got.Transcript),
		"{ calls(first: 20) { nodes { transcript { role } b: transcript { role } } } }": 20 * (got.Call + 2*got.Transcript),
		"{ __typename }": 0,
	} {
		found, err := h.documents.Find(document.Request{Query: query}, nil)
		if err != nil {
			t.Fatal(err)
		}
		operation, problem := found.Operation("")
		if problem != nil {
			t.Fatal(problem)
		}
		estimate := estimate(h.sizes, operation, nil, all.Tenant)
		if estimate < int(want)-20 || estimate > int(want)+20 {
			t.Errorf("%s: %d bytes are expected, and not %f", query, estimate, want)
		}
	}
}

// Buffers that have grown are not kept, but for a few.
func TestBuffersAreNotKept(t *testing.T) {
	p := &bufferPool{large: make(chan *bytes.Buffer, 2)}
	p.small.New = func() any { return new(bytes.Buffer) }
	sized := func(size int) *bytes.Buffer {
		b := new(bytes.Buffer)
		b.Grow(size)
		return b
	}
	for range 5 {
		p.put(sized(largeBuffer / 2))
		p.put(sized(2 * largeBuffer))
	}
	if len(p.large) != 2 {
		t.Errorf("%d are kept", len(p.large))
	}
	for range 3 {
		b := p.get(largeBuffer / 2)
		if b.Cap() > largeBuffer || b.Len() != 0 {
			t.Errorf("%d bytes", b.Cap())
		}
	}
	if len(p.large) != 0 {
		t.Error("large ones are not used again")
	}
	p.put(sized(2 * smallBuffer))
	if b := p.get(1); b.Cap() > smallBuffer {
		t.Errorf("a small one has %d bytes", b.Cap())
	}
}
