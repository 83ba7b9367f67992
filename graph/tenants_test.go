package graph_test

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"revox-graphql/graph"
	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/pagecache"
	"revox-graphql/upstream/rest"
)

var (
	tenantsSeed       = flag.Uint64("tenants.seed", 0, "what TestTenants draws from; 0 is another seed each time")
	tenantsOperations = flag.Int("tenants.operations", 3_000, "how many requests TestTenants sends at least")
)

// TestTenants holds that nothing crosses from one tenant to another: no row, no error, no cached response. Three
// tenants and a key that upstream refuses share a gateway whose memory is too small for them. They ask the same
// questions at the same moments, also for one another's calls and with one another's cursors, and one of the three has
// an upstream that fails. Each call that is shown must be the client's own, down to its transcript, and each error must
// be one that this client's upstream has caused.
//
// A seed draws the same requests once more, but for their cursors, which come from responses, and for the order in
// which those of one moment arrive. A long run:
//
//	go test ./graph -run TestTenants -tenants.operations 100000
func TestTenants(t *testing.T) {
	seed := cmp.Or(*tenantsSeed, rand.Uint64())
	random := rand.New(rand.NewPCG(seed, 0))
	seen := &tenantsSeen{errors: map[string]int{}}
	// The next gateway begins again, and another tenant may have the trouble: after one 401, or once the circuit breaker
	// has opened, upstream is not asked for seconds, which is longer than a gateway lives here.
	const perGateway = 500
	for ok := true; ok && seen.requests < *tenantsOperations; {
		ok = t.Run("", func(t *testing.T) {
			g := newSharedGateway(t, random, seen)
			for end := min(*tenantsOperations, seen.requests+perGateway); seen.requests < end && !t.Failed(); {
				g.moment()
			}
		})
	}
	t.Logf("seed %d: %+v", seed, *seen)
	if !t.Failed() && seen.calls == 0 {
		t.Error("nobody was shown anything")
	}
}

// tenantsSeen counts what a run has met.
type tenantsSeen struct {
	requests, givenUp, unmodified, stale int            // requests of tenants, and some ways in which they ended
	calls                                int            // shown
	errors                               map[string]int // by code
	upstream                             int            // requests to upstream
	shared, evicted                      uint64         // fetches, and pages of the cache
}

// tenant is somebody with a key, and upstream as it is with that key.
type tenant struct {
	authorization string
	fake          *fake.Upstream
	twin          *fake.Upstream // has had the same calls, and shows what upstream should say of them
	first         []string       // ids of the calls in the list when the gateway started
	refused       bool           // upstream does not take the key

	// causes are the codes of errors that upstream has given cause for. They change between two moments only.
	causes map[string]bool

	mu      sync.Mutex
	rows    map[string]tenantRow // of all calls that were ever in the list
	cursors []tenantCursor       // from responses to this tenant
}

// tenantRow is what is compared of a call as upstream sends it.
type tenantRow struct {
	ID               string `json:"id"`
	PhoneNumber      any    `json:"phone_number"`
	StructuredOutput any    `json:"structured_output"`
	Transcript       []struct {
		Content string `json:"content"`
	} `json:"transcript"`
}

// tenantCursor is a cursor, nil for none, and the filter that it is good for.
type tenantCursor struct {
	text     *string
	statuses []string
}

// shortestList is as many calls as the first tenant has; the next have twice and three times as many, so that a count
// shows whose it is. As many calls leave as arrive, but for a moment there may be mostArriving more.
const (
	shortestList = 30
	mostArriving = 3
)

func newTenant(t *testing.T, name string, seed uint64, calls int) *tenant {
	t.Helper()
	config := fake.Config{Seed: seed, Calls: calls, Now: func() time.Time { return noon }}
	n := &tenant{
		authorization: "Bearer sk_" + name, fake: fake.New(config), twin: fake.New(config),
		causes: map[string]bool{}, rows: map[string]tenantRow{},
	}
	n.first = n.fake.IDs()
	n.learn(t, calls)
	n.fake.Behave(func(b *fake.Behaviour) { b.Key = "sk_" + name })
	return n
}

// learn reads the newest calls.
func (n *tenant) learn(t *testing.T, calls int) {
	t.Helper()
	w := httptest.NewRecorder()
	n.twin.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/call?page=0&page_size=%d", calls), http.NoBody))
	var page struct {
		Calls []tenantRow `json:"calls"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || len(page.Calls) != calls {
		t.Errorf("%d calls: %v", len(page.Calls), err)
	}
	for _, row := range page.Calls {
		n.rows[row.ID] = row
	}
}

// move lets calls arrive, and as many leave from a position in the list. A response is judged before or after, so that
// a call that it shows is known.
func (n *tenant) move(t *testing.T, calls, from int) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fake.Insert(calls)
	n.twin.Insert(calls)
	n.learn(t, calls)
	n.fake.Remove(n.fake.IDs()[from : from+calls]...)
}

// sharedGateway is a gateway that tenants share.
type sharedGateway struct {
	*httptest.Server
	t       *testing.T
	random  *rand.Rand // for what is drawn between two moments
	cache   *pagecache.Cache
	tenants []*tenant // three, and one whose key upstream refuses
	unlucky *tenant   // one of the three
	alone   int       // above 0: nobody else asks, so that nobody's luck comes between its failures; counts moments
	recent  []tenantQuestion

	mu     sync.Mutex
	seen   *tenantsSeen
	tags   map[string]string // by question: the last entity tag that somebody was given
	bodies map[string][]byte // by tag
}

func newSharedGateway(t *testing.T, random *rand.Rand, seen *tenantsSeen) *sharedGateway {
	t.Helper()
	g := &sharedGateway{t: t, random: random, seen: seen, tags: map[string]string{}, bodies: map[string][]byte{}}
	t.Cleanup(g.finish) // when all of the following have been closed
	for i, name := range []string{"one", "two", "three"} {
		n := newTenant(t, name, random.Uint64(), shortestList*(i+1))
		// What is found out about one tenant's upstream is wrong for the next.
		n.fake.Behave(func(b *fake.Behaviour) { b.FirstPage = i % 2 })
		g.tenants = append(g.tenants, n)
	}
	g.unlucky = g.tenants[random.IntN(3)]
	unknown := newTenant(t, "unknown", 0, 1)
	unknown.fake.Behave(func(b *fake.Behaviour) { b.Key = "another" })
	unknown.refused, unknown.causes["UNAUTHENTICATED"] = true, true
	clear(unknown.rows)
	g.tenants = append(g.tenants, unknown)

	server := httptest.NewServer(http.HandlerFunc(g.serveUpstream))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := rest.NewClient(rest.Options{
		BaseURL: base, FirstPage: upstream.FirstPageAuto, RetryDelay: time.Millisecond,
		MaxConcurrent: 6, MaxTenantConcurrent: 3, AnyKey: true,
		Transport: clientTransport{&http.Transport{MaxIdleConnsPerHost: 6}},
	})
	t.Cleanup(client.Close)
	g.cache = pagecache.New(client, pagecache.Options{
		TTL:            pick(random, []time.Duration{5 * time.Millisecond, 50 * time.Millisecond, time.Second}),
		Revalidate:     pick(random, []time.Duration{0, 50 * time.Millisecond, 5 * time.Second}),
		Stale:          pick(random, []time.Duration{0, 5 * time.Second}),
		MaxBytes:       pick(random, []int{200 << 10, 1200 << 10}),
		MaxTenantBytes: pick(random, []int{100 << 10, 600 << 10}),
		Timeout:        30 * time.Second,
		MaxWaiters:     400, Proven: client.Proven,
	})
	t.Cleanup(g.cache.Close)
	handler, err := graph.NewHandler(graph.Options{
		Calls: g.cache, Known: g.cache, Cached: true, ResponseCacheBytes: pick(random, []int{20 << 10, 500 << 10}),
		PageSize: 20, MaxCount: 20, MaxShift: 100, MaxScan: 2, Timeout: 30 * time.Second, Authenticate: withKeys,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), clientKey{}, r.Header.Get("Authorization"))))
	}))
	t.Cleanup(g.Close)
	g.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = 8
	if random.IntN(2) == 0 {
		g.trouble() // only an upstream that has not answered for a while opens the circuit breaker
	}
	return g
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

// clientKey is the key under which a context has the Authorization of whoever asks.
type clientKey struct{}

// clientTransport sends upstream who asks, beside the key. What is refreshed in the background is asked by nobody.
type clientTransport struct{ *http.Transport }

const clientHeader = "X-Client"

func (h clientTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if who, ok := r.Context().Value(clientKey{}).(string); ok {
		r = r.Clone(r.Context())
		r.Header.Set(clientHeader, who)
	}
	return h.Transport.RoundTrip(r)
}

// serveUpstream serves each client its own upstream, which records the key that came.
func (g *sharedGateway) serveUpstream(w http.ResponseWriter, r *http.Request) {
	who := cmp.Or(r.Header.Get(clientHeader), r.Header.Get("Authorization"))
	at := slices.IndexFunc(g.tenants, func(n *tenant) bool { return n.authorization == who })
	if at < 0 {
		g.t.Errorf("upstream was asked by %q", who)
		return
	}
	g.tenants[at].fake.ServeHTTP(w, r)
}

// finish looks at the keys that upstream was sent, and counts what went on inside.
func (g *sharedGateway) finish() {
	for _, n := range g.tenants {
		for _, r := range n.fake.Requests() {
			if r.Authorization != n.authorization {
				g.t.Errorf("upstream was asked for %q with %q", n.authorization, r.Authorization)
			}
			g.seen.upstream++
		}
	}
	stats := g.cache.Stats()
	g.seen.shared += stats.Shared
	g.seen.evicted += stats.Evictions
	if g.t.Failed() {
		g.t.Logf("failed within %d requests", g.seen.requests)
	}
}

// moment sends some requests at once, and waits for all of them. Whatever there is to draw has been drawn before.
func (g *sharedGateway) moment() {
	if g.random.IntN(15) == 0 {
		g.trouble()
	}
	var events []func()
	if g.random.IntN(4) == 0 {
		n := g.tenants[g.random.IntN(3)]
		calls, from := 1+g.random.IntN(mostArriving), g.random.IntN(len(n.first))
		events = append(events, func() { n.move(g.t, calls, from) })
	}
	for range 1 + g.random.IntN(3) {
		q := g.draw()
		for range 1 + g.random.IntN(5) {
			s := g.sending(q)
			events = append(events, func() { g.send(s) })
			g.seen.requests++
		}
	}
	var together sync.WaitGroup
	for _, event := range events {
		together.Go(event)
	}
	together.Wait()
	g.alone--
}

// tenantFaults are what upstream does, and the code that reports it. Where there is no response the connection is cut.
var tenantFaults = []struct {
	code     string
	response *fake.Response
}{
	{"UPSTREAM_UNAVAILABLE", &fake.Response{Status: 500}},
	{"UPSTREAM_UNAVAILABLE", &fake.Response{Truncate: true}},
	{"UPSTREAM_UNAVAILABLE", nil},
	{"UNAUTHENTICATED", &fake.Response{Status: 401}},
	{"FORBIDDEN", &fake.Response{Status: 403}},
	// The first of these is worth another try.
	{"UPSTREAM_RATE_LIMITED", &fake.Response{Status: 429, Header: http.Header{"Retry-After-Ms": {"2"}}}},
	{"UPSTREAM_RATE_LIMITED", &fake.Response{Status: 429, Header: http.Header{"Retry-After-Ms": {"40"}}}},
}

// trouble lets the unlucky one's next few questions to upstream fail, and take some milliseconds from now on.
func (g *sharedGateway) trouble() {
	g.alone = g.random.IntN(5)
	fault := pick(g.random, tenantFaults)
	g.unlucky.causes[fault.code] = true
	var left atomic.Int64
	left.Store(1 + g.random.Int64N(15))
	latency := time.Duration(g.random.IntN(3)) * time.Millisecond
	g.unlucky.fake.Behave(func(b *fake.Behaviour) {
		b.Latency = latency
		b.Fault = func(int, *http.Request) *fake.Response {
			if left.Add(-1) < 0 {
				return nil
			}
			if fault.response == nil {
				panic(http.ErrAbortHandler)
			}
			return fault.response
		}
	})
}

// tenantQuestion is a GraphQL request that any tenant may send.
type tenantQuestion struct {
	method, text string
	statuses     []string // the filter
	ids          []string // of the calls that are looked up, in the response's order
	exactly      int      // so many rows are in the response, whoever asks; 0 is any number
}

// What is asked: one of the queries, with fragments for a page and for a call where it has them.
var (
	tenantQueries = []string{
		`query ($n: Int!, $c: String, $s: [CallOrderStatus!]) { calls(first: $n, after: $c, statuses: $s) { ...page } }`,
		`query ($n: Int!, $c: String, $s: [CallOrderStatus!]) { calls(last: $n, before: $c, statuses: $s) { ...page } }`,
		`query ($n: Int!, $c: String, $s: [CallOrderStatus!], $id: ID!) {
			calls(first: $n, after: $c, statuses: $s) { ...page }
			found: call(id: $id) { ...call }
		}`,
		`query ($id: ID!) { found: call(id: $id) { ...call } }`,
		`query ($id: ID!) { found: node(id: $id) { ...call } }`,
		`query ($ids: [ID!]!) { nodes(ids: $ids) { ...call } }`,
	}
	pageFragments = []string{
		` fragment page on CallConnection { nodes { ...call } pageInfo { hasNextPage endCursor } }`,
		` fragment page on CallConnection { edges { cursor node { ...call } } pageInfo { startCursor endCursor }` +
			` totalCount }`,
	}
	callFragments = []string{
		` fragment call on Call { id phoneNumber }`,
		` fragment call on Call { id structuredOutput transcript { index content } }`,
		` fragment call on Call { id phoneNumber transcript(roles: [USER], last: 2) { index content } }`,
	}
)

// draw makes a question about the calls of any tenants, or takes one that was asked of late.
func (g *sharedGateway) draw() tenantQuestion {
	random := g.random
	if len(g.recent) > 0 && random.IntN(2) == 0 {
		return pick(random, g.recent)
	}
	c := tenantCursor{statuses: pick(random, [][]string{nil, {"COMPLETED"}, {"SCHEDULED", "ERRORED"}})}
	if known := g.tenants[random.IntN(3)].cursors; random.IntN(2) == 0 {
		c = pick(random, append(slices.Clip(known), c))
	}
	var ids []string
	for range 1 + random.IntN(3) {
		ids = append(ids, pick(random, g.tenants[random.IntN(3)].first))
	}
	count := 1 + random.IntN(20)
	query, q := pick(random, tenantQueries), tenantQuestion{statuses: c.statuses}
	switch {
	case strings.Contains(query, "$ids"):
		q.ids = ids
	case strings.Contains(query, "$id"):
		q.ids = ids[:1]
	}
	if strings.Contains(query, "...page") {
		query += pick(random, pageFragments)
		if c.text == nil && c.statuses == nil {
			q.exactly = count
		}
	}
	query += pick(random, callFragments)
	variables := map[string]any{"n": count, "c": c.text, "s": c.statuses, "id": ids[0], "ids": ids}
	if q.method = pick(random, []string{http.MethodGet, http.MethodPost}); q.method == http.MethodGet {
		q.text = url.Values{"query": {query}, "variables": {g.encode(variables)}}.Encode()
	} else {
		q.text = g.encode(map[string]any{"query": query, "variables": variables})
	}
	g.recent = append(g.recent, q)
	g.recent = g.recent[max(0, len(g.recent)-8):]
	return q
}

func (g *sharedGateway) encode(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

// tenantSending is a question that somebody asks.
type tenantSending struct {
	*tenant
	tenantQuestion
	header   http.Header
	patience time.Duration // 0 is endless
}

// sending decides on who asks, and how.
func (g *sharedGateway) sending(q tenantQuestion) tenantSending {
	s := tenantSending{tenant: g.tenants[g.random.IntN(3)], tenantQuestion: q}
	switch {
	case g.alone > 0:
		s.tenant = g.unlucky
	case g.random.IntN(12) == 0:
		s.tenant = g.tenants[3]
	}
	s.header = http.Header{"Authorization": {s.authorization}, "Content-Type": {"application/json"}}
	if g.random.IntN(10) == 0 {
		s.header.Set("Cache-Control", "no-cache")
	}
	switch {
	case s.tenant == g.unlucky: // who got a 429 waits for long
		s.patience = 10 * time.Millisecond
	case g.random.IntN(20) == 0:
		s.patience = 2 * time.Millisecond
	}
	return s
}

// send sends a question, and judges the response.
func (g *sharedGateway) send(s tenantSending) {
	ctx, cancel := g.t.Context(), context.CancelFunc(func() {})
	if s.patience > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.patience)
	}
	defer cancel()
	body, err := g.exchange(ctx, s)
	if ctx.Err() != nil {
		g.count(func(seen *tenantsSeen) { seen.givenUp++ })
		return
	}
	var a tenantAnswer
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	problems := []string{fmt.Sprint(err)}
	if err == nil {
		problems = g.judge(s, a)
	}
	if len(problems) > 0 {
		g.t.Errorf("%s asked %s and got %.1000s: %s", s.authorization, s.text, body, strings.Join(problems, ", "))
	}
}

// exchange sends a request and returns the body of its response. Where the response to GET is 304, the body is that of
// the last response to the same request.
func (g *sharedGateway) exchange(ctx context.Context, s tenantSending) ([]byte, error) {
	address, body := g.URL, s.text
	if s.method == http.MethodGet {
		address, body = address+"?"+s.text, ""
		g.count(func(*tenantsSeen) { s.header.Set("If-None-Match", g.tags[s.text]) })
	}
	req, err := http.NewRequestWithContext(ctx, s.method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = s.header
	resp, err := g.Client().Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	response, err := io.ReadAll(resp.Body)
	tag := resp.Header.Get("ETag")
	if err != nil || tag == "" {
		return response, err
	}
	g.count(func(seen *tenantsSeen) {
		if resp.StatusCode == http.StatusNotModified {
			response = g.bodies[tag]
			seen.unmodified++
		}
		g.tags[s.text], g.bodies[tag] = tag, response
	})
	return response, nil
}

// count changes what requests have in common.
func (g *sharedGateway) count(change func(*tenantsSeen)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g.seen)
}

// tenantAnswer is a response to any of the questions.
type tenantAnswer struct {
	Data struct {
		Calls *struct {
			Edges      []struct{ Node *tenantCall }
			Nodes      []*tenantCall
			PageInfo   struct{ StartCursor, EndCursor *string }
			TotalCount *int
		}
		Found *tenantCall
		Nodes []*tenantCall
	}
	Errors     []struct{ Extensions struct{ Code string } }
	Extensions struct{ Stale *float64 }
}

// tenantCall is a call, as far as it was selected.
type tenantCall struct {
	ID               string
	PhoneNumber      any
	StructuredOutput any
	Transcript       []struct {
		Index   int
		Content string
	}
}

// calls are the rows of the list, and what was found of the calls that were looked up.
func (a tenantAnswer) calls() (rows, found []*tenantCall) {
	if a.Data.Calls != nil {
		rows = a.Data.Calls.Nodes
		for _, edge := range a.Data.Calls.Edges {
			rows = append(rows, edge.Node)
		}
	}
	if a.Data.Nodes != nil {
		return rows, a.Data.Nodes
	}
	return rows, []*tenantCall{a.Data.Found}
}

// judge reports what of a response is not the client's own, and keeps its cursors.
func (g *sharedGateway) judge(s tenantSending, a tenantAnswer) (problems []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	problems = g.judgeErrors(s, a)
	rows, found := a.calls()
	for _, call := range slices.Concat(rows, found) {
		if call != nil {
			g.count(func(seen *tenantsSeen) { seen.calls++ })
			problems = append(problems, s.compare(call)...)
		}
	}
	return slices.Concat(problems, s.judgePage(a, len(rows)), s.judgeFound(a, found))
}

// judgeErrors reports errors without a cause, and causes without an error.
func (g *sharedGateway) judgeErrors(s tenantSending, a tenantAnswer) (problems []string) {
	for _, e := range a.Errors {
		g.count(func(seen *tenantsSeen) { seen.errors[e.Extensions.Code]++ })
		// Two are about the question, and the list that moves.
		if code := e.Extensions.Code; !s.causes[code] && code != "CURSOR_EXPIRED" && code != "SCAN_LIMIT_REACHED" {
			problems = append(problems, "upstream gave it no cause for "+code)
		}
	}
	if s.refused && len(a.Errors) == 0 {
		problems = append(problems, "upstream refuses it")
	}
	if a.Extensions.Stale != nil {
		g.count(func(seen *tenantsSeen) { seen.stale++ })
		if s.refused || len(s.causes) == 0 {
			problems = append(problems, "upstream has not failed it")
		}
	}
	return problems
}

// judgePage reports what is wrong with the number of rows, or of the calls of the list, and keeps the page's cursors.
func (s tenantSending) judgePage(a tenantAnswer, rows int) (problems []string) {
	if s.exactly > 0 && rows != s.exactly && len(a.Errors) == 0 {
		problems = append(problems, fmt.Sprintf("%d rows", rows))
	}
	calls := a.Data.Calls
	if calls == nil {
		return problems
	}
	if n := calls.TotalCount; n != nil && s.statuses == nil && (*n < len(s.first) || *n > len(s.first)+mostArriving) {
		problems = append(problems, fmt.Sprintf("its list has %d calls", len(s.first)))
	}
	for _, cursor := range []*string{calls.PageInfo.StartCursor, calls.PageInfo.EndCursor} {
		if cursor != nil {
			s.cursors = append(s.cursors, tenantCursor{cursor, s.statuses})
		}
	}
	return problems
}

// judgeFound reports what was looked up and is missing, or is another call.
func (s tenantSending) judgeFound(a tenantAnswer, found []*tenantCall) (problems []string) {
	for i, id := range s.ids {
		switch {
		case i >= len(found) || found[i] != nil && found[i].ID != id:
			problems = append(problems, "nothing, or another call, instead of "+id)
		case found[i] == nil && len(a.Errors) == 0 && slices.Contains(s.first, id) && slices.Contains(s.fake.IDs(), id):
			problems = append(problems, "it has had all the time "+id) // an error would report why it was not found
		}
	}
	return problems
}

// compare reports what of a call is not as the tenant's own upstream sends it.
func (n *tenant) compare(call *tenantCall) (problems []string) {
	row, ok := n.rows[call.ID]
	if !ok {
		return []string{"not its own call: " + call.ID}
	}
	if call.PhoneNumber != nil && call.PhoneNumber != row.PhoneNumber ||
		call.StructuredOutput != nil && !reflect.DeepEqual(call.StructuredOutput, row.StructuredOutput) {
		problems = append(problems, "not what upstream says of "+call.ID)
	}
	for _, entry := range call.Transcript {
		if entry.Index >= len(row.Transcript) || entry.Content != row.Transcript[entry.Index].Content {
			problems = append(problems, fmt.Sprintf("entry %d was not said in %s", entry.Index, call.ID))
		}
	}
	return problems
}
