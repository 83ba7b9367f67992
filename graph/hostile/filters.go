package hostile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Filter is a `filter` for `calls` that attacks a server, as the value of a variable.
type Filter struct {
	Name  string
	Value map[string]any
}

// The bounds that filters are measured at: see package filter.
const (
	longestText  = 500
	longestValue = 4000
	mostTexts    = 8
	// A filter may have 100 conditions, and each member and each element of a list of objects is one.
	mostOfOne, mostOfTwo, mostOfThree = 99, 49, 33
	mostNumbered                      = 60
	powersOfTexts                     = 14
)

// Filters are some 300 filters: some must be rejected, and others are the largest that may be sent. The same ones come
// in the same order.
func Filters() []Filter {
	filters := beyondBounds()
	maps.Copy(filters, atBounds())
	for i := range mostNumbered {
		filters[fmt.Sprint("depth of not ", i)] = nested(i, "not", map[string]any{})
		filters[fmt.Sprint("depth of anyOf ", i)] = nested(i, "anyOf", map[string]any{})
		filters[fmt.Sprintf("text %d of %d", i, 1<<(i%powersOfTexts))] = said(strings.Repeat("a", 1<<(i%powersOfTexts)))
		filters[fmt.Sprint("path of ", i)] = values(1, map[string]any{
			"path": strings.TrimPrefix(strings.Repeat(".a", i), "."), "exists": true,
		})
		filters[fmt.Sprint("values ", i)] = values(4*i, map[string]any{"path": "none", "exists": false})
	}
	list := make([]Filter, 0, len(filters))
	for _, name := range slices.Sorted(maps.Keys(filters)) {
		list = append(list, Filter{name, filters[name]})
	}
	return list
}

// beyondBounds are attacks that no server should try to honour.
func beyondBounds() map[string]map[string]any {
	bomb := map[string]any{"result": "HUMAN"}
	for range 3 {
		bomb = anyOf(15, bomb)
	}
	return map[string]map[string]any{
		"a bomb":             bomb,
		"a list too long":    {"status": repeat(10_000, "COMPLETED")},
		"many texts":         anyOf(90, said("hello")),
		"an accent in a row": said("e" + strings.Repeat("\u0301", 2*longestText)),
		"a huge value":       values(1, map[string]any{"path": "nps", "is": nested(1000, "a", map[string]any{})}),
		"a huge number":      values(1, map[string]any{"path": "nps", "is": json.Number("1e999999999")}),
	}
}

// atBounds are filters that may be requested, and that take long: all their conditions are tried for each call.
func atBounds() map[string]map[string]any {
	texts := func(text string) map[string]any {
		list := make([]any, mostTexts)
		for i := range list {
			list[i] = said(fmt.Sprint(text[:min(len(text), longestText-1)], i))
		}
		return map[string]any{"anyOf": list}
	}
	object := map[string]any{}
	for i := range 100 {
		object[fmt.Sprint("name", i)] = "a text"
	}
	both := texts(strings.Repeat("e", longestText))
	both["not"] = anyOf(40, map[string]any{"tool": map[string]any{"name": "none"}})
	return map[string]map[string]any{
		"an endless range": {"startedAt": map[string]any{"from": "0000-01-01T00:00:00Z"}},
		"after the year":   {"startedAt": map[string]any{"before": "9999-12-31T23:59:59.999999999Z"}},

		"8 texts":                   texts("a text that nobody says "),
		"8 texts of 500 bytes":      texts(strings.Repeat("a", longestText)),
		"8 texts that nearly match": texts(strings.Repeat(" the", longestText)),
		"8 texts of spaces":         texts(strings.Repeat(" ", longestText)),
		"8 texts of accents":        texts(strings.Repeat("é", longestText/2-1)),
		"8 texts, and 40 tools":     both,
		"49 tools":                  anyOf(mostOfTwo, map[string]any{"tool": map[string]any{"name": "none", "failed": true}}),
		"49 prefixes":               anyOf(mostOfTwo, map[string]any{"phoneNumber": map[string]any{"startsWith": "none"}}),
		"250 reasons":               {"endReason": repeat(250, strings.Repeat("x", longestText))},
		"99 unknown paths":          values(mostOfOne, map[string]any{"path": "none", "exists": false}),
		"99 unknown paths of 8":     values(mostOfOne, map[string]any{"path": "a.b.c.d.e.f.g.h", "exists": false}),
		"33 long texts":             anyValue(map[string]any{"path": "nps", "is": strings.Repeat("x", longestText)}),
		"33 long numbers": anyValue(map[string]any{
			"path": "nps", "is": json.Number(strings.Repeat("7", longestValue)),
		}),
		"33 lists":   anyValue(map[string]any{"path": "topics", "is": repeat(200, "staff")}),
		"33 objects": anyValue(map[string]any{"path": "customer", "is": object}),
		"33 ranges":  anyValue(map[string]any{"path": "nps", "min": 1e300}),
	}
}

// anyValue is that one of as many conditions on the structured output holds as a filter may have.
func anyValue(condition map[string]any) map[string]any {
	return anyOf(mostOfThree, values(1, condition))
}

func said(text string) map[string]any {
	return map[string]any{"transcript": map[string]any{"contains": text}}
}

func values(n int, condition map[string]any) map[string]any {
	return map[string]any{"structuredOutput": repeat(n, condition)}
}

func anyOf(n int, filter map[string]any) map[string]any {
	return map[string]any{"anyOf": repeat(n, filter)}
}

func repeat(n int, element any) []any { return slices.Repeat([]any{element}, n) }

// nested is an object in n members, one in the other.
func nested(n int, member string, inner map[string]any) map[string]any {
	for range n {
		if member == "anyOf" {
			inner = anyOf(1, inner)
		} else {
			inner = map[string]any{member: inner}
		}
	}
	return inner
}
