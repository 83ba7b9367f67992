package graph_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"revox-graphql/graph"
	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGoldenQueries runs every query of testdata/queries on a gateway of its own with nothing cached, over a standing
// list of 2,000 calls, and compares the response and the upstream requests that it cost with the golden file beside it.
// To add a case, drop in a query and run `go test ./graph -run TestGoldenQueries -update`; then read what came out.
//
// A query may begin with settings in comments:
//
//	# variables: {"after": "{{cursor 19}}"}   the cursor of the row at position 19 of the list, from 0; in a list of
//	#                                         orders with a status: {{cursor 19 "errored"}}; {{id 3}} is a call's id
//	# rows: odd.json                          the list is this response of upstream, not the generated one
//	# max scan pages: 2                       how many pages a scan may read
func TestGoldenQueries(t *testing.T) {
	files, err := filepath.Glob("testdata/queries/*.graphql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no queries: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".graphql"), func(t *testing.T) {
			query := readFile(t, file)
			options := gatewayOptions{calls: 2000, ttl: time.Minute}
			if pages := setting(query, "max scan pages"); pages != "" {
				options.graph = func(o *graph.Options) {
					if _, err := fmt.Sscan(pages, &o.MaxScan); err != nil {
						t.Error(err)
					}
				}
			}
			g := newGateway(t, options)
			if rows := setting(query, "rows"); rows != "" {
				g.setRows(t, readFile(t, "testdata/rows/"+rows))
			}
			body, err := json.Marshal(map[string]any{
				"query": query, "variables": json.RawMessage(g.expand(t, setting(query, "variables"))),
			})
			if err != nil {
				t.Fatal(err)
			}
			_, _, got := g.post(t, string(body), nil)
			checkGolden(t, strings.TrimSuffix(file, ".graphql")+".json", golden(t, got, g.requests()))
		})
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// setting is the rest of a comment line of the query that begins with the name.
func setting(query, name string) string {
	for line := range strings.Lines(query) {
		if value, ok := strings.CutPrefix(line, "# "+name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (g *gateway) setRows(t *testing.T, response string) {
	t.Helper()
	var page struct {
		Calls []json.RawMessage `json:"calls"`
	}
	if err := json.Unmarshal([]byte(response), &page); err != nil {
		t.Fatal(err)
	}
	g.fake.SetRows(page.Calls...)
}

// expand fills cursors and ids into the variables.
func (g *gateway) expand(t *testing.T, variables string) string {
	t.Helper()
	if variables == "" {
		return "{}"
	}
	parsed, err := template.New("").Funcs(template.FuncMap{
		"cursor": g.cursor,
		"id":     func(position int) string { return g.fake.IDs()[position] },
	}).Parse(variables)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := parsed.Execute(&out, nil); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// cursor is what the gateway gives out for the row at a position.
func (g *gateway) cursor(position int, statuses ...string) string {
	ids := g.fake.IDs(statuses...)
	hashes := func(ids []string) (h []relay.Hash) {
		for _, id := range ids[:min(relay.Neighbours, len(ids))] {
			h = append(h, relay.NewHash(id))
		}
		return h
	}
	before := slices.Clone(ids[:position])
	slices.Reverse(before)
	var set []upstream.OrderStatus
	for _, status := range statuses {
		set = append(set, upstream.OrderStatus(status))
	}
	return relay.Cursor{
		List: uint16(upstream.NewOrderStatuses(set...)), Position: position, Since: noon,
		Element: relay.NewHash(ids[position]), Before: hashes(before), After: hashes(ids[position+1:]),
	}.String()
}

// requests are the query strings that arrived upstream, in order of arrival.
func (g *gateway) requests() []string {
	requests := []string{}
	for _, r := range g.fake.Requests() {
		requests = append(requests, r.RawQuery)
	}
	return requests
}

var cursorText = regexp.MustCompile(`"[A-Za-z0-9_-]{20,}"`)

// golden renders a response for the golden file: indented, with its cursors in words, because they hold the time.
// Root fields are resolved side by side, so their requests and their errors are sorted.
func golden(t *testing.T, response []byte, requests []string) []byte {
	t.Helper()
	slices.Sort(requests)
	record := struct {
		Upstream []string          `json:"upstream"`
		Errors   []json.RawMessage `json:"errors,omitempty"`
		Data     json.RawMessage   `json:"data"`
	}{Upstream: requests}
	if err := json.Unmarshal(response, &record); err != nil {
		t.Fatalf("%v: %s", err, response)
	}
	slices.SortFunc(record.Errors, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(record); err != nil {
		t.Fatal(err)
	}
	return cursorText.ReplaceAllFunc(out.Bytes(), func(text []byte) []byte {
		c, err := relay.ParseCursor(strings.Trim(string(text), `"`))
		if err != nil {
			return text
		}
		return fmt.Appendf(
			nil, `"<cursor of the row at %d in list %d, %d and %d neighbours>"`, c.Position, c.List, len(c.Before), len(c.After),
		)
	})
}

func checkGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := readFile(t, file); want != string(got) {
		t.Errorf("%s differs; run with -update and look at the difference. Got:\n%s", file, got)
	}
}
