// Package speccases reads test cases with the responses of graphql-js.
package speccases

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// Case is a case of a file: a request, and the errors and the data of its response.
type Case struct {
	Name, Query, Variables, Operation string
	Errors                            []string
	Data                              string
}

// Read reads a file of cases, and ends the test if the file is wrong. A case has its name after a hash, and then lines
// of a key and a value; a query with line ends is quoted as in Go.
func Read(tb testing.TB, file string) []Case {
	tb.Helper()
	text, err := os.ReadFile(file) //nolint:gosec // a file of the tests
	if err != nil {
		tb.Fatal(err)
	}
	var cases []Case
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "# "); ok {
			cases = append(cases, Case{Name: name})
			continue
		}
		key, value, ok := strings.Cut(line, ": ")
		if !ok || len(cases) == 0 {
			if line != "" {
				tb.Fatalf("no key: %s", line)
			}
			continue
		}
		if unquoted, err := strconv.Unquote(value); err == nil && key == "query" {
			value = unquoted
		}
		c := &cases[len(cases)-1]
		switch key {
		case "query":
			c.Query = value
		case "variables":
			c.Variables = value
		case "operation":
			c.Operation = value
		case "error":
			c.Errors = append(c.Errors, value)
		case "data":
			c.Data = value
		default:
			tb.Fatalf("an unknown key: %s", line)
		}
	}
	return cases
}
