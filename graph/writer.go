package graph

// Connections that write themselves
//
// gqlgen's generated execution makes one goroutine, one field context and several small values for each object, which for
// twenty calls with their transcripts costs far more than everything else together. But a type may marshal itself
// (MarshalGQLContext), and then gqlgen does not walk it. So the generated executor parses, validates, coerces, resolves
// the root fields and presents errors; and what they return (a connection, a call, a node) writes itself, by a plan: the
// fields of the selection in the client's order, each with its name as JSON and the function that appends its value.
// Nearly all values are JSON texts that lie ready in upstream's pages, see package upstream.
//
// What this takes from gqlgen it gives back here: aliases, fragments and directives by gqlgen's own CollectFields,
// `__typename`, arguments inside the selection by the generated functions that coerce them, and errors with their paths.
// Non-null is kept by the reader of pages. The tables in fields.go say for each type what its fields write; a test walks
// them against the schema. gqlgen's own execution of the same schema over plain structs is the oracle, in tests: package
// oracle.

import (
	"bytes"
	"context"
	"io"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// plan is how to write the selected fields of a T.
type plan[T any] []step[T]

// step writes one field.
type step[T any] struct {
	name  string // as JSON, with the brace or comma before it and the colon behind
	write func(w *writer, v T)
}

// run appends the object.
func (p plan[T]) run(w *writer, v T) {
	if len(p) == 0 {
		w.string("{")
	}
	for i := range p {
		w.string(p[i].name)
		p[i].write(w, v)
	}
	w.string("}")
}

// writer is one run of a plan.
type writer struct {
	b    []byte
	ctx  context.Context //nolint:containedctx // a writer lives within one call of MarshalGQLContext
	args []arguments     // by their number in the plan
	row  int             // the index of the edge or node that is being written
}

// marshal runs a plan, into the free space of w if it is a buffer that has some.
func marshal[T any](ctx context.Context, w io.Writer, p plan[T], args []arguments, v T) {
	run := writer{ctx: ctx, args: args}
	if buffer, ok := w.(*bytes.Buffer); ok {
		run.b = buffer.AvailableBuffer()
	}
	p.run(&run, v)
	_, _ = w.Write(run.b)
}

func (w *writer) string(s string) { w.b = append(w.b, s...) }

// fail writes null for the field at the path, and reports why.
func (w *writer) fail(path []string, err error) {
	graphql.AddError(w.at(w.ctx, path), err)
	w.string("null")
}

// at is the context of what lies at the path.
func (w *writer) at(ctx context.Context, path []string) context.Context {
	if len(path) == 0 {
		return ctx
	}
	step := graphql.NewPathWithField(path[0])
	if path[0] == rowIndex {
		step = graphql.NewPathWithIndex(w.row)
	}
	return w.at(graphql.WithPathContext(ctx, step), path[1:])
}

// rowIndex stands in a path for the index of an edge or node.
const rowIndex = ""

// compiler makes the plan of one root field of one operation.
type compiler struct {
	op   *graphql.OperationContext
	need need
	args []*ast.Field // the fields inside the selection that have arguments
}

// selection is a field that is being compiled, and its path below the root field.
type selection struct {
	graphql.CollectedField
	path []string
}

// below is the path of what lies in the field.
func (s selection) below(name string) []string { return append(slices.Clip(s.path), name) }

// object says what the fields of a type write.
type object[T any] struct {
	name       string
	interfaces []string
	fields     map[string]field[T]
}

// field makes the function that writes the field as it was selected.
type field[T any] func(c *compiler, s selection) func(w *writer, v T)

// compile makes the plan for what is selected of an object.
func compile[T any](c *compiler, s selection, o object[T]) plan[T] {
	var p plan[T]
	written := map[string]bool{}
	for _, selected := range graphql.CollectFields(c.op, s.Selections, append([]string{o.name}, o.interfaces...)) {
		if written[selected.Alias] { // once through the type and once through its interface
			continue
		}
		written[selected.Alias] = true
		next := step[T]{name: `,"` + selected.Alias + `":`}
		if len(p) == 0 {
			next.name = `{"` + selected.Alias + `":`
		}
		if selected.Name == "__typename" {
			name := `"` + o.name + `"`
			next.write = func(w *writer, _ T) { w.string(name) }
		} else {
			next.write = o.fields[selected.Name](c, selection{selected, s.below(selected.Alias)})
		}
		p = append(p, next)
	}
	return p
}

// arguments numbers a field's arguments, which are bound anew for each request.
func (c *compiler) arguments(s selection) int {
	c.args = append(c.args, s.Field)
	return len(c.args) - 1
}
