// Package encode writes the data of responses: it compiles selections once, and appends JSON.
//
// gqlgen's generated execution makes one goroutine, one field context and several small values for each object. For
// twenty calls with their transcripts, that takes far more time than everything else together. But a type may marshal
// itself (MarshalGQLContext); then gqlgen does not execute its selection. So the generated executor only resolves the
// root fields and collects errors. The values that the resolvers return (Connection, Call, Node) write themselves by a
// [Plan]: the fields of the selection in the client's order, each with its name as JSON and the function that appends
// its value. Nearly all values are already JSON in upstream's pages, see package upstream.
//
// So this package must do what gqlgen would otherwise have done:
//
//   - Aliases, fragments, directives and `__typename`: the compiler (this file) uses gqlgen's own CollectFields.
//   - Arguments inside the selection: the generated functions coerce them ([Arguments]).
//   - Errors: each gets its path.
//   - Non-null fields: package upstream ensures that they have a value.
//
// The tables in fields.go and transcript.go have the fields of each type and what they write; a test compares them with
// the schema. In tests, gqlgen's own execution of the same schema over plain structs is the oracle: package oracle.
package encode

import (
	"bytes"
	"context"
	"io"
	"math"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/pagination"
)

// plan has what to write for the selected fields of an object: values of some kind V, and the text before each and
// after the last.
type plan[V any] struct {
	steps []step[V]
	end   string
}

// step is some text that is the same for every object, and then a value.
type step[V any] struct {
	text  string
	value V
}

// value appends the value of a field of v.
type value[T any] func(b []byte, r *run, v T) []byte

// objectPlan is a plan whose values write themselves.
type objectPlan[T any] struct{ plan[value[T]] }

// write appends the object.
func (p *objectPlan[T]) write(b []byte, r *run, v T) []byte {
	for i := range p.steps {
		if b = r.fit(b); r.full {
			return b
		}
		b = append(b, p.steps[i].text...)
		b = p.steps[i].value(b, r, v)
	}
	return append(b, p.end...)
}

// run is one run of a plan. It ends early if its result is of no use any more: code that writes many values checks that
// between them, and marshal discards the text written by then.
type run struct {
	ctx  context.Context //nolint:containedctx // a run lives within one call of MarshalGQLContext
	args []arguments     // by the field's number in the plan
	row  int             // the index of the edge or node that is being written
	most int             // the length of the text, in bytes, beyond which it needs more room
	hard int             // the largest length that the text may have, in bytes
	full bool            // no more text may be written

	// room is [Limit.Grow].
	room func(written []byte, most int) (grown []byte, ok bool)
}

// fit gives the text room for more, or sets full.
func (r *run) fit(b []byte) []byte {
	if len(b) > r.most {
		b = r.grow(b)
	}
	return b
}

func (r *run) grow(b []byte) []byte {
	if len(b) > r.hard {
		r.full = true
		return b
	}
	grown, ok := r.room(b, r.hard)
	r.full = !ok
	r.look(grown)
	return grown
}

// look sets the length beyond which the text needs room. Without a [Limit.Grow], append grows the slice.
func (r *run) look(b []byte) {
	if r.most = r.hard; r.room != nil {
		r.most = min(r.hard, cap(b)-SpareRoom)
	}
}

// gone reports whether the client has gone. It checks that before every 16th row only.
func (r *run) gone() bool {
	const often = 16 // rows; checking the context takes longer than writing a short row
	return r.row%often == 0 && r.ctx.Err() != nil
}

// marshal runs a plan, and writes the text to w. If w is a buffer, marshal appends to its bytes, and makes the result
// the new buffer: copying a longer text would take its memory twice.
func marshal[T any](ctx context.Context, w io.Writer, p *objectPlan[T], args []arguments, v T) {
	var b []byte
	buffer, own := w.(*bytes.Buffer)
	if own {
		b = buffer.Bytes()
	}
	limit := limitOf(ctx)
	before := limit.errors()
	r := &run{ctx: ctx, args: args, hard: math.MaxInt, room: limit.Grow}
	if limit.Bytes > 0 {
		r.hard = max(0, limit.Bytes-before)
	}
	r.look(b)
	start := len(b)
	b = p.write(b, r, v)
	switch {
	case r.full && len(b) <= r.hard: // no memory: nothing is sent, and the text is freed
		b = []byte(null)
	case ctx.Err() != nil:
		graphql.AddError(ctx, context.Cause(ctx))
		b = append(b[:start], null...)
	case len(b) > r.hard:
		graphql.AddError(ctx, &SizeError{limit.Bytes, before + len(b)})
		b = append(b[:start], null...)
	}
	if own {
		*buffer = *bytes.NewBuffer(b)
		return
	}
	_, _ = w.Write(b)
}

// fail appends null for a field, and reports the error.
func (r *run) fail(b []byte, s selection, err error) []byte {
	graphql.AddError(r.at(r.ctx, s.path), Located(err, s.Position))
	return append(b, null...)
}

// at returns the context of the value at the path.
func (r *run) at(ctx context.Context, path []string) context.Context {
	if len(path) == 0 {
		return ctx
	}
	step := graphql.NewPathWithField(path[0])
	if path[0] == rowIndex {
		step = graphql.NewPathWithIndex(r.row)
	}
	return r.at(graphql.WithPathContext(ctx, step), path[1:])
}

const null = "null"

// rowIndex stands in a path for the index of an edge or node.
const rowIndex = ""

// compiler makes the plan of one root field of one operation.
type compiler struct {
	op   *graphql.OperationContext
	need pagination.Selection
	args []*ast.Field // the fields inside the selection that have arguments
	size int          // estimated bytes of the plan
}

// selection is a field that is being compiled, and its path below the root field.
type selection struct {
	graphql.CollectedField
	path []string
}

// below returns the path of a value in the field.
func (s selection) below(name string) []string { return append(slices.Clip(s.path), name) }

// object has what the fields of a type write, as values of some kind V.
type object[V any] struct {
	name       string
	interfaces []string
	fields     map[string]field[V]
}

// field compiles a selected field: to its text if that is the same for every object, or else to a value.
type field[V any] func(c *compiler, s selection) (text string, v V)

// compile makes the plan for the selection of an object.
func compile[V any](c *compiler, s selection, o object[V]) plan[V] {
	const perObject, perField = 64, 56 // measured roughly: bytes that a plan keeps besides names
	var p plan[V]
	text := "{"
	c.size += perObject
	for i, selected := range graphql.CollectFields(c.op, s.Selections, append([]string{o.name}, o.interfaces...)) {
		if i > 0 {
			text += ","
		}
		text += `"` + selected.Alias + `":`
		c.size += perField + len(selected.Alias)
		if selected.Name == "__typename" {
			text += `"` + o.name + `"`
		} else if same, v := o.fields[selected.Name](c, selection{selected, s.below(selected.Alias)}); same != "" {
			text += same
		} else {
			p.steps = append(p.steps, step[V]{text, v})
			text = ""
		}
	}
	p.end = text + "}"
	return p
}

func compileObject[T any](c *compiler, s selection, o object[value[T]]) *objectPlan[T] {
	const perValue = 160 // bytes of a function that writes a value
	p := &objectPlan[T]{compile(c, s, o)}
	c.size += perValue * len(p.steps)
	return p
}

// arguments returns the number of a field's arguments, which each request binds.
func (c *compiler) arguments(s selection) int {
	c.args = append(c.args, s.Field)
	return len(c.args) - 1
}
