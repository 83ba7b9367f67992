package export

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// A value that an enum does not have is rejected before the first request. The error names similar values.
func TestVariables(t *testing.T) {
	const query = `query ($statuses: [CallOrderStatus!], $roles: [TranscriptRole!], $n: Int) {
		calls(first: $n, statuses: $statuses) { nodes { id transcript(roles: $roles) { role } } }
	}`
	for _, test := range []struct{ name, variable, value, want string }{
		{"right", "statuses", `["COMPLETED", "ERRORED"]`, ""},
		{"escaped", "statuses", `["\u0043OMPLETED"]`, ""},
		{"one in place of a list", "statuses", `"COMPLETED"`, ""},
		{"null", "statuses", `null`, ""},
		{
			"another case", "statuses", `["completed"]`,
			`$statuses: there is no "completed" (did you mean "COMPLETED"?): a CallOrderStatus is one of INITIALIZING, `,
		},
		{"another case, in place of a list", "statuses", `"completed"`, `did you mean "COMPLETED"`},
		{"the second one", "statuses", `["COMPLETED","DONE"]`, `there is no "DONE"`},
		{"of another enum", "statuses", `["ERROR"]`, `(did you mean "ERRORED"?)`},
		{"a number", "statuses", `[1]`, "1 is not a name: a CallOrderStatus is one of"},
		{
			"a role in another case", "roles", `["user"]`,
			`there is no "user" (did you mean "USER"?): a TranscriptRole is one of USER, ASSISTANT, TOOL, UNRECOGNIZED`,
		},
		{
			"no such variable", "status", `["COMPLETED"]`,
			`there is no "$status" (did you mean "$statuses"?): the operation has $statuses, $roles, $n`,
		},
		{"not an enum", "n", `2`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := &engine{calls: 3}
			o := e.options(t)
			o.Request = Request{Query: query, Variables: map[string]jsontext.Value{test.variable: jsontext.Value(test.value)}}
			var out strings.Builder
			err := Walk(t.Context(), o, &out)
			_, usage := errors.AsType[*UsageError](err)
			if usage != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("it ended with %v", err)
			}
			if test.want != "" && len(e.requests) > 0 {
				t.Error("it has asked")
			}
		})
	}
}

// An error in the request itself is a usage error. Errors of later requests and of upstream are not.
func TestRejectedRequests(t *testing.T) {
	for _, test := range []struct {
		name     string
		failures []string
		usage    bool
	}{
		{"the document", []string{failure("GRAPHQL_VALIDATION_FAILED", "")}, true},
		{"a value", []string{failure("BAD_USER_INPUT", "")}, true},
		{"the cursor to begin behind", []string{failure("INVALID_CURSOR", "")}, true},
		{"a cursor on the way", []string{"", failure("INVALID_CURSOR", "")}, false},
		{"an old cursor to begin behind", []string{failure("CURSOR_EXPIRED", "")}, true},
		{"an old cursor on the way", []string{"", failure("CURSOR_EXPIRED", "")}, false},
		{"the key", []string{failure("UPSTREAM_UNAUTHENTICATED", "")}, false},
		{"upstream", []string{failure("UPSTREAM_INVALID_RESPONSE", "")}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			err := Walk(t.Context(), (&engine{calls: 5, failures: test.failures}).options(t), &out)
			if _, usage := errors.AsType[*UsageError](err); err == nil || usage != test.usage {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}
