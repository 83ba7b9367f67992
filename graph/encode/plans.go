package encode

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/pagination"
	"revox-graphql/internal/bytelru"
	"revox-graphql/upstream"
)

// Plan has what to write for one root field of one operation: `calls`, or a field that returns calls without a
// connection.
type Plan struct {
	connection *objectPlan[*Connection]
	call       *objectPlan[*upstream.Call]
	need       pagination.Selection
	arguments  *Arguments
	fields     []*ast.Field // those inside the selection that have arguments
	size       int          // estimated bytes of the plan
}

// Arguments coerce the arguments of fields inside the selection, as the generated code does.
type Arguments struct {
	// Check returns an error for arguments that must not be coerced; nil lets all pass.
	Check func(arguments ast.ArgumentList, variables map[string]any) error
	// Transcript coerces those of Call.transcript, StructuredOutput those of Call.structuredOutput.
	Transcript, StructuredOutput func(ctx context.Context, raw map[string]any) (map[string]any, error)
}

// Compile makes the plan of a root field, which must return a connection, a call or nodes.
func Compile(op *graphql.OperationContext, root graphql.CollectedField, arguments *Arguments) *Plan {
	c := &compiler{op: op}
	p := &Plan{arguments: arguments}
	if root.Definition.Type.Name() == connectionObject.name {
		p.connection = compileObject(c, selection{CollectedField: root}, connectionObject)
	} else {
		p.call = compileObject(c, selection{CollectedField: root}, callObject)
	}
	p.need, p.fields, p.size = c.need, c.args, c.size
	return p
}

// Selection returns the selected parts of a connection.
func (p *Plan) Selection() pagination.Selection { return p.need }

// Connection makes the connection of a page, for the request of ctx.
func (p *Plan) Connection(ctx context.Context, page Page) *Connection {
	return &Connection{page: page, plan: p, args: p.bind(ctx)}
}

// Calls returns a function that makes calls that write themselves, for the request of ctx; nil stays nil.
func (p *Plan) Calls(ctx context.Context) func(*upstream.Call) *Call {
	args := p.bind(ctx)
	return func(call *upstream.Call) *Call {
		if call == nil {
			return nil
		}
		return &Call{call: call, plan: p, args: args}
	}
}

// Plans is an LRU of the plans of one document. It is bounded, because each combination of an operation's Boolean
// variables takes its own plan. The plans leave with the document, and their bytes count with the document's.
type Plans struct {
	cache *bytelru.Cache[planKey, *Plan]
}

// NewPlans makes an empty cache. It calls grown with the number of bytes by which all plans have grown, negative if
// they have shrunk. grown must not use the plans.
func NewPlans(grown func(bytes int64)) *Plans {
	return &Plans{bytelru.New[planKey, *Plan](bytelru.Options{
		MaxEntries: maxPlans, MaxBytes: maxPlanBytes, Count: grown,
	})}
}

// planKey is all that a plan depends on.
type planKey struct {
	operation *ast.OperationDefinition
	field     *ast.Field
	booleans  uint64 // the values of the operation's Boolean variables: @include and @skip take no others
}

const (
	// maxPlans bounds the plans of one document: ten root fields, or four switches that a client turns on and off.
	maxPlans = 16
	// maxPlanBytes bounds the bytes of the plans of one document.
	maxPlanBytes = 1 << 20
)

// Of returns the plan of a root field, and compiles it if it is not cached.
func (p *Plans) Of(op *graphql.OperationContext, root graphql.CollectedField, arguments *Arguments) *Plan {
	key := planKey{operation: op.Operation, field: root.Field}
	cacheable := true
	for i, variable := range op.Operation.VariableDefinitions {
		if variable.Type.NamedType != "Boolean" {
			continue
		}
		if value, _ := op.Variables[variable.Variable].(bool); value {
			key.booleans |= 1 << i
		}
		cacheable = cacheable && i < 64
	}
	if !cacheable {
		return Compile(op, root, arguments)
	}
	if known, ok := p.cache.Get(key); ok {
		return known
	}
	made := Compile(op, root, arguments)
	p.cache.Put(key, made, made.size)
	return made
}

// Bytes returns the estimated bytes of the plans.
func (p *Plans) Bytes() int { return p.cache.Bytes() }

// arguments are the coerced arguments of a field inside the selection.
type arguments struct {
	filter *transcriptFilter // of Call.transcript
	keys   map[string]bool   // of Call.structuredOutput; nil: every key
	err    error
}

// bind coerces the arguments for the request of ctx. Only their types have been checked before.
func (p *Plan) bind(ctx context.Context) []arguments {
	if len(p.fields) == 0 {
		return nil
	}
	variables := graphql.GetOperationContext(ctx).Variables
	bound := make([]arguments, len(p.fields))
	for i, field := range p.fields {
		b := &bound[i]
		if p.arguments.Check != nil {
			if b.err = p.arguments.Check(field.Arguments, variables); b.err != nil {
				continue
			}
		}
		raw := field.ArgumentMap(variables)
		if field.Name == "structuredOutput" {
			var args map[string]any
			args, b.err = p.arguments.StructuredOutput(ctx, raw)
			if keys, _ := args["keys"].([]string); keys != nil {
				b.keys = make(map[string]bool, len(keys))
				for _, key := range keys {
					b.keys[key] = true
				}
			}
			continue
		}
		args, err := p.arguments.Transcript(ctx, raw)
		if b.err = err; err == nil {
			b.filter, b.err = newTranscriptFilter(args)
		}
	}
	return bound
}
