package export

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// texts are the calls of a page.
func texts(p *page) (texts []string) {
	for _, call := range p.calls {
		texts = append(texts, string(call))
	}
	return texts
}

// Whatever the order of the members and the white space between them, the calls of a page are parts of the response,
// and no copies. A response that is cut off at any byte is an error.
func TestRead(t *testing.T) {
	const first, second = `{"id":"1", "extra":{"a":1,"a":"\ud83d"}}`, `{ "id":"2","n":12345678901234567890}`
	nodes := &document{connection: "calls", rows: "nodes"}
	edges := &document{connection: "list", rows: "edges", node: "call"}
	for name, test := range map[string]struct {
		document *document
		text     string
	}{
		"nodes": {nodes, `{"data":{"calls":{"nodes":[` + first + `,` + second +
			`],"_exportPage":{"hasNextPage":true,"endCursor":"c"},"_exportTotal":7}},"extensions":{"reordered":true}}`},
		"another order": {nodes, ` {"extensions": {"cost":1,"reordered":true} , "data" : {"x":[{}],"calls":{` +
			`"_exportTotal":7,"_exportPage":{"endCursor":"c","hasNextPage":true},"y":null,` + "\n" +
			` "nodes" : [ ` + first + ` , ` + second + " ]}}}\n"},
		"edges": {edges, `{"data":{"list":{"edges":[{"cursor":"x","call":` + first + `},{"call":` + second +
			`,"cursor":"y"}],"_exportPage":{"hasNextPage":true,"endCursor":"c"},"_exportTotal":7}},` +
			`"extensions":{"reordered":true}}`},
	} {
		t.Run(name, func(t *testing.T) {
			text := []byte(test.text)
			p, err := test.document.read(text)
			if err != nil || !p.more || p.endCursor != "c" || p.total != 7 || !p.reordered || len(p.problems) > 0 ||
				!slices.Equal(texts(p), []string{first, second}) {
				t.Fatalf("%v, %+v", err, p)
			}
			clear(text)
			for i, call := range p.calls {
				if call[0] != 0 || cap(call) > len(call) {
					t.Errorf("call %d is a copy, or reaches into the next one", i)
				}
			}
			for n := range len(strings.TrimSpace(test.text)) {
				if p, err := test.document.read([]byte(test.text[:n])); err == nil {
					t.Fatalf("%q has %d calls", test.text[:n], len(p.calls))
				}
			}
		})
	}
}

// Responses without calls, and their errors.
func TestReadWithoutCalls(t *testing.T) {
	const end = `"_exportPage":{"hasNextPage":false,"endCursor":null}`
	d := &document{connection: "calls", rows: "nodes"}
	for text, says := range map[string]string{
		`{"data":{"calls":{"nodes":[],` + end + `}}}`: "",
		`{"data":null}`:                                        "the response has no calls",
		`{"data":{"calls":null}}`:                              "the response has no calls",
		`{"data":{"others":{"nodes":[],` + end + `}}}`:         "the response has no calls",
		`{"errors":[{"message":"No."}],"data":null}`:           ": No.",
		`{"data":{"calls":null},"errors":[{"message":"No."}]}`: ": No.",
		`{"data":{"calls":{` + end + `}}}`:                     "cannot be read: calls lacks nodes",
		`{"data":{"calls":{"nodes":[]}}}`:                      "cannot be read: calls lacks nodes or _exportPage",
		`{"data":{"calls":{"nodes":null,` + end + `}}}`:        "cannot be read: nodes is no list",
		`{"data":{"calls":{"nodes":[],` + end + `}}}{}`:        "cannot be read: more follows",
		`{"data":{"calls":{"nodes":[],` + end + `}}}]`:         "cannot be read: jsontext",
		`{"data":[]}`: "cannot be read: ",
		`[]`:          "cannot be read: ",
		``:            "cannot be read: ",
	} {
		p, err := d.read([]byte(text))
		if said := fmt.Sprint(err); says == "" && (err != nil || p.more || len(p.calls) > 0) ||
			says != "" && !strings.Contains(said, says) {
			t.Errorf("%s: %v, %+v", text, err, p)
		}
		if _, ok := errors.AsType[*responseError](err); ok != (says == ": No.") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
