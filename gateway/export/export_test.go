package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

func loadSchema(t *testing.T) *ast.Schema {
	t.Helper()
	text, err := os.ReadFile("../../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// engine responds with a list of calls 0, 1, 2 and so on, in pages of two. A cursor is the number of calls before it.
type engine struct {
	calls    int
	requests []Request
	failures []string // the first responses, one for each request; empty: the real response
	stop     func(request int)
}

func (e *engine) ask(ctx context.Context, text []byte) ([]byte, error) {
	var r Request
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, err
	}
	e.requests = append(e.requests, r)
	if e.stop != nil {
		e.stop(len(e.requests))
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if len(e.failures) > 0 {
		failure := e.failures[0]
		e.failures = e.failures[1:]
		if failure != "" {
			return []byte(failure), nil
		}
	}
	var cursor string
	_ = json.Unmarshal(r.Variables[afterVariable], &cursor)
	from, _ := strconv.Atoi(cursor)
	to := min(from+2, e.calls)
	var nodes []string
	for i := from; i < to; i++ {
		more := ""
		switch i {
		case 0:
			more = `,"first":1`
		case e.calls - 1:
			more = `,"last":1`
		}
		nodes = append(nodes, fmt.Sprintf(`{"id":"%d","extra":{"a":[1, {"b":"c"}],"a.":1%s}}`, i, more))
	}
	return fmt.Appendf(nil, `{"data":{"calls":{"nodes":[%s],"_exportPage":{"hasNextPage":%t,"endCursor":"%d"}}}}`,
		strings.Join(nodes, ","), to < e.calls, to), nil
}

func (e *engine) options(t *testing.T) *Options {
	t.Helper()
	return &Options{
		Ask: e.ask, Schema: loadSchema(t), Request: Request{Query: "{ calls { nodes { id extra } } }"}, PageSize: 2,
		MaxWait: time.Minute,
		Notify:  func(line string) { t.Log(line) },
	}
}

func failure(code, more string) string {
	return `{"errors":[{"message":"No.","path":["calls"],"extensions":{"code":"` + code + `"` + more +
		`}}],"data":{"calls":null}}`
}

// A walk also retries a request without a response if a later one may have it, for example while a gateway restarts.
func TestRequestsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{calls: 4}
		o := e.options(t)
		failures := []error{
			nil, &TemporaryError{Err: errors.New("lost")}, &TemporaryError{errors.New("busy"), 7 * time.Second},
		}
		o.Ask = func(ctx context.Context, request []byte) ([]byte, error) {
			if len(failures) > 0 {
				failure := failures[0]
				failures = failures[1:]
				if failure != nil {
					return nil, failure
				}
			}
			return e.ask(ctx, request)
		}
		began := time.Now()
		var out bytes.Buffer
		if err := Walk(t.Context(), o, &out); err != nil || strings.Count(out.String(), "\n") != 4 {
			t.Errorf("%v: %s", err, &out)
		}
		if waited := time.Since(began); waited != 8*time.Second {
			t.Errorf("waited %v", waited)
		}
		failures = []error{errors.New("no gateway")}
		if err := Walk(t.Context(), o, &out); err == nil || time.Since(began) != 8*time.Second {
			t.Errorf("another error: %v", err)
		}
	})
}

// A walk waits no longer than MaxWait for a page, the time of requests that fail included. A page that comes late is no
// failure, and each page has its own time.
func TestMaxWait(t *testing.T) {
	for _, test := range []struct {
		name    string
		lasts   []time.Duration // the requests that fail
		want    time.Duration
		written bool
	}{
		{"slow failures", []time.Duration{29 * time.Second, 20 * time.Second, 40 * time.Second}, 92 * time.Second, false},
		{"a failure that takes too long", []time.Duration{59*time.Second + 1}, 59*time.Second + 1, false},
		{"just in time", []time.Duration{59 * time.Second}, 60 * time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &engine{calls: 4}
				o := e.options(t)
				o.Ask = func(ctx context.Context, request []byte) ([]byte, error) {
					if len(test.lasts) > 0 {
						time.Sleep(test.lasts[0])
						test.lasts = test.lasts[1:]
						return nil, &TemporaryError{Err: errors.New("lost")}
					}
					return e.ask(ctx, request)
				}
				began := time.Now()
				var out bytes.Buffer
				err := Walk(t.Context(), o, &out)
				if waited := time.Since(began); waited != test.want || (err == nil) != test.written {
					t.Errorf("after %v: %v", waited, err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		e := &engine{calls: 4}
		o := e.options(t)
		failed := false
		o.Ask = func(ctx context.Context, request []byte) ([]byte, error) {
			if failed = !failed; failed {
				time.Sleep(50 * time.Second)
				return nil, &TemporaryError{Err: errors.New("lost")}
			}
			time.Sleep(time.Hour)
			return e.ask(ctx, request)
		}
		var out bytes.Buffer
		if err := Walk(t.Context(), o, &out); err != nil || strings.Count(out.String(), "\n") != 4 {
			t.Errorf("%v: %s", err, &out)
		}
	})
}

// A walk waits as long as the error says, but no longer than MaxWait. Permanent errors end it at once.
func TestTemporaryErrors(t *testing.T) {
	for _, test := range []struct {
		name     string
		failures []string
		want     time.Duration
		fails    string
	}{
		{"none", nil, 0, ""},
		{"once", []string{"", failure("UPSTREAM_RATE_LIMITED", `,"retryAfter":7`)}, 7 * time.Second, ""},
		{"longer and longer", []string{
			failure("OVERLOADED", ""), failure("UPSTREAM_UNAVAILABLE", ""),
			failure("UPSTREAM_TIMEOUT", ""),
		}, 7 * time.Second, ""},
		{
			"a limit that a later request may not reach",
			[]string{failure("QUERY_TOO_COMPLEX", `,"retryAfter":7`)},
			7 * time.Second,
			"",
		},
		{
			"a limit that every request reaches",
			[]string{failure("QUERY_TOO_COMPLEX", "")},
			0,
			"stopped after 0 calls: QUERY_TOO_COMPLEX: No.; nothing was written",
		},
		{
			"too long",
			[]string{failure("OVERLOADED", `,"retryAfter":61`)},
			0,
			"stopped after 0 calls: OVERLOADED: No.; nothing was written",
		},
		{
			"cursor lost",
			[]string{"", failure("CURSOR_EXPIRED", "")},
			0,
			"stopped after 2 calls: CURSOR_EXPIRED: No.; start again without a cursor",
		},
		{
			"forbidden",
			[]string{"", failure("FORBIDDEN", "")},
			0,
			"stopped after 2 calls: FORBIDDEN: No.; continue with --after 2",
		},
		{
			"no calls",
			[]string{`{"data":{"calls":null}}`},
			0,
			"stopped after 0 calls: the response has no calls; nothing was written",
		},
		{"no JSON", []string{`oops`}, 0, "the response cannot be read"},
		{
			"no way on",
			[]string{"", `{"data":{"calls":{"nodes":[],"_exportPage":{"hasNextPage":true,"endCursor":null}}}}`},
			0,
			"the page has no cursor to continue from",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &engine{calls: 5, failures: test.failures}
				var out bytes.Buffer
				began := time.Now()
				err := Walk(t.Context(), e.options(t), &out)
				if test.fails != "" {
					if err == nil || !strings.Contains(err.Error(), test.fails) {
						t.Errorf("it ended with %v", err)
					}
					return
				}
				if err != nil || strings.Count(out.String(), "\n") != 5 || time.Since(began) != test.want {
					t.Errorf("after %v: %v\n%s", time.Since(began), err, &out)
				}
			})
		})
	}
}

// Errors beside calls are reported and counted, and the walk continues.
func TestErrorsBesideCalls(t *testing.T) {
	page := `{"errors":[{"message":"Bad row.","path":["calls"],"extensions":{"code":"UPSTREAM_INVALID_RESPONSE"}},` +
		`{"message":"No total.","path":["calls","_exportTotal"],"extensions":{"code":"UPSTREAM_TIMEOUT"}}],` +
		`"data":{"calls":{"nodes":[{"id":"x"}],"_exportPage":{"hasNextPage":true,"endCursor":"2"},"_exportTotal":null}}}`
	e := &engine{calls: 5, failures: []string{page}}
	o := e.options(t)
	var reported []string
	o.Notify = func(line string) { reported = append(reported, line) }
	var out bytes.Buffer
	err := Walk(t.Context(), o, &out)
	if !errors.Is(err, ErrIncomplete) || strings.Count(out.String(), "\n") != 4 ||
		fmt.Sprint(reported) != "[UPSTREAM_INVALID_RESPONSE: Bad row.]" {
		t.Errorf("%v, reported %v\n%s", err, reported, &out)
	}
}

// answered returns a response with calls of these ids.
func answered(cursor, extensions string, ids ...string) string {
	var nodes []string
	for _, id := range ids {
		nodes = append(nodes, `{"extra":{"id":"other"},"id":"`+id+`"}`)
	}
	return `{"data":{"calls":{"nodes":[` + strings.Join(nodes, ",") +
		`],"_exportPage":{"hasNextPage":true,"endCursor":"` + cursor + `"}}}` +
		extensions + `}`
}

// A walk continues when calls have changed places, and returns an error at the end.
func TestReordered(t *testing.T) {
	const reordered = `,"extensions":{"stale":3,"reordered":true}`
	for _, test := range []struct {
		name, query string
		answers     []string
		want        string // the error; "" is none
	}{
		{name: "no", answers: []string{answered("2", `,"extensions":{"stale":3,"reordered":false}`, "0", "1")}},
		{
			name: "seen twice", answers: []string{answered("2", reordered, "0", "1"), answered("4", reordered, "2", "3")},
			want: "calls changed places during the walk, 2 times: calls that moved may be missing from the output, or be " +
				"there twice; run the command again when the list changes less",
		},
		{
			name: "a call again", answers: []string{answered("2", "", "0", "3")},
			want: "calls changed places during the walk, or Revox lists some twice: 1 calls are in the output more than once, " +
				"and others may be missing; run the command again when the list changes less",
		},
		{
			name: "a call again under another name", query: "{ calls { edges { node { extra ...on Call { id: extra x: id } } " +
				"} } }",
			answers: []string{
				`{"data":{"calls":{"edges":[{"node":{"id":"a","x":"1"}},{"node":{"id":"a","x":"2"}},{"node":{"id":"b","x":"1"}}],` +
					`"_exportPage":{"hasNextPage":false,"endCursor":"4"}}}}`,
			},
			want: "calls changed places during the walk, or Revox lists some twice: 1 calls are in the output more than once, " +
				"and others may be missing; run the command again when the list changes less",
		},
		{
			name: "a call again whose id is not selected", query: "{ calls { nodes { extra } } }",
			answers: []string{answered("2", "", "0", "3")},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := &engine{calls: 5, failures: test.answers}
			o := e.options(t)
			if test.query != "" {
				o.Request.Query = test.query
			}
			var out bytes.Buffer
			err := Walk(t.Context(), o, &out)
			switch {
			case test.want == "" && err != nil, test.want != "" && (!errors.Is(err, ErrReordered) || err.Error() != test.want):
				t.Errorf("it ended with %v", err)
			case strings.Contains(out.String(), "\n") && len(e.failures) > 0:
				t.Errorf("it ended early:\n%s", &out)
			}
		})
	}
}

// jsonFields returns fields of the type JSON.
func jsonFields(names ...string) (fields []*ast.Field) {
	for _, name := range names {
		definition := &ast.FieldDefinition{Name: name, Type: ast.NamedType("JSON", nil)}
		fields = append(fields, &ast.Field{Alias: name, Name: name, Definition: definition})
	}
	return fields
}

func TestRows(t *testing.T) {
	call := jsontext.Value(`{"id":"1","phone":"+33612345678","formula":"=1+1","minus":"-1 point","none":null,"lines":"a
b","big":12345678901234567890,"data":{ "n" : 1.50,
"t":["x", {"y":"z"}] ,"n":2},"list":[]}`)
	call = bytes.ReplaceAll(call, []byte("a\nb"), []byte(`a\nb`))
	fields := []string{"id", "phone", "formula", "minus", "none", "lines", "big", "data", "list"}
	for _, test := range []struct {
		format  Format
		columns string
		want    string
	}{
		{NDJSON, "", `{"id":"1","phone":"+33612345678","formula":"=1+1","minus":"-1 point","none":null,"lines":"a\nb",` +
			`"big":12345678901234567890,"data":{"n":1.50,"t":["x",{"y":"z"}],"n":2},"list":[]}` + "\n"},
		{
			NDJSON, "big,data.t.1.y,none,data.x.y",
			`{"big":12345678901234567890,"data.t.1.y":"z","none":null,"data.x.y":null}` + "\n",
		},
		{CSV, "", "id,phone,formula,minus,none,lines,big,data,list\n" + `1,+33612345678,'=1+1,'-1 point,,"a` + "\nb" +
			`",12345678901234567890,"{""n"":1.50,""t"":[""x"",{""y"":""z""}],""n"":2}",[]` + "\n"},
		{CSV, "data.t.0,data.t.7,data.t.x,id.0", "data.t.0,data.t.7,data.t.x,id.0\nx,,,\n"},
		{CSV, "none", "none\n\"\"\n"}, // an empty line would be no row
	} {
		t.Run(string(test.format)+" "+test.columns, func(t *testing.T) {
			o := RowOptions{Format: test.format, Header: true}
			if test.columns != "" {
				o.Columns = strings.Split(test.columns, ",")
			}
			r, err := newRows(o, jsonFields(fields...))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r.lines([]jsontext.Value{call.Clone()}, true); err != nil || string(got) != test.want {
				t.Errorf("%v, got\n%s\nand not\n%s", err, got, test.want)
			}
			header, _ := r.lines(nil, false)
			if len(header) > 0 {
				t.Errorf("a second header: %s", header)
			}
		})
	}
	for _, columns := range [][]string{{"ids"}, {"id", "id"}, {""}} {
		if _, err := newRows(RowOptions{Columns: columns}, jsonFields(fields...)); err == nil {
			t.Errorf("columns %v were taken", columns)
		}
	}
}

func TestHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "text": "text", "+33 (0)6-12.34": "+33 (0)6-12.34", "-3": "-3", "=A1": "'=A1", "@SUM(A1)": "'@SUM(A1)",
		"+1+cmd|' /C calc'!A0": "'+1+cmd|' /C calc'!A0",
		"-A1":                  "'-A1", "\t=A1": "'\t=A1", "\r=A1": "'\r=A1", "\n=A1": "'\n=A1", "a=b": "a=b",
		"＝A1": "'＝A1", "＋A1": "'＋A1", "－A1": "'－A1", "＠A1": "'＠A1", "＋81 3": "'＋81 3", "a＝b": "a＝b",
		"\x00=A1": "'\x00=A1", "\x00A1": "'\x00A1", "\x0b=A1": "'\x0b=A1", "\u0085=A1": "'\u0085=A1",
		"\ufeff=A1": "'\ufeff=A1",
		"\t":        "'\t", "\t-5": "'\t-5", "-5": "-5", "+5.5": "+5.5", "-5+A1": "'-5+A1",
		"=5": "'=5", "-5\n": "'-5\n", "é": "é",
	} {
		if got := harmless(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}
