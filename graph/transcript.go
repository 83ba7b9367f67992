package graph

import (
	"slices"
	"strings"

	"golang.org/x/text/cases"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// transcriptFilter is the arguments of Call.transcript.
type transcriptFilter struct {
	roles       []upstream.TranscriptRole // nil: every role
	search      string                    // folded; "": any content
	first, last *int
	fold        cases.Caser
}

func newTranscriptFilter(args map[string]any) (*transcriptFilter, error) {
	f := &transcriptFilter{fold: cases.Fold()}
	f.roles, _ = args["roles"].([]upstream.TranscriptRole)
	f.first, _ = args["first"].(*int)
	f.last, _ = args["last"].(*int)
	if search, _ := args["search"].(*string); search != nil {
		f.search = f.fold.String(*search)
	}
	return f, relay.CheckCounts(f.first, f.last)
}

// keep returns those of a call's n entries that pass.
func (f *transcriptFilter) keep(c *upstream.Call, n int) []upstream.Entry {
	var kept []upstream.Entry
	for i := range n {
		if e := c.Entry(i); f.passes(e) {
			kept = append(kept, e)
		}
	}
	if f.first != nil {
		kept = kept[:min(*f.first, len(kept))]
	}
	if f.last != nil {
		kept = kept[max(0, len(kept)-*f.last):]
	}
	return kept
}

func (f *transcriptFilter) passes(e upstream.Entry) bool {
	if f.roles != nil && !slices.Contains(f.roles, e.Role()) {
		return false
	}
	return f.search == "" || strings.Contains(f.fold.String(upstream.Unquote(e.Content())), f.search)
}
