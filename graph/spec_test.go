package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"revox-graphql/graph"
)

// told is an error as clients read it.
type told struct {
	Message   string `json:"message"`
	Locations []struct {
		Line   int `json:"line"`
		Column int `json:"column"`
	} `json:"locations"`
	Path       []any          `json:"path"`
	Extensions map[string]any `json:"extensions"`
}

// String is all that tests compare: code, argument, place, path and message.
func (e told) String() string {
	var b strings.Builder
	fmt.Fprint(&b, e.Extensions["code"])
	if argument := e.Extensions["argument"]; argument != nil {
		fmt.Fprintf(&b, "(%v)", argument)
	}
	for _, location := range e.Locations {
		fmt.Fprintf(&b, " %d:%d", location.Line, location.Column)
	}
	if e.Path != nil {
		fmt.Fprintf(&b, " %v", e.Path)
	}
	return b.String() + " " + e.Message
}

// run sends a request and returns the status, the errors and the data of the answer.
func (g *gateway) run(t testing.TB, body string) (status int, errors []string, data string) {
	t.Helper()
	status, got := g.serve(t, http.MethodPost, body)
	var a struct {
		Errors []told          `json:"errors"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	for _, err := range a.Errors {
		errors = append(errors, err.String())
	}
	return status, errors, string(a.Data)
}

func requestBody(t testing.TB, query, variables, operation string) string {
	t.Helper()
	request := map[string]any{"query": query}
	if variables != "" {
		request["variables"] = json.RawMessage(variables)
	}
	if operation != "" {
		request["operationName"] = operation
	}
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Values of variables that are not of the variable's type. The messages and the places are those of graphql-js 16.
func TestVariablesOfWrongTypes(t *testing.T) {
	const (
		statuses = "query ($s: [CallOrderStatus!]) { calls(first: 1, statuses: $s) { nodes { id } } }"
		roles    = "query ($r: [TranscriptRole!]) { calls(first: 1) { nodes { transcript(roles: $r) { role } } } }"
		first    = "query ($n: Int) { calls(first: $n) { nodes { id } } }"
		call     = "query ($id: ID!) { call(id: $id) { id } }"
		nodes    = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
		after    = "query ($a: String) { calls(after: $a) { nodes { id } } }"
		keys     = "query ($k: [String!]) { calls(first: 1) { nodes { structuredOutput(keys: $k) } } }"
		include  = "query ($b: Boolean!) { __typename @include(if: $b) }"
	)
	tests := map[string]struct {
		query, variables string
		want             []string // without the code and the place
	}{
		"an enum name in small letters": {statuses, `{"s": ["completed"]}`, []string{`Variable "$s" got invalid value "completed" at "s[0]"; Value "completed" does not exist in "CallOrderStatus" enum. Did you mean the enum value "COMPLETED"?`}},
		"one of two enum names":         {statuses, `{"s": ["Completed", "ERRORED"]}`, []string{`Variable "$s" got invalid value "Completed" at "s[0]"; Value "Completed" does not exist in "CallOrderStatus" enum. Did you mean the enum value "COMPLETED"?`}},
		"an enum name that is no list":  {statuses, `{"s": "completed"}`, []string{`Variable "$s" got invalid value "completed"; Value "completed" does not exist in "CallOrderStatus" enum. Did you mean the enum value "COMPLETED"?`}},
		"an empty enum name":            {statuses, `{"s": [""]}`, []string{`Variable "$s" got invalid value "" at "s[0]"; Value "" does not exist in "CallOrderStatus" enum.`}},
		"a number for an enum":          {statuses, `{"s": [4]}`, []string{`Variable "$s" got invalid value 4 at "s[0]"; Enum "CallOrderStatus" cannot represent non-string value: 4.`}},
		"a null in a list":              {statuses, `{"s": ["ERRORED", null]}`, []string{`Variable "$s" got invalid value null at "s[1]"; Expected non-nullable type "CallOrderStatus!" not to be null.`}},
		"a list in a list":              {statuses, `{"s": [["ERRORED"]]}`, []string{`Variable "$s" got invalid value ["ERRORED"] at "s[0]"; Enum "CallOrderStatus" cannot represent non-string value: ["ERRORED"]. Did you mean the enum value "ERRORED"?`}},
		"roles in small letters":        {roles, `{"r": ["user"]}`, []string{`Variable "$r" got invalid value "user" at "r[0]"; Value "user" does not exist in "TranscriptRole" enum. Did you mean the enum value "USER"?`}},
		"a text for an Int":             {first, `{"n": "2"}`, []string{`Variable "$n" got invalid value "2"; Int cannot represent non-integer value: "2"`}},
		"an Int of 33 bits":             {first, `{"n": 2147483648}`, []string{`Variable "$n" got invalid value 2147483648; Int cannot represent non 32-bit signed integer value: 2147483648`}},
		"an Int of 33 bits below":       {first, `{"n": -2147483649}`, []string{`Variable "$n" got invalid value -2147483649; Int cannot represent non 32-bit signed integer value: -2147483649`}},
		"an Int without end":            {first, `{"n": 1e400}`, []string{`Variable "$n" got invalid value 1e400; Int cannot represent non-integer value: 1e400`}},
		"half an Int":                   {first, `{"n": 2.5}`, []string{`Variable "$n" got invalid value 2.5; Int cannot represent non-integer value: 2.5`}},
		"a Boolean for an Int":          {first, `{"n": true}`, []string{`Variable "$n" got invalid value true; Int cannot represent non-integer value: true`}},
		"an object for an Int":          {first, `{"n": {"a": {"b": {"c": 1}}}}`, []string{`Variable "$n" got invalid value { a: { b: [Object] } }; Int cannot represent non-integer value: { a: { b: [Object] } }`}},
		"a list for an Int":             {first, `{"n": [1,2,3,4,5,6,7,8,9,10,[[1]],12]}`, []string{`Variable "$n" got invalid value [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ... 2 more items]; Int cannot represent non-integer value: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ... 2 more items]`}},
		"a number for a String":         {after, `{"a": 4}`, []string{`Variable "$a" got invalid value 4; String cannot represent a non string value: 4`}},
		"a number for Strings":          {keys, `{"k": [4]}`, []string{`Variable "$k" got invalid value 4 at "k[0]"; String cannot represent a non string value: 4`}},
		"part of an ID":                 {call, `{"id": 12.5}`, []string{`Variable "$id" got invalid value 12.5; ID cannot represent value: 12.5`}},
		"a Boolean for an ID":           {call, `{"id": true}`, []string{`Variable "$id" got invalid value true; ID cannot represent value: true`}},
		"no ID":                         {call, `{}`, []string{`Variable "$id" of required type "ID!" was not provided.`}},
		"no variables":                  {call, ``, []string{`Variable "$id" of required type "ID!" was not provided.`}},
		"a null for an ID":              {call, `{"id": null}`, []string{`Variable "$id" of non-null type "ID!" must not be null.`}},
		"several":                       {nodes, `{"ids": [1, {}, "x", null]}`, []string{`Variable "$ids" got invalid value {} at "ids[1]"; ID cannot represent value: {}`, `Variable "$ids" got invalid value null at "ids[3]"; Expected non-nullable type "ID!" not to be null.`}},
		"a text for a Boolean":          {include, `{"b": "true"}`, []string{`Variable "$b" got invalid value "true"; Boolean cannot represent a non boolean value: "true"`}},
	}
	g := newGateway(t, gatewayOptions{calls: 3, ttl: time.Hour})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var want []string
			for _, message := range test.want {
				want = append(want, "GRAPHQL_VALIDATION_FAILED 1:8 "+message)
			}
			status, errors, data := g.run(t, requestBody(t, test.query, test.variables, ""))
			if status != http.StatusOK || data != "" || fmt.Sprint(errors) != fmt.Sprint(want) {
				t.Errorf("%d %s\ngot  %q\nwant %q", status, data, errors, want)
			}
		})
	}
	if n := len(g.fake.Requests()); n > 0 {
		t.Errorf("%d upstream requests", n)
	}
}

// Values that are coerced (GraphQL spec 3.5, 3.11), and what of them goes upstream.
func TestVariablesThatAreCoerced(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 30})
	count := func(query, variables string) int {
		t.Helper()
		_, errors, data := g.run(t, requestBody(t, query, variables, ""))
		if len(errors) > 0 {
			t.Errorf("%s with %s: %q", query, variables, errors)
		}
		return strings.Count(data, `"id"`)
	}
	const first = "query ($n: Int = 3) { calls(first: $n) { nodes { id } } }"
	for variables, want := range map[string]int{
		`{"n": 2}`: 2, `{"n": 2.0}`: 2, `{"n": 1e1}`: 10, `{"n": null}`: 20, `{}`: 3, `{"m": 1}`: 3,
	} {
		if n := count(first, variables); n != want {
			t.Errorf("%s: %d calls, want %d", variables, n, want)
		}
	}
	const statuses = "query ($s: [CallOrderStatus!] = ERRORED) { calls(first: 1, statuses: $s) { nodes { id } } }"
	for variables, want := range map[string]string{
		`{"s": "COMPLETED"}`: "completed", `{"s": ["COMPLETED"]}`: "completed", `{"s": ["SCHEDULED", "ERRORED"]}`: "scheduled,errored",
		`{}`: "errored", `{"s": null}`: "", `{"s": []}`: "",
	} {
		g.fake.ResetRequests()
		count(statuses, variables)
		if got := strings.Join(g.fake.Requests()[0].Statuses, ","); got != want {
			t.Errorf("%s: upstream was asked for %q, want %q", variables, got, want)
		}
	}
	_, _, all := g.run(t, requestBody(t, "{ calls(first: 1) { nodes { id structuredOutput transcript { role } } } }", "", ""))
	var known struct {
		Calls struct{ Nodes []struct{ ID string } }
	}
	if err := json.Unmarshal([]byte(all), &known); err != nil {
		t.Fatal(err)
	}
	if n := count("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", fmt.Sprintf(`{"ids": %q}`, known.Calls.Nodes[0].ID)); n != 1 {
		t.Errorf("one id is no list of one: %d calls", n)
	}
	for _, id := range []string{`12`, `12.0`, `"12"`, `99999999999999999999`, `1.2e1`} {
		if _, errors, data := g.run(t, requestBody(t, "query ($id: ID!) { call(id: $id) { id } }", `{"id": `+id+`}`, "")); len(errors) > 0 || data != `{"call":null}` {
			t.Errorf("the id %s: %q %s", id, errors, data)
		}
	}
}

// A nullable variable with a default may stand where null is not allowed. That it is null is an error of the field (GraphQL spec
// 6.4.1), and where it decides which fields there are, of the whole.
func TestNullsThroughDefaults(t *testing.T) {
	const b, id = "query ($b: Boolean = true) ", `query ($n: ID = "a") `
	tests := map[string]struct{ query, variables, err, data string }{
		"@include of a root field":    {b + "{ __typename @include(if: $b) }", `{"b": null}`, `BAD_USER_INPUT(if) 1:54 Argument "if" of non-null type "Boolean!" must not be null.`, "null"},
		"@skip of a root field":       {b + "{ __typename @skip(if: $b) }", `{"b": null}`, `BAD_USER_INPUT(if) 1:51 Argument "if" of non-null type "Boolean!" must not be null.`, "null"},
		"@include of a root spread":   {b + "{ ...F @include(if: $b) } fragment F on Query { __typename }", `{"b": null}`, `BAD_USER_INPUT(if) 1:48 Argument "if" of non-null type "Boolean!" must not be null.`, "null"},
		"@include in a root fragment": {b + "{ ...F } fragment F on Query { __typename @include(if: $b) }", `{"b": null}`, `BAD_USER_INPUT(if) 1:83 Argument "if" of non-null type "Boolean!" must not be null.`, "null"},
		"@include deeper":             {b + "{ x: __typename calls(first: 1) { __typename ... @include(if: $b) { nodes { id } } } }", `{"b": null}`, `BAD_USER_INPUT(if) 1:90 [calls] Argument "if" of non-null type "Boolean!" must not be null.`, `{"x":"Query","calls":null}`},
		"@include deeper in fragment": {b + "{ x: __typename c: calls(first: 1) { nodes { ...F ...F } } } fragment F on Call { id @include(if: $b) }", `{"b": null}`, `BAD_USER_INPUT(if) 1:126 [c] Argument "if" of non-null type "Boolean!" must not be null.`, `{"x":"Query","c":null}`},
		"@include of the schema":      {b + `{ x: __typename __type(name: "Call") { name @include(if: $b) } }`, `{"b": null}`, `BAD_USER_INPUT(if) 1:85 [__type] Argument "if" of non-null type "Boolean!" must not be null.`, `{"x":"Query","__type":null}`},
		"what is left out":            {b + "{ x: __typename calls(first: 1) { ... @skip(if: true) { nodes { id @include(if: $b) } } __typename } }", `{"b": null}`, "", `{"x":"Query","calls":{"__typename":"CallConnection"}}`},
		"what is left out at root":    {b + "{ x: __typename calls(first: 1) @include(if: false) { nodes { id @include(if: $b) } } }", `{"b": null}`, "", `{"x":"Query"}`},
		"its default":                 {b + "{ __typename @include(if: $b) }", `{}`, "", `{"__typename":"Query"}`},
		"another value":               {b + "{ __typename @include(if: $b) }", `{"b": false}`, "", `{}`},
		"call":                        {id + "{ x: __typename call(id: $n) { id } }", `{"n": null}`, `BAD_USER_INPUT(id) 1:47 [call] Argument "id" of non-null type "ID!" must not be null.`, `{"x":"Query","call":null}`},
		"node":                        {id + "{ x: __typename node(id: $n) { id } }", `{"n": null}`, `BAD_USER_INPUT(id) 1:47 [node] Argument "id" of non-null type "ID!" must not be null.`, `{"x":"Query","node":null}`},
		"nodes":                       {`query ($n: [ID!] = ["a"]) { nodes(ids: $n) { id } }`, `{"n": null}`, `BAD_USER_INPUT(ids) 1:40 [nodes] Argument "ids" of non-null type "[ID!]!" must not be null.`, "null"},
		"one of nodes":                {id + `{ nodes(ids: ["b", $n]) { id } }`, `{"n": null}`, `BAD_USER_INPUT(ids) 1:35 [nodes] Argument "ids" has invalid value ["b",$n]: "$n" must not be null where type "ID!" is expected.`, "null"},
		"statuses":                    {"query ($n: CallOrderStatus = COMPLETED) { x: __typename calls(first: 1, statuses: [$n]) { nodes { id } } }", `{"n": null}`, `BAD_USER_INPUT(statuses) 1:83 [calls] Argument "statuses" has invalid value [$n]: "$n" must not be null where type "CallOrderStatus!" is expected.`, `{"x":"Query","calls":null}`},
		"roles":                       {"query ($n: TranscriptRole = USER) { calls(first: 1) { nodes { __typename transcript(roles: [$n]) { role } } } }", `{"n": null}`, `BAD_USER_INPUT(roles) 1:92 [calls nodes 0 transcript] Argument "roles" has invalid value [$n]: "$n" must not be null where type "TranscriptRole!" is expected.`, `{"calls":{"nodes":[{"__typename":"Call","transcript":null}]}}`},
		"keys":                        {`query ($n: String = "a") { calls(first: 1) { nodes { __typename structuredOutput(keys: [$n]) } } }`, `{"n": null}`, `BAD_USER_INPUT(keys) 1:88 [calls nodes 0 structuredOutput] Argument "keys" has invalid value [$n]: "$n" must not be null where type "String!" is expected.`, `{"calls":{"nodes":[{"__typename":"Call","structuredOutput":null}]}}`},
		"__type":                      {`query ($n: String = "a") { x: __typename __type(name: $n) { name } }`, `{"n": null}`, `BAD_USER_INPUT(name) 1:55 [__type] Argument "name" of non-null type "String!" must not be null.`, `{"x":"Query","__type":null}`},
	}
	g := newGateway(t, gatewayOptions{calls: 3, ttl: time.Hour})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status, errors, data := g.run(t, requestBody(t, test.query, test.variables, ""))
			if status != http.StatusOK || data != test.data || strings.Join(errors, " and ") != test.err {
				t.Errorf("%d\ngot  %q %s\nwant %q %s", status, errors, data, test.err, test.data)
			}
		})
	}
	if g.log.Len() > 0 {
		t.Errorf("logged: %s", g.log)
	}
}

// Literals that are not of the type that the schema wants, in every place that takes one, are refused by validation.
func TestLiteralsOfWrongTypes(t *testing.T) {
	places := map[string]string{ // and what the place takes
		"{ calls(first: %s) { nodes { id } } }":                                            "1 -2147483648 null",
		"{ calls(last: %s) { nodes { id } } }":                                             "1 -2147483648 null",
		"{ calls(after: %s) { nodes { id } } }":                                            `"a" """a""" null`,
		"{ calls(statuses: %s) { nodes { id } } }":                                         "COMPLETED [COMPLETED] [] null",
		"{ calls(statuses: [%s]) { nodes { id } } }":                                       "COMPLETED",
		"{ call(id: %s) { id } }":                                                          `1 -2147483648 2147483648 99999999999999999999 "a" """a"""`,
		"{ nodes(ids: %s) { id } }":                                                        `1 -2147483648 2147483648 99999999999999999999 "a" """a""" [1] []`,
		"{ calls(first: 1) { nodes { transcript(roles: %s) { role } } } }":                 "USER null []",
		"{ calls(first: 1) { nodes { transcript(search: %s) { role } } } }":                `"a" """a""" null`,
		"{ calls(first: 1) { nodes { structuredOutput(keys: %s) } } }":                     `"a" """a""" null []`,
		"{ __typename @include(if: %s) }":                                                  "true",
		"{ __typename @skip(if: %s) }":                                                     "true",
		"{ __type(name: %s) { name } }":                                                    `"a" """a"""`,
		`{ __type(name: "Call") { fields(includeDeprecated: %s) { name } } }`:              "true null",
		"query ($x: Int = %s) { calls(first: $x) { nodes { id } } }":                       "1 -2147483648 null",
		"query ($x: [CallOrderStatus!] = %s) { calls(statuses: $x) { edges { cursor } } }": "COMPLETED [COMPLETED] [] null",
		"query ($x: Boolean! = %s) { __typename @include(if: $x) }":                        "true",
	}
	values := []string{
		"{}", "{a: 1}", "[]", "[1]", "[[]]", "[{}]", "[COMPLETED]", "1", "-2147483648", "2147483648", "99999999999999999999", "1.0", "1e400", `"a"`, `"""a"""`, "true", "null",
		"COMPLETED", "USER", "completed", `"COMPLETED"`, "[null]", "[[COMPLETED]]",
	}
	g := newGateway(t, gatewayOptions{calls: 3, ttl: time.Hour})
	for place, takes := range places {
		for _, value := range values {
			query := fmt.Sprintf(place, value)
			status, errors, data := g.run(t, requestBody(t, query, "", ""))
			refused := data == "" && len(errors) > 0 && strings.HasPrefix(errors[0], "GRAPHQL_VALIDATION_FAILED 1:")
			if wanted := !strings.Contains(" "+takes+" ", " "+value+" "); refused != wanted && !strings.HasPrefix(value, `"`) || status != http.StatusOK {
				t.Errorf("%s: refused %v, want %v: %d %q %s", query, refused, wanted, status, errors, data)
			}
			for _, err := range errors {
				if strings.Contains(err, "INTERNAL_SERVER_ERROR") {
					t.Errorf("%s: %s", query, err)
				}
			}
		}
	}
	if g.log.Len() > 0 {
		t.Errorf("logged: %s", g.log)
	}
}

// Documents that are wrong, and where they are.
func TestWrongDocuments(t *testing.T) {
	const parse, validation = "GRAPHQL_PARSE_FAILED ", "GRAPHQL_VALIDATION_FAILED "
	tests := map[string]struct{ query, operation, want string }{
		"nothing":                    {" ", "", parse + `1:1 Syntax Error: Unexpected <EOF>: the document is empty.`},
		"a comment":                  {"# none", "", parse + `1:1 Syntax Error: Unexpected <EOF>: the document is empty.`},
		"an open brace":              {"{\n  calls(", "", parse + `2:9 Syntax Error: Expected Name, found <EOF>.`},
		"what is no token":           {"{ a?b }", "", parse + `1:4 Syntax Error: Cannot parse the unexpected character "?".`},
		"a single quote":             {"{\n\n call(id: 'a') { id } }", "", parse + `3:11 Syntax Error: Unexpected single quote character ('), did you mean to use a double quote (")?.`},
		"an open string":             {`{ call(id: "a) { id } }`, "", parse + `1:24 Syntax Error: Unterminated string.`},
		"what comes before":          {`{ calls(first: } call(id: "`, "", parse + `1:16 Syntax Error: Unexpected }.`},
		"a string for a name":        {"{\n \"a\" }", "", parse + `2:2 Syntax Error: Expected Name, found String.`},
		"a string for on":            {`{ ... "on" Query { __typename } }`, "", parse + `1:7 Syntax Error: Unexpected String.`},
		"a name after a number":      {"{ calls(first:1after:null) { nodes { id } } }", "", parse + `1:16 Syntax Error: Invalid number, expected digit but got: "a".`},
		"a name after a Float":       {"{ calls(first:1.5_) { nodes { id } } }", "", parse + `1:18 Syntax Error: Invalid number, expected digit but got: "_".`},
		"a hexadecimal number":       {"{ calls(first:0xF) { nodes { id } } }", "", parse + `1:16 Syntax Error: Invalid number, expected digit but got: "x".`},
		"dots after a number":        {"{ calls(first:1...F) }", "", parse + `1:17 Syntax Error: Invalid number, expected digit but got: ".".`},
		"the first half":             {`{ call(id: "\uD83D") { id } }`, "", parse + `1:12 Syntax Error: Invalid Unicode escape sequence: "\uD83D".`},
		"the first half, and more":   {`{ call(id: "\uD83Dx\uDE00") { id } }`, "", parse + `1:12 Syntax Error: Invalid Unicode escape sequence: "\uD83D".`},
		"two first halves":           {`{ call(id: "\uD83D\uD83D\uDE00") { id } }`, "", parse + `1:12 Syntax Error: Invalid Unicode escape sequence: "\uD83D".`},
		"the second half":            {`{ call(id: "\n\uDE00") { id } }`, "", parse + `1:12 Syntax Error: Invalid Unicode escape sequence: "\uDE00".`},
		"four quotes":                {`{ call(id: """a"""") { id } }`, "", parse + `1:12 Syntax Error: Unexpected quote behind the block string """a""".`},
		"variables of a fragment":    {"{ ...F } fragment F($a: Int) on Query { calls(first: $a) { nodes { id } } }", "", parse + `1:21 Syntax Error: Expected "on", found "(".`},
		"lines of Windows":           {"{\r\n  nothing\r\n}", "", validation + `2:3 Cannot query field "nothing" on type "Query".`},
		"lines of Windows, syntax":   {"{\r\n  calls(first: )\r\n}", "", parse + `2:16 Syntax Error: Unexpected ).`},
		"lines of old Macs":          {"{\r  nothing\r}", "", validation + `2:3 Cannot query field "nothing" on type "Query".`},
		"a string on several lines":  {"{ calls(first: \"\"\"\r\na\r\n\"\"\") { nodes { id } } }", "", validation + `1:16 Int cannot represent non-integer value: "a"`},
		"in a fragment, once":        {"{ ...F ...F } fragment F on Query { nothing }", "", validation + `1:37 Cannot query field "nothing" on type "Query".`},
		"a fragment of itself":       {"{ ...F }\nfragment F on Query { ...F }", "", validation + `2:26 The fragment "F" spreads itself.`},
		"an unknown operation":       {"query A { __typename }", "B", validation + `Unknown operation named "B".`},
		"an operation without names": {"{ __typename }", "B", validation + `Unknown operation named "B".`},
		"which of two":               {"query A { __typename } query B { __typename }", "", validation + `Must provide operation name if query contains multiple operations.`},
		"a field's error":            {"{ __typename\n  c: calls(first: -1) { nodes { id } } }", "", "BAD_USER_INPUT(first) 2:3 [c] `first` is -1, and must not be negative."},
		"a deeper field's error":     {"{ calls(first: 1) { nodes {\n  t: transcript(first: -1) { role } } } }", "", "BAD_USER_INPUT(first) 2:3 [calls nodes 0 t] `first` is -1, and must not be negative."},
	}
	g := newGateway(t, gatewayOptions{calls: 3, ttl: time.Hour})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if status, errors, _ := g.run(t, requestBody(t, test.query, "", test.operation)); status != http.StatusOK || strings.Join(errors, " and ") != test.want {
				t.Errorf("%d\ngot  %q\nwant %q", status, errors, test.want)
			}
		})
	}
}

// What looks like those, and is right.
func TestRightDocuments(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 3, ttl: time.Hour})
	for _, query := range []string{
		"{ calls(first:1#c\n) { nodes { id } } }", "{ calls(first:1,after:null) { nodes { id } } }", `{ call(id: "\uD83D\uDE00") { id } }`,
		`{ call(id: "\u{1F600}\u00e9\\uD83D") { id } }`, "{ call(id: \"\uFFFD\\u0041\") { id } }", `{ call(id: """"a""") { id } }`, `{ call(id: """""") { id } }`,
		`{ call(id: """a \"""""") { id } }`, "{ ... on Query { __typename } ... { a: __typename } ... @include(if: true) { b: __typename } }",
		"{ calls(first: 1) { nodes { ... on Node { id } } } }\r\n# c\r\n",
	} {
		if status, errors, data := g.run(t, requestBody(t, query, "", "")); status != http.StatusOK || len(errors) > 0 || data == "" {
			t.Errorf("%s: %d %q", query, status, errors)
		}
	}
}

// A block string has the value that the specification gives it (2.9.4 BlockStringValue): the first line's indent is not that of
// the others.
func TestBlockStrings(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 1, ttl: time.Hour})
	g.fake.SetRows(json.RawMessage(`{"id": "c", "structured_output": {"a\nb": 1, "  a\nb": 2, "a\n  b": 3, "\"\"\"": 4}}`))
	for block, want := range map[string]string{
		"a\n  b": "1", "\n  a\n  b\n": "1", "  a\n    b": "2", "a\r\n  b": "1", "\n  a\n    b": "3", `\"""`: "4", "a\n\n\n  b": "",
	} {
		query := fmt.Sprintf(`{ calls(first: 1) { nodes { structuredOutput(keys: """%s""") } } }`, block)
		_, errors, data := g.run(t, requestBody(t, query, "", ""))
		if len(errors) > 0 || strings.Count(data, ": ") > 1 || want != "" && !strings.Contains(data, want+"}") || want == "" && strings.ContainsAny(data, "1234") {
			t.Errorf("%q: %q %s, want the value %s", block, errors, data, want)
		}
	}
}

// A document that asks for the schema is refused as a whole where introspection is off, whatever else it asks for.
func TestNoIntrospection(t *testing.T) {
	for _, query := range []string{
		"{ calls(first: 1) { nodes { id } } __schema { types { name } } }", `{ __type(name: "Call") { name } }`,
		"{ calls(first: 1) { nodes { id } } ...F } fragment F on Query { ... { s: __schema { types { name } } } }",
		"query A { __typename } query B { __schema { types { name } } }",
	} {
		for _, introspection := range []bool{true, false} {
			g := newGateway(t, gatewayOptions{calls: 3, graph: func(o *graph.Options) { o.Introspection = introspection }})
			status, errors, data := g.run(t, requestBody(t, query, "", strings.Repeat("B", strings.Count(query, "query B"))))
			if introspection && (len(errors) > 0 || data == "") {
				t.Errorf("%s: %q", query, errors)
			}
			if !introspection && (status != http.StatusOK || data != "" || len(errors) != 1 || len(g.fake.Requests()) > 0 ||
				!strings.HasPrefix(errors[0], "GRAPHQL_VALIDATION_FAILED 1:") || !strings.Contains(errors[0], "does not answer introspection")) {
				t.Errorf("%s: %d %q %s", query, status, errors, data)
			}
		}
	}
	g := newGateway(t, gatewayOptions{graph: func(o *graph.Options) { o.Introspection = false }})
	if _, errors, data := g.run(t, requestBody(t, "{ __typename }", "", "")); len(errors) > 0 || data != `{"__typename":"Query"}` {
		t.Errorf("__typename: %q %s", errors, data)
	}
	_, errors, _ := g.run(t, requestBody(t, "query ($s: [CallOrderStatus!]) { calls(statuses: $s) { nodes { id } } }", `{"s": "completed"}`, ""))
	if len(errors) != 1 || strings.Contains(errors[0], "COMPLETED") {
		t.Errorf("a value is suggested: %q", errors)
	}
}

// A fragment of two operations takes the variables of the one that runs.
func TestFragmentsTakeTheirOperationsVariables(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 30, ttl: time.Hour})
	const query = "query B($n: Int) { ...F } query A($n: Int = 2) { ...F } fragment F on Query { calls(first: $n) { nodes { id } } }"
	for operation, want := range map[string]int{"A": 2, "B": 20} {
		_, _, body := g.post(t, requestBody(t, query, "", operation), http.Header{"X-Query-Cost": {"true"}})
		a := decode(t, body)
		if n := strings.Count(string(body), `"id"`); n != want || at(t, a.Extensions, "cost", "requested") != float64(want) {
			t.Errorf("%s: %d calls, want %d: %s", operation, n, want, body)
		}
	}
}
