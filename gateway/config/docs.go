package config

import (
	"fmt"
	"strings"
)

// Table is the settings as a Markdown table.
func Table() string {
	var b strings.Builder
	b.WriteString("| variable | flag | default | accepts | meaning |\n| --- | --- | --- | --- | --- |\n")
	fmt.Fprintf(&b, "| `%s` | none | none | a key | The key that goes to Revox. Without it, and without forwarding, the "+
		"gateway serves the demo. |\n", APIKey)
	for _, r := range new(Settings).rows() {
		fallback := "`" + r.fallback + "`"
		switch {
		case strings.Contains(r.unset, "://"):
			fallback = "`" + r.unset + "`"
		case r.unset != "":
			fallback = r.unset
		case r.fallback == "":
			fallback = "none"
		}
		accepts := r.value.accepts
		switch {
		case accepts == "":
			accepts = kinds[r.value.kind]
		case r.value.kind == choiceKind:
			accepts = "`" + strings.ReplaceAll(accepts, ", ", "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `--%s` | %s | %s | %s |\n", r.variable, r.flag, fallback, accepts,
			strings.TrimSpace(r.help+" "+r.details))
	}
	return b.String()
}

// kinds say what settings accept that have no bounds.
var kinds = map[string]string{
	boolKind:    "`true`, `false`",
	listKind:    "a list",
	"bytes":     "a size",
	"duration":  "a duration",
	"file":      "a path",
	"host:port": "`host:port`",
	"number":    "a number",
	"url":       "an address",
}
