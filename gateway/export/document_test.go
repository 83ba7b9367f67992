package export

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

func TestDocuments(t *testing.T) {
	schema := loadSchema(t)
	const page = ` _exportPage: pageInfo { hasNextPage endCursor } _exportTotal: totalCount @include(if: $_exportTotal) `
	const all = "$_exportTotal: Boolean!"
	const own = "$_exportAfter: String, $_exportFirst: Int, "
	for _, test := range []struct{ name, query, want, fields, variables string }{
		{
			"nothing but the calls", `{ calls { nodes { id status } } }`,
			`query (` + own + all + `) { calls(after: $_exportAfter, first: $_exportFirst) { nodes { id status }` + page + `} }`,
			"id status", `{"_exportAfter":"C","_exportFirst":7,"_exportTotal":true}`,
		},
		{
			"variables of its own", `query Q($n: Int, $c: String, $s: [CallOrderStatus!]) ` +
				`{ calls(first: $n, after: $c, statuses: $s) { nodes { id } } }`,
			`query Q($n: Int, $c: String, $s: [CallOrderStatus!], ` + all +
				`) { calls(first: $n, after: $c, statuses: $s) { nodes { id }` + page + `} }`,
			"id", `{"c":"C","n":7,"_exportTotal":true}`,
		},
		{
			"a default", `query ($n: Int = 3) { calls(first: $n) { nodes { id } } }`,
			`query ($n: Int = 3, $_exportAfter: String, ` + all + `) { calls(first: $n, after: $_exportAfter) { nodes { id }` +
				page + `} }`,
			"id", `{"_exportAfter":"C","_exportTotal":true}`,
		},
		{
			"values of its own", `{ calls(first: 9, after: "X") { nodes { id } pageInfo { startCursor } } }`,
			`query ($_exportAfter: String, ` + all +
				`) { calls(first: 9, after: $_exportAfter) { nodes { id } pageInfo { startCursor }` + page + `} }`,
			"id", `{"_exportAfter":"C","_exportTotal":true}`,
		},
		{
			"edges, aliases, fragments",
			`{ c: calls { e: edges { cursor n: node { a: id ...F ... on Call { result a: id } } } totalCount } } ` +
				`fragment F on Call { ended: endedAt }`,
			`query (` + own + all +
				`) { c: calls(after: $_exportAfter, first: $_exportFirst) { e: edges { cursor n: node ` +
				`{ a: id ... F ... on Call { result a: id } } } totalCount` + page + `} } fragment F on Call { ended: endedAt }`,
			"a ended result", `{"_exportAfter":"C","_exportFirst":7,"_exportTotal":true}`,
		},
		{
			"a node below a fragment", `{ calls { edges { cursor ... on CallEdge { node { id } } } } }`,
			`query (` + own + all + `) { calls(after: $_exportAfter, first: $_exportFirst) { ` +
				`edges { cursor ... on CallEdge { node { id } } }` + page + `} }`,
			"id", `{"_exportAfter":"C","_exportFirst":7,"_exportTotal":true}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, err := prepare(schema, Request{Query: test.query}, 7)
			if err != nil {
				t.Fatal(err)
			}
			if got := d.request.Query; squeeze(got) != squeeze(test.want) || strings.Join(names(d.fields), " ") != test.fields {
				t.Errorf("got %s, and fields %v", got, names(d.fields))
			}
			if _, errs := gqlparser.LoadQueryWithRules(schema, d.request.Query, rules.NewDefaultRules()); errs != nil {
				t.Error(errs)
			}
			text, err := d.at("C", true)
			var value jsontext.Value = text
			var want jsontext.Value = []byte(test.variables)
			if err != nil || value.Canonicalize() != nil || want.Canonicalize() != nil ||
				!strings.HasSuffix(string(value), `,"variables":`+string(want)+"}") {
				t.Errorf("%v, got %s", err, value)
			}
		})
	}
}

// squeeze removes the characters that GraphQL ignores.
func squeeze(text string) string {
	return strings.NewReplacer(" ", "", "\n", "", "\t", "", ",", "").Replace(text)
}

func TestDocumentsThatCannotBeWalked(t *testing.T) {
	for query, want := range map[string]string{
		`{ calls`:            "the document",
		`{ calls { rows } }`: `Cannot query field "rows"`,
		`{ __typename }`:     "selects `calls` and nothing else",
		`{ calls { nodes { id } } call(id: 1) { id } }`:                            "selects `calls` and nothing else",
		`{ ...F } fragment F on Query { calls { nodes { id } } }`:                  "selects `calls` and nothing else",
		`{ calls { totalCount } }`:                                                 "0 times",
		`{ calls { nodes { id } edges { node { id } } } }`:                         "2 times",
		`{ calls { edges { node { id } ... on CallEdge { node { status } } } } }`:  "2 times",
		`{ calls { ...F } } fragment F on CallConnection { nodes { id } }`:         "fragments",
		`{ calls(last: 3) { nodes { id } } }`:                                      `"last"`,
		`{ calls(before: "x") { nodes { id } } }`:                                  `"before"`,
		`query A { calls { nodes { id } } } query B { calls { nodes { id } } }`:    "several",
		`query A($s: [CallOrderStatus!]) { calls(statuses: $s) { nodes { id } } }`: `no "$typo": the operation has $s`,
	} {
		r := Request{Query: query}
		if strings.Contains(want, "typo") {
			r.Variables = map[string]jsontext.Value{"typo": jsontext.Value("1")}
		}
		if _, err := prepare(loadSchema(t), r, 7); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestCompose(t *testing.T) {
	schema := loadSchema(t)
	var all []string // but for transcripts
	for _, field := range schema.Types["Call"].Fields {
		if field.Name != "transcript" {
			all = append(all, field.Name)
		}
	}
	for columns, want := range map[string]string{
		"":          strings.Join(all, " "),
		"status,id": "status id",
		`structuredOutput.nps,id,structuredOutput.a"b,structuredOutput.nps.x`: "structuredOutput" +
			`(keys: ["nps", "a\"b", "nps.x"]) id`,

		"structuredOutput.a.b.c":                       `structuredOutput(keys: ["a.b.c", "a.b", "a"]) id`,
		`structuredOutput.a\.b.c,structuredOutput.d\\`: `structuredOutput(keys: ["a.b.c", "a.b", "d\\"]) id`,
		"structuredOutput.nps,structuredOutput":        "structuredOutput id",
		"extra.new.x":                                  "extra id",
		"transcript": "transcript { index role content toolName " +
			"toolArguments toolIsError } id",
		"transcript.0.content,transcript.1.role": "transcript { content role } id",
		"transcript.0.toolArguments.x":           "transcript { toolArguments } id",
	} {
		var list []string
		if columns != "" {
			list = strings.Split(columns, ",")
		}
		got, err := Compose(schema, list)
		if err != nil ||
			got != "query ($statuses: [CallOrderStatus!], $filter: CallFilter) { "+
				"calls(statuses: $statuses, filter: $filter) { nodes { "+want+" } } }" {
			t.Errorf("%s: %v, %s", columns, err, got)
		}
		if d, err := prepare(schema, Request{Query: got}, 7); err != nil {
			t.Error(err)
		} else if _, err := newRows(RowOptions{Columns: list}, d.fields); err != nil {
			t.Error(err)
		}
	}
	for _, column := range []string{"ids", "", "transcript.0.words"} {
		if got, err := Compose(schema, []string{column}); err == nil {
			t.Errorf("%q became %s", column, got)
		}
	}
}
