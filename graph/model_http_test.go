package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"revox-graphql/graph"
	"revox-graphql/upstream/fake"
)

// The guarantee once more, through all that a request passes: two gateways with caches of their own, over HTTP to the
// fake upstream, whose list moves between requests and in the middle of them. TestModel is faster and knows more; this
// one has no part of it in memory.
func TestModelOverHTTP(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &modelOverHTTP{t: t, rt: rt, moves: make(chan func(), 2), list: fake.New(fake.Config{
			Seed: 1, Calls: rapid.IntRange(0, 300).Draw(rt, "calls"), Now: func() time.Time { return noon },
		})}
		size := rapid.SampledFrom([]int{20, 37, 200}).Draw(rt, "page size")
		ttl := rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(rt, "ttl")
		m.list.Behave(func(b *fake.Behaviour) {
			b.Fault = func(int, *http.Request) *fake.Response {
				select {
				case move := <-m.moves:
					move()
				default:
				}
				return nil
			}
		})
		rest := httptest.NewServer(m.list)
		defer rest.Close()
		for range 2 {
			g := connect(t, rest.URL, gatewayOptions{ttl: ttl, graph: func(o *graph.Options) { o.PageSize = size }})
			defer g.Close()
			m.gateways = append(m.gateways, g)
		}
		for range rapid.IntRange(1, 3).Draw(rt, "walks") {
			m.walk()
		}
	})
}

// modelOverHTTP is a list that moves, and two gateways before it.
type modelOverHTTP struct {
	t        *testing.T
	rt       *rapid.T
	list     *fake.Upstream
	gateways []*gateway
	moves    chan func() // what changes at the next requests to upstream
}

// move decides on a change of the list here, because rapid must not be asked from the server's goroutines.
func (m *modelOverHTTP) move() func() {
	n, from := rapid.IntRange(1, 30).Draw(m.rt, "calls"), rapid.IntRange(0, 400).Draw(m.rt, "from")
	if rapid.Bool().Draw(m.rt, "arrive") {
		return func() { m.list.Insert(n) }
	}
	return func() {
		ids := m.list.IDs()
		from := min(from, len(ids))
		m.list.Remove(ids[from:min(len(ids), from+n/3)]...)
	}
}

// walk walks through the list, which shows each call once, and each that is there from the start to the end.
func (m *modelOverHTTP) walk() {
	statuses := rapid.SampledFrom([]string{"", "completed"}).Draw(m.rt, "statuses")
	back := rapid.Bool().Draw(m.rt, "back")
	count := rapid.SampledFrom([]int{5, 20, 50, 100}).Draw(m.rt, "count")
	var cursor any
	var shown []string
	required := list(m.list, statuses)
	header := http.Header{"Cache-Control": {"no-cache"}} // else the walk begins at the moment of a cached page
	for page := range 1000 {
		if page > 0 && page < 20 && rapid.IntRange(0, 3).Draw(m.rt, "moves in the middle") == 0 {
			for len(m.moves) < cap(m.moves) {
				m.moves <- m.move()
			}
		}
		g := m.gateways[rapid.IntRange(0, 1).Draw(m.rt, "gateway")]
		a := ask(m.t, g, statuses, count, back, cursor, header)
		if len(a.Errors) > 0 {
			if code := a.code(m.t); code != "CURSOR_EXPIRED" || page == 0 {
				m.rt.Fatalf("%+v", a.Errors)
			}
			return // its call and all its neighbours have left
		}
		for _, node := range at(m.t, a.Data, "calls", "nodes").([]any) {
			id := at(m.t, node, "id").(string)
			if slices.Contains(shown, id) {
				m.rt.Fatalf("%s came twice", id)
			}
			shown = append(shown, id)
		}
		if !at(m.t, a.Data, "calls", "pageInfo", "more").(bool) {
			m.complete(statuses, required, shown)
			return
		}
		cursor, header = at(m.t, a.Data, "calls", "pageInfo", "cursor"), http.Header{}
		if page < 20 && rapid.IntRange(0, 2).Draw(m.rt, "moves") == 0 {
			m.move()()
		}
	}
	m.rt.Fatal("an endless walk")
}

// complete looks for a call that was required, is still there, and was not shown.
func (m *modelOverHTTP) complete(statuses string, required, shown []string) {
	now := list(m.list, statuses)
	for _, id := range required {
		if slices.Contains(now, id) && !slices.Contains(shown, id) {
			m.rt.Fatalf("%s was there all the time and was not shown", id)
		}
	}
}

func list(f *fake.Upstream, statuses string) []string {
	if statuses == "" {
		return f.IDs()
	}
	return f.IDs(statuses)
}

// ask asks for one page of a walk.
func ask(t *testing.T, g *gateway, statuses string, count int, back bool, cursor any, header http.Header) response {
	t.Helper()
	filter := ""
	if statuses != "" {
		filter = ", statuses: [COMPLETED]"
	}
	query := fmt.Sprintf(
		`query ($c: String) { calls(first: %d, after: $c%s) `+
			`{ nodes { id } pageInfo { more: hasNextPage cursor: endCursor } } }`,
		count, filter,
	)
	if back {
		query = fmt.Sprintf(
			`query ($c: String) { calls(last: %d, before: $c%s) `+
				`{ nodes { id } pageInfo { more: hasPreviousPage cursor: startCursor } } }`,
			count, filter,
		)
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": map[string]any{"c": cursor}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, got := g.post(t, string(body), header)
	return decode(t, got)
}
