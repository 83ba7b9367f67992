package graph

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// document is a document that was checked, with what is worked out once for all of its requests.
type document struct {
	text  string
	hash  string // SHA-256 of the text, in hexadecimal digits
	ast   *ast.QueryDocument
	costs map[*ast.OperationDefinition]*costPlan
	plans plans
	size  int // about the bytes that it takes to keep it
}

// checker checks documents. It keeps nothing.
type checker struct {
	schema       *ast.Schema
	limits       Limits
	maxCount     int
	suggesting   []validator.Rule
	unsuggesting []validator.Rule // the same rules without "Did you mean"
}

// newChecker makes a checker. Suggestions tell the schema, so they go when introspection does.
func newChecker(schema *ast.Schema, limits Limits, maxCount int, introspection bool) *checker {
	c := &checker{schema: schema, limits: limits, maxCount: maxCount}
	byName := rules.NewDefaultRules().GetInner()
	c.suggesting = sortedRules(byName)
	for _, quiet := range []validator.Rule{
		rules.FieldsOnCorrectTypeRuleWithoutSuggestions, rules.KnownArgumentNamesRuleWithoutSuggestions,
		rules.KnownTypeNamesRuleWithoutSuggestions, rules.ScalarLeafsRuleWithoutSuggestions,
		rules.ValuesOfCorrectTypeRuleWithoutSuggestions,
	} {
		byName[strings.TrimSuffix(quiet.Name, "WithoutSuggestions")] = quiet.RuleFunc
	}
	c.unsuggesting = sortedRules(byName)
	if !introspection {
		c.suggesting = c.unsuggesting
	}
	return c
}

func sortedRules(byName map[string]validator.RuleFunc) []validator.Rule {
	sorted := make([]validator.Rule, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		sorted = append(sorted, validator.Rule{Name: name, RuleFunc: byName[name]})
	}
	return sorted
}

const (
	// maxSuggested is the longest name for which a better one is suggested: comparing a name of 200 KB takes 40 ms.
	maxSuggested = 100
	// maxErrors bounds the errors that one document is told: 166 fields of one name have 13,695 conflicts.
	maxErrors = 20
	// maxMessage bounds the bytes of each, since they repeat names of the document.
	maxMessage = 500
)

// check parses and validates a document, unless it is beyond a limit.
func (c *checker) check(text string) (*document, gqlerror.List) {
	counted := countTokens(text, c.limits.Tokens)
	if err := c.limits.checkSize(counted); err != nil {
		return nil, gqlerror.List{err}
	}
	doc, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		return nil, toldErrors(gqlerror.List{gqlerror.Wrap(err)}, errcode.ParseFailed)
	}
	if len(doc.Operations) == 0 {
		return nil, toldErrors(gqlerror.List{gqlerror.Errorf("The document has no operation.")}, errcode.ValidationFailed)
	}
	if err := c.limits.checkExtent(doc); err != nil {
		return nil, gqlerror.List{err}
	}
	rules := c.suggesting
	if counted.longest > maxSuggested {
		rules = c.unsuggesting
	}
	if errs := c.validate(doc, rules); len(errs) > 0 {
		return nil, toldErrors(errs, errcode.ValidationFailed)
	}
	sum := sha256.Sum256([]byte(text))
	checked := &document{text: text, hash: hex.EncodeToString(sum[:]), ast: doc, costs: map[*ast.OperationDefinition]*costPlan{}}
	fragments := fragmentsOf(doc)
	for _, operation := range doc.Operations {
		checked.costs[operation] = newCostPlan(operation, fragments, c.maxCount)
	}
	const rest, token = 4 << 10, 256 // measured roughly: a field of the tree has some 250 bytes, a comment about 100
	checked.size = rest + len(text) + token*(counted.tokens+counted.comments)
	return checked, nil
}

// enough ends a validation that has found enough errors. The walk has no other way to be stopped.
type enough struct{}

func (c *checker) validate(doc *ast.QueryDocument, rules []validator.Rule) (errs gqlerror.List) {
	defer func() {
		if v := recover(); v != nil && v != (enough{}) {
			panic(v)
		}
	}()
	events := &validator.Events{}
	for _, rule := range rules {
		rule.RuleFunc(events, func(options ...validator.ErrorOption) {
			err := &gqlerror.Error{Rule: rule.Name}
			for _, option := range options {
				option(err)
			}
			if errs = append(errs, err); len(errs) == maxErrors {
				panic(enough{})
			}
		})
	}
	validator.Walk(c.schema, doc, events)
	return errs
}

// toldErrors gives errors their code, and cuts long messages.
func toldErrors(errs gqlerror.List, code string) gqlerror.List {
	for _, err := range errs {
		errcode.Set(err, code)
		if len(err.Message) > maxMessage {
			cut := maxMessage
			for !utf8.RuneStart(err.Message[cut]) {
				cut--
			}
			err.Message = err.Message[:cut] + "…"
		}
	}
	return errs
}

// documents remembers documents that were checked, the least recently used leaving first. Those that fail are not remembered,
// and neither are those that would push out many others.
type documents struct {
	*checker
	mu    sync.Mutex
	known *simplelru.LRU[string, *document]
	bytes int
}

const (
	maxDocuments     = 500
	maxDocumentBytes = 32 << 20 // of all together
	maxDocumentShare = maxDocumentBytes / 32
)

func newDocuments(c *checker) *documents {
	d := &documents{checker: c}
	d.known, _ = simplelru.NewLRU(maxDocuments, func(_ string, dropped *document) { // its one error is a size below 1
		d.bytes -= dropped.size
	})
	return d
}

// get is the document of a text, checked now or before.
func (d *documents) get(text string) (*document, gqlerror.List) {
	d.mu.Lock()
	known, ok := d.known.Get(text)
	d.mu.Unlock()
	if ok {
		return known, nil
	}
	made, errs := d.check(text)
	if errs != nil {
		return nil, errs
	}
	if made.size <= maxDocumentShare {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.known.Remove(text) // another request may have been as fast; its bytes are given back
		d.known.Add(text, made)
		for d.bytes += made.size; d.bytes > maxDocumentBytes; {
			d.known.RemoveOldest()
		}
	}
	return made, nil
}

// checkedDocuments is gqlgen's cache of documents: it has that of the request, which was checked before. What gqlgen finds
// there it neither parses nor validates again.
type checkedDocuments struct{}

// Get implements [graphql.Cache].
func (checkedDocuments) Get(ctx context.Context, _ string) (*ast.QueryDocument, bool) {
	return requestOf(ctx).document.ast, true
}

// Add implements [graphql.Cache]. It is never called.
func (checkedDocuments) Add(context.Context, string, *ast.QueryDocument) {}
