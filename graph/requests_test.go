package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// No request of a client, whatever it is, makes the gateway fail inside.
//
// anyRequest generates documents from the schema whose values have nothing to do with what the schema wants, with
// variables of any declared type, any default and any value, and with some tokens lost, doubled or in the wrong
// position. About half of what it makes gets past validation.
type anyRequest struct {
	rest      []byte // choices; the first one of each, once they are used up
	schema    *ast.Schema
	declared  []string
	variables map[string]json.RawMessage
	fragments []string
}

func (r *anyRequest) n(n int) int {
	if len(r.rest) == 0 {
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return int(b) % n
}

func choose[T any](r *anyRequest, of ...T) T { return of[r.n(len(of))] }

func loadSchema(t testing.TB) *ast.Schema {
	t.Helper()
	text, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	return gqlparser.MustLoadSchema(&ast.Source{Input: string(text)})
}

func newAnyRequest(schema *ast.Schema, choices []byte) string {
	r := &anyRequest{rest: choices, schema: schema, variables: map[string]json.RawMessage{}}
	selection := r.selection(schema.Query, 0)
	document := "query Q"
	if len(r.declared) > 0 {
		document += "(" + strings.Join(r.declared, " ") + ")"
	}
	document = r.mangle(document + selection + strings.Join(r.fragments, " "))
	request := map[string]any{"query": document, "variables": r.variables}
	if r.n(16) == 1 {
		request["operationName"] = choose(r, "Q", "R")
	}
	body, err := json.Marshal(request)
	if err != nil {
		panic(err)
	}
	return string(body)
}

func (r *anyRequest) selection(of *ast.Definition, depth int) string {
	var fields ast.FieldList
	for _, field := range of.Fields {
		inner := r.schema.Types[field.Type.Name()]
		if depth < 5 || !inner.IsCompositeType() {
			fields = append(fields, field)
		}
	}
	parts := []string{}
	for i := range 1 + r.n(3) {
		if i > 0 && r.n(4) == 1 {
			inner := r.directives() + r.selection(of, depth+1)
			if r.n(2) == 0 {
				parts = append(parts, "... on "+of.Name+inner)
				continue
			}
			name := fmt.Sprintf("F%d", len(r.fragments))
			r.fragments = append(r.fragments, "")
			r.fragments[len(r.fragments)-1] = "fragment " + name + " on " + of.Name + r.selection(of, depth+1)
			parts = append(parts, "..."+name+r.directives())
			continue
		}
		if len(fields) == 0 {
			parts = append(parts, "__typename"+r.directives())
			continue
		}
		field := fields[r.n(len(fields))]
		text := fmt.Sprintf("a%d: %s%s%s", r.n(200), field.Name, r.arguments(field), r.directives())
		if inner := r.schema.Types[field.Type.Name()]; inner.IsCompositeType() {
			text += r.selection(inner, depth+1)
		}
		parts = append(parts, text)
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func (r *anyRequest) arguments(field *ast.FieldDefinition) string {
	var parts []string
	for _, argument := range field.Arguments {
		if argument.Type.NonNull && r.n(32) > 0 || r.n(2) == 0 {
			parts = append(parts, argument.Name+":"+r.value(argument.Type))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "(" + strings.Join(parts, " ") + ")"
}

func (r *anyRequest) directives() string {
	if r.n(6) != 1 {
		return ""
	}
	return choose(r, "@include", "@skip") + "(if:" + r.value(ast.NonNullNamedType("Boolean", nil)) + ")"
}

// value is a value for a position, mostly of the position's type: a literal or a variable.
func (r *anyRequest) value(of *ast.Type) string {
	switch {
	case r.n(3) == 1:
		return r.variable(of)
	case of.Elem != nil && r.n(2) == 1:
		return "[" + r.value(of.Elem) + " " + r.value(of.Elem) + "]"
	default:
		return r.literal(of)
	}
}

var literals = []string{
	"{}", "{a: 1}", "[]", "[[]]", "[{}]", "1", "0", "-1", "2147483648", "99999999999999999999", "1.0", "1e400", `"a"`,
	`""`, `"""a"""`, `"\uD83D\uDE00"`, "true", "false", "null", "COMPLETED", "completed", "USER",
	"[null]", "[1]", "0xF",
}

func (r *anyRequest) literal(of *ast.Type) string {
	if r.n(32) == 1 {
		return literals[r.n(len(literals))]
	}
	return map[string]string{
		"Int": choose(r, "1", "2", "0", "null"), "String": choose(r, `"a"`, `""`, `"""a"""`),
		"ID": choose(r, `"a"`, "1", "99999999999999999999"), "Boolean": choose(r, "true", "false"),
		"CallOrderStatus": choose(r, "COMPLETED", "ERRORED"), "TranscriptRole": choose(r, "USER", "TOOL"),
	}[of.Name()]
}

func (r *anyRequest) variable(of *ast.Type) string {
	name := fmt.Sprintf("v%d", len(r.declared))
	declared := of.String()
	hasDefault := r.n(2) == 0
	if hasDefault {
		declared = strings.TrimSuffix(declared, "!")
	}
	if r.n(32) == 1 {
		declared = choose(r, "Int", "[ID!]!", "[[String]]", "Boolean!", "[CallOrderStatus]", "JSON", "DateTime", "Call")
	}
	if declared = "$" + name + ":" + declared; hasDefault {
		declared += "=" + r.literal(of)
	}
	r.declared = append(r.declared, declared)
	if value := r.json(of); value != "" {
		r.variables[name] = json.RawMessage(value)
	}
	return "$" + name
}

// json is the value of a variable, mostly of a type; "" for none.
func (r *anyRequest) json(of *ast.Type) string {
	switch r.n(16) {
	case 1:
		return ""
	case 2:
		return "null"
	case 3:
		return choose(r, `{}`, `[]`, `[[]]`, `[{}]`, `[null]`, `1`, `2.0`, `2.5`, `2147483648`, `1e400`, `-0`, `"a"`,
			`""`, `true`, `"completed"`, `["completed"]`, `{"a": {"a": [[1]]}}`, `"1"`, `12345678901234567890`,
			`["\ud83d"]`)
	}
	if of.Elem != nil && r.n(2) == 1 {
		return "[" + r.json(ast.NonNullNamedType(of.Name(), nil)) + "]"
	}
	return map[string]string{
		"Int": "2", "String": `"a"`, "ID": `"a"`, "Boolean": "true", "CallOrderStatus": `"COMPLETED"`,
		"TranscriptRole": `"USER"`,
	}[of.Name()]
}

// mangle changes a few bytes of a document, once in a while.
func (r *anyRequest) mangle(document string) string {
	for range r.n(8) / 7 {
		at := (r.n(256)<<8 + r.n(256)) % len(document)
		with := choose(r, "", "{", "}", "(", ")", "...", `"`, `"""`, "$", "@", "\r\n", "1", "a", "!", `\`, "é", "on",
			"\x00", "#")
		document = document[:at] + with + document[at+r.n(2):]
	}
	return strings.ToValidUTF8(document, "?")
}

// checkRequest sends a request and checks what FuzzRequest checks. It reports whether the operation was executed.
func (g *gateway) checkRequest(t testing.TB, text, method string) (executed bool) {
	t.Helper()
	g.log.Reset()
	status, got := g.serve(t, method, text)
	if !slices.Contains([]int{200, 400, 413}, status) {
		t.Errorf("%s: status %d", text, status)
	}
	var a struct {
		response
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatalf("%s: %v: %s", text, err, got)
	}
	if len(a.Errors) == 0 && len(a.Data) == 0 {
		t.Errorf("%s: neither data nor errors: %s", text, got)
	}
	for _, err := range a.Errors {
		code, _ := err.Extensions["code"].(string)
		if code == "" || code == "INTERNAL_SERVER_ERROR" || err.Message == "" {
			t.Errorf("%s: got %s", text, got)
		}
	}
	if bytes.Contains(g.log.Bytes(), []byte("internal error")) {
		t.Errorf("%s: logged %s", text, g.log)
	}
	return len(a.Data) > 0
}

// TestAnyRequest asks for thousands of generated requests. For more, run FuzzAnyRequest.
func TestAnyRequest(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 3, ttl: time.Hour})
	schema := loadSchema(t)
	random := rand.New(rand.NewPCG(1, 2))
	const requests = 10_000
	executed := 0
	for range requests {
		choices := make([]byte, 20+random.IntN(200))
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		if g.checkRequest(t, newAnyRequest(schema, choices), http.MethodPost) {
			executed++
		}
		if t.Failed() {
			break
		}
	}
	if executed < requests/10 || executed > requests*9/10 {
		t.Errorf("%d of %d requests were executed: some of either kind are wanted", executed, requests)
	}
	t.Logf("%d of %d requests were executed", executed, requests)
}

// FuzzAnyRequest lets the fuzzer choose.
func FuzzAnyRequest(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		choices := make([]byte, 100)
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		f.Add(choices)
	}
	g := newGateway(f, gatewayOptions{calls: 3, ttl: time.Hour})
	schema := loadSchema(f)
	f.Fuzz(func(t *testing.T, choices []byte) {
		g.checkRequest(t, newAnyRequest(schema, choices), http.MethodPost)
	})
}
