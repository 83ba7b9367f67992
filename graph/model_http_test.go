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
		f := fake.New(fake.Config{
			Seed: 1, Calls: rapid.IntRange(0, 300).Draw(rt, "calls"), Now: func() time.Time { return noon },
		})
		size := rapid.SampledFrom([]int{20, 37, 200}).Draw(rt, "page size")
		ttl := rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(rt, "ttl")
		// draw decides on a change here, because rapid must not be asked from the server's goroutines.
		draw := func() func() {
			n, from := rapid.IntRange(1, 30).Draw(rt, "calls"), rapid.IntRange(0, 400).Draw(rt, "from")
			if rapid.Bool().Draw(rt, "arrive") {
				return func() { f.Insert(n) }
			}
			return func() {
				ids := f.IDs()
				from := min(from, len(ids))
				f.Remove(ids[from:min(len(ids), from+n/3)]...)
			}
		}
		moves := make(chan func(), 2)
		f.Behave(func(b *fake.Behaviour) {
			b.Fault = func(int, *http.Request) *fake.Answer {
				select {
				case move := <-moves:
					move()
				default:
				}
				return nil
			}
		})
		rest := httptest.NewServer(f)
		defer rest.Close()
		var gateways []*gateway
		for range 2 {
			g := connect(t, rest.URL, gatewayOptions{ttl: ttl, graph: func(o *graph.Options) { o.PageSize = size }})
			defer g.Close()
			gateways = append(gateways, g)
		}
		for range rapid.IntRange(1, 3).Draw(rt, "walks") {
			statuses := rapid.SampledFrom([]string{"", "completed"}).Draw(rt, "statuses")
			back := rapid.Bool().Draw(rt, "back")
			count := rapid.SampledFrom([]int{5, 20, 50, 100}).Draw(rt, "count")
			var required, shown []string
			var cursor any
			for page := 0; ; page++ {
				header := http.Header{}
				if page == 0 { // a walk that begins on a cached page begins at that page's moment
					header.Set("Cache-Control", "no-cache")
					required = list(f, statuses)
				}
				if page > 0 && page < 20 && rapid.IntRange(0, 3).Draw(rt, "moves in the middle") == 0 {
					for len(moves) < cap(moves) {
						moves <- draw()
					}
				}
				g := gateways[rapid.IntRange(0, 1).Draw(rt, "gateway")]
				a := ask(t, g, statuses, count, back, cursor, header)
				if len(a.Errors) > 0 {
					if code := a.code(t); code != "CURSOR_EXPIRED" || page == 0 {
						rt.Fatalf("%+v", a.Errors)
					}
					break // its call and all its neighbours have left
				}
				for _, node := range at(t, a.Data, "calls", "nodes").([]any) {
					id := at(t, node, "id").(string)
					if slices.Contains(shown, id) {
						rt.Fatalf("%s came twice", id)
					}
					shown = append(shown, id)
				}
				cursor = at(t, a.Data, "calls", "pageInfo", "cursor")
				if !at(t, a.Data, "calls", "pageInfo", "more").(bool) {
					now := list(f, statuses)
					for _, id := range required {
						if slices.Contains(now, id) && !slices.Contains(shown, id) {
							rt.Fatalf("%s was there all the time and was not shown", id)
						}
					}
					break
				}
				if page > 1000 {
					rt.Fatal("an endless walk")
				}
				if page < 20 && rapid.IntRange(0, 2).Draw(rt, "moves") == 0 {
					draw()()
				}
			}
		}
	})
}

func list(f *fake.Upstream, statuses string) []string {
	if statuses == "" {
		return f.IDs()
	}
	return f.IDs(statuses)
}

// ask asks for one page of a walk.
func ask(t *testing.T, g *gateway, statuses string, count int, back bool, cursor any, header http.Header) answer {
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
