package document

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// inspect returns the text that shows a value to the client that sent it. As in graphql-js, it has two levels, and ten
// elements of a list; it also cuts long strings and objects.
func inspect(value any) string {
	var b strings.Builder
	inspectInto(&b, value, 0)
	return b.String()
}

func inspectInto(b *strings.Builder, value any, depth int) {
	const maxDepth, maxElements = 2, 10
	switch value := value.(type) {
	case nil:
		b.WriteString("null")
	case string:
		quoted, _ := jsontext.AppendQuote(nil, Shorten(value)) // UTF-8 gives no error
		b.Write(quoted)
	case []any:
		if depth >= maxDepth && len(value) > 0 {
			b.WriteString("[Array]")
			return
		}
		b.WriteByte('[')
		for i, element := range value[:min(len(value), maxElements)] {
			if i > 0 {
				b.WriteString(", ")
			}
			inspectInto(b, element, depth+1)
		}
		if rest := len(value) - maxElements; rest > 0 {
			fmt.Fprintf(b, ", ... %d more item", rest)
			if rest > 1 {
				b.WriteByte('s')
			}
		}
		b.WriteByte(']')
	case map[string]any:
		switch {
		case len(value) == 0:
			b.WriteString("{}")
			return
		case depth >= maxDepth:
			b.WriteString("[Object]")
			return
		}
		separator := "{ "
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if b.Len() > maxMessage {
				break
			}
			b.WriteString(separator + Shorten(name) + ": ")
			inspectInto(b, value[name], depth+1)
			separator = ", "
		}
		b.WriteString(" }")
	default:
		fmt.Fprint(b, value)
	}
}
