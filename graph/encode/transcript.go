package encode

import (
	"context"
	"fmt"

	"revox-graphql/graph/relay"
	"revox-graphql/internal/textmatch"
	"revox-graphql/upstream"
)

// Transcripts are most of a response, so their plan holds as much text as possible: it depends on the role of an entry,
// and on whether the entry has a tool. Then most entries have only two variable values, the index and the content.

// entryValue is a value that differs between entries.
type entryValue uint8

const (
	entryIndex entryValue = iota
	entryContent
	entryToolName
	entryToolArguments
	entryToolIsError
)

// entryObject has what the entries of a role write, without or with a tool.
func entryObject(role string, tool bool) object[entryValue] {
	ofTool := func(v entryValue) field[entryValue] {
		if tool {
			return always(v)
		}
		return constant[entryValue](null)
	}
	return object[entryValue]{
		name: "TranscriptEntry",
		fields: map[string]field[entryValue]{
			"index":         always(entryIndex),
			"role":          constant[entryValue](role),
			"content":       always(entryContent),
			"toolName":      ofTool(entryToolName),
			"toolArguments": ofTool(entryToolArguments),
			"toolIsError":   ofTool(entryToolIsError),
		},
	}
}

// constant is a field that is the same for every object.
func constant[V any](text string) field[V] {
	return func(*compiler, selection) (string, V) {
		var none V
		return text, none
	}
}

// transcriptPlan has two plans for the entries of each role: without and with a tool.
type transcriptPlan [][2]plan[entryValue]

func compileTranscript(c *compiler, s selection) transcriptPlan {
	plans := make(transcriptPlan, len(transcriptRoles))
	for i, role := range transcriptRoles {
		plans[i] = [2]plan[entryValue]{compile(c, s, entryObject(role, false)), compile(c, s, entryObject(role, true))}
	}
	return plans
}

// write appends the entries of a call that pass the filter, or null if the call has no transcript. A nil filter lets
// all pass.
func (p transcriptPlan) write(b []byte, r *run, c *upstream.Call, f *transcriptFilter) []byte {
	n, ok := c.TranscriptLen()
	if !ok {
		return append(b, null...)
	}
	b = append(b, '[')
	most := r.most
	if f == nil {
		for i := range n {
			if len(b) > most {
				if b = r.fit(b); r.full {
					break
				}
				most = r.most
			}
			if i > 0 {
				b = append(b, ',')
			}
			b = p.writeEntry(b, c.Entry(i))
		}
	} else {
		for i, entry := range f.keep(r.ctx, c, n) {
			if b = r.fit(b); r.full {
				break
			}
			if i > 0 {
				b = append(b, ',')
			}
			b = p.writeEntry(b, entry)
		}
	}
	return append(b, ']')
}

func (p transcriptPlan) writeEntry(b []byte, e upstream.Entry) []byte {
	tool := 0
	if e.UsesTool() {
		tool = 1
	}
	plan := &p[e.Role()][tool]
	for i := range plan.steps {
		b = append(b, plan.steps[i].text...)
		switch plan.steps[i].value {
		case entryIndex:
			b = appendInt(b, e.Index)
		case entryContent:
			b = append(b, e.Content()...)
		case entryToolName:
			b = append(b, e.ToolName()...)
		case entryToolArguments:
			b = append(b, e.ToolArguments()...)
		case entryToolIsError:
			b = append(b, e.ToolIsError()...)
		}
	}
	return append(b, plan.end...)
}

// transcriptFilter is the arguments of Call.transcript.
type transcriptFilter struct {
	roles       []bool            // by role; nil: every role
	search      textmatch.Pattern // unless folder is nil
	folder      *textmatch.Folder // nil: any content
	context     int               // entries on either side of each match
	first, last *int
}

// maxContext is the largest number of entries on either side of a match.
const maxContext = 100

func newTranscriptFilter(args map[string]any) (*transcriptFilter, error) {
	f := &transcriptFilter{}
	if roles, _ := args["roles"].([]upstream.TranscriptRole); roles != nil {
		f.roles = make([]bool, len(transcriptRoles))
		for _, role := range roles {
			if role == 0 { // the generated code's value for an unknown name
				const message = "`roles` has a value that is not a `TranscriptRole`."
				return nil, &relay.ArgumentError{Argument: "roles", Message: message}
			}
			f.roles[role] = true
		}
	}
	f.first, _ = args["first"].(*int)
	f.last, _ = args["last"].(*int)
	if search, _ := args["search"].(*string); search != nil && *search != "" {
		f.search, f.folder = textmatch.NewPattern(*search), textmatch.NewFolder()
	}
	if given, _ := args["context"].(*int); given != nil {
		if *given < 0 || *given > maxContext {
			const message = "`context` is %d, and may be 0 to %d."
			return nil, &relay.ArgumentError{Argument: "context", Message: fmt.Sprintf(message, *given, maxContext)}
		}
		if f.folder != nil { // without a search, there are no matches
			f.context = *given
		}
	}
	return f, relay.CheckCounts(f.first, f.last)
}

// keep returns those of a call's n entries that pass; nil if ctx has ended.
func (f *transcriptFilter) keep(ctx context.Context, c *upstream.Call, n int) []upstream.Entry {
	const often = 64 // entries; searching one takes microseconds
	var kept []upstream.Entry
	next := 0 // the first entry that may still be kept
	keep := func(to int) {
		for ; next < to; next++ {
			kept = append(kept, c.Entry(next))
		}
	}
	until := 0 // entries before this one are near a match
	for i := range n {
		if i%often == 0 && ctx.Err() != nil {
			return nil
		}
		if f.passes(c.Entry(i)) {
			next, until = max(next, i-f.context), i+1+f.context
		}
		if i < until {
			keep(i + 1)
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
	if f.roles != nil && !f.roles[e.Role()] {
		return false
	}
	return f.folder == nil || f.search.In(f.folder.JSON(e.Content()))
}
