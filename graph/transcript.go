package graph

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/cases"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// transcriptFilter is the arguments of Call.transcript.
type transcriptFilter struct {
	roles       []upstream.TranscriptRole // nil: every role
	search      *string
	first, last *int
}

// apply keeps the entries that pass; nil stays nil.
func (f transcriptFilter) apply(entries []upstream.TranscriptEntry) ([]*upstream.TranscriptEntry, error) {
	if err := relay.CheckCounts(f.first, f.last); err != nil {
		return nil, err
	}
	if entries == nil {
		return nil, nil
	}
	kept := []*upstream.TranscriptEntry{}
	fold := cases.Fold()
	search := ""
	if f.search != nil {
		search = fold.String(*f.search)
	}
	for i := range entries {
		e := &entries[i]
		if (f.roles == nil || slices.Contains(f.roles, e.Role)) && (search == "" || strings.Contains(fold.String(e.Content), search)) {
			kept = append(kept, e)
		}
	}
	if f.first != nil {
		kept = kept[:min(*f.first, len(kept))]
	}
	if f.last != nil {
		kept = kept[max(0, len(kept)-*f.last):]
	}
	return kept, nil
}

// keepKeys keeps the members of a JSON object with these names, in the object's order; nil keys keep all. What is not
// an object has no keys and stays as it is.
func keepKeys(value jsontext.Value, keys []string) jsontext.Value {
	if keys == nil || value.Kind() != '{' {
		return value
	}
	return upstream.KeepMembers(value, keys)
}

// seconds is the time from one moment to another, nil when either is unknown.
func seconds(from, to *upstream.Time) *float64 {
	if from == nil || to == nil {
		return nil
	}
	s := float64(to.Sub(from.Time).Milliseconds()) / 1000
	return &s
}
