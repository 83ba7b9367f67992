package graph

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/vektah/gqlparser/v2/ast"

	"revox-graphql/graph/pagination"
	"revox-graphql/upstream"
)

// rootPlan is the plan of one root field: of `calls`, or of those that return calls as they are.
type rootPlan struct {
	connection *objectPlan[*CallConnection]
	call       *objectPlan[*upstream.Call]
	need       pagination.Selection
	args       []*ast.Field
	size       int // about the bytes that it takes to keep it
}

// plans remembers what was compiled of a document, the least recently used leaving first: the Boolean variables of an
// operation may have any values, and each combination is another plan. They go when the document goes, and their bytes
// count with the document's.
type plans struct {
	mu    sync.Mutex
	known *simplelru.LRU[planKey, *rootPlan]
	bytes int
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
	// maxPlanBytes bounds their bytes too.
	maxPlanBytes = maxDocumentShare
)

// planOf is the plan of the root field that ctx resolves.
func planOf(ctx context.Context) *rootPlan {
	document := requestOf(ctx).document
	op, root := graphql.GetOperationContext(ctx), graphql.GetFieldContext(ctx).Field
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
		return newRootPlan(op, root)
	}
	if known := document.plans.get(key); known != nil {
		return known
	}
	made := newRootPlan(op, root)
	if grown := document.plans.add(key, made); grown != 0 && document.grown != nil {
		document.grown(grown)
	}
	return made
}

func (p *plans) get(key planKey) *rootPlan {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		return nil
	}
	known, _ := p.known.Get(key)
	return known
}

// add keeps a plan, and returns by how many bytes all have grown.
func (p *plans) add(key planKey, made *rootPlan) (grown int) {
	if made.size > maxPlanBytes {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known, _ = simplelru.NewLRU(maxPlans, func(_ planKey, dropped *rootPlan) { // its one error is a size below 1
			p.bytes -= dropped.size
		})
	}
	before := p.bytes
	p.known.Remove(key) // another request may have been as fast; its bytes are given back
	p.known.Add(key, made)
	for p.bytes += made.size; p.bytes > maxPlanBytes; {
		p.known.RemoveOldest()
	}
	return p.bytes - before
}

func newRootPlan(op *graphql.OperationContext, root graphql.CollectedField) *rootPlan {
	c := &compiler{op: op}
	p := &rootPlan{}
	if root.Name == "calls" {
		p.connection = compileObject(c, selection{CollectedField: root}, connectionObject)
	} else {
		p.call = compileObject(c, selection{CollectedField: root}, callObject)
	}
	p.need, p.args, p.size = c.need, c.args, c.size
	return p
}

// arguments are those of a field inside the selection.
type arguments struct {
	filter *transcriptFilter // of Call.transcript
	keys   map[string]bool   // of Call.structuredOutput; nil: every key
	err    error
}

// bind fills in the arguments of this request. Only their types have been checked before.
func (p *rootPlan) bind(ctx context.Context) []arguments {
	if len(p.args) == 0 {
		return nil
	}
	ec := executionContext{} // the generated functions that coerce arguments need nothing of it
	variables := graphql.GetOperationContext(ctx).Variables
	bound := make([]arguments, len(p.args))
	for i, field := range p.args {
		b := &bound[i]
		if b.err = nullArgument(field.Arguments, variables); b.err != nil {
			continue
		}
		if b.err = longList(field.Arguments, variables); b.err != nil {
			continue
		}
		if field.Name == "structuredOutput" {
			var args map[string]any
			args, b.err = ec.field_Call_structuredOutput_args(ctx, field.ArgumentMap(variables))
			if keys, _ := args["keys"].([]string); keys != nil {
				b.keys = make(map[string]bool, len(keys))
				for _, key := range keys {
					b.keys[key] = true
				}
			}
			continue
		}
		args, err := ec.field_Call_transcript_args(ctx, field.ArgumentMap(variables))
		if b.err = err; err == nil {
			b.filter, b.err = newTranscriptFilter(args)
		}
	}
	return bound
}
