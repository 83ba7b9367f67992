package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"revox-graphql/graph/encode"
	"revox-graphql/internal/bytelru"
	"revox-graphql/internal/errcode"
	"revox-graphql/internal/memory"
)

// document is a document that was checked, with what is worked out once for all of its requests.
type document struct {
	text      string
	hash      string // SHA-256 of the text, in hexadecimal digits
	ast       *ast.QueryDocument
	costs     map[*ast.OperationDefinition]*costPlan
	variables map[*ast.OperationDefinition]*variables
	plans     *encode.Plans
	grown     func(bytes int64) // is told how plans grow; nil where the document is not cached
	size      int               // about the bytes that it takes to keep it, without its plans
}

// checker checks documents. It keeps nothing.
type checker struct {
	schema       *ast.Schema
	sizes        schemaSizes
	limits       Limits
	maxCount     int
	suggest      bool             // "Did you mean"
	suggesting   []validator.Rule // with it
	unsuggesting []validator.Rule // the same rules without it
}

// newChecker makes a checker. Suggestions tell the schema, so they go when introspection does.
func newChecker(schema *ast.Schema, limits Limits, maxCount int, introspection bool) *checker {
	c := &checker{schema: schema, sizes: sizesOf(schema), limits: limits, maxCount: maxCount, suggest: introspection}
	byName := rules.NewDefaultRules().GetInner()
	if !introspection {
		byName["NoIntrospection"] = noIntrospection
	}
	byName[rules.ValuesOfCorrectTypeRule.Name] = valuesRule(true)
	c.suggesting = sortedRules(byName)
	byName[rules.ValuesOfCorrectTypeRule.Name] = valuesRule(false)
	for _, quiet := range []validator.Rule{
		rules.FieldsOnCorrectTypeRuleWithoutSuggestions, rules.KnownArgumentNamesRuleWithoutSuggestions,
		rules.KnownTypeNamesRuleWithoutSuggestions, rules.ScalarLeafsRuleWithoutSuggestions,
	} {
		byName[strings.TrimSuffix(quiet.Name, "WithoutSuggestions")] = quiet.RuleFunc
	}
	c.unsuggesting = sortedRules(byName)
	return c
}

// noIntrospection is the rule that a document does not ask for the schema.
func noIntrospection(events *validator.Events, report validator.AddErrFunc) {
	events.OnField(func(_ *validator.Walker, field *ast.Field) {
		if field.Name == "__schema" || field.Name == "__type" {
			const message = "This gateway does not answer introspection, as %q is. Read the schema at /schema.graphqls."
			report(core.Message(message, field.Name), core.At(field.Position))
		}
	})
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
	// maxReports bounds how often errors are found, the same ones too: each may take a millisecond to word.
	maxReports = 100
	// maxMessage bounds the bytes of each, since they repeat names of the document.
	maxMessage = 500
)

// lineEnds makes one character of each end of a line (GraphQL spec 2.1.2): gqlparser counts the columns after CR LF
// from 2. The values of block strings have line feeds in any case (2.9.4), and other strings have no line ends.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// check parses and validates a document, unless it is beyond a limit.
func (c *checker) check(text string) (*document, gqlerror.List) {
	source := lineEnds.Replace(text)
	counted := countTokens(source, c.limits.Tokens)
	if err := c.limits.checkSize(counted); err != nil {
		return nil, gqlerror.List{err}
	}
	doc, err := parseDocument(source, counted)
	if err != nil {
		return nil, toldErrors(gqlerror.List{err}, errcode.ParseFailed)
	}
	if len(doc.Operations) == 0 {
		return nil, toldErrors(gqlerror.List{gqlerror.Errorf("The document has no operation.")}, errcode.ValidationFailed)
	}
	if err := c.limits.checkExtent(doc); err != nil {
		return nil, gqlerror.List{err}
	}
	rules, suggest := c.unsuggesting, c.suggest && counted.longest <= maxSuggested
	if suggest {
		rules = c.suggesting
	}
	if errs := c.validate(doc, rules); len(errs) > 0 {
		return nil, toldErrors(errs, errcode.ValidationFailed)
	}
	nullable := settle(c.schema, doc, counted.blocks)
	sum := sha256.Sum256([]byte(text))
	checked := &document{
		text: text, hash: hex.EncodeToString(sum[:]), ast: doc,
		costs:     make(map[*ast.OperationDefinition]*costPlan, len(doc.Operations)),
		variables: make(map[*ast.OperationDefinition]*variables, len(doc.Operations)),
	}
	checked.plans = encode.NewPlans(checked.planned)
	fragments := fragmentsOf(doc)
	for _, operation := range doc.Operations {
		checked.costs[operation] = newCostPlan(operation, fragments, c.sizes, c.maxCount)
		declared := newVariables(c.schema, operation, c.suggest)
		declared.nullable = nullable[operation]
		checked.variables[operation] = declared
	}
	const rest, token = 4 << 10, 256 // measured roughly: a field of the tree has some 250 bytes, a comment about 100
	checked.size = rest + len(text) + token*(counted.tokens+counted.comments)
	return checked, nil
}

// planned counts what plans take.
func (d *document) planned(bytes int64) {
	if d.grown != nil {
		d.grown(bytes)
	}
}

// operation chooses the operation that a request names, as graphql-js words it (GraphQL spec 6.1 GetOperation).
func (d *document) operation(name string) (*ast.OperationDefinition, *gqlerror.Error) {
	operations := d.ast.Operations
	switch operation := operations.ForName(name); {
	case operation != nil:
		return operation, nil
	case name == "":
		return nil, gqlerror.Errorf("Must provide operation name if query contains multiple operations.")
	default:
		return nil, gqlerror.Errorf(`Unknown operation named "%s".`, cut(name))
	}
}

// enough ends a validation that has found enough errors. The walk has no other way to be stopped.
type enough struct{}

func (c *checker) validate(doc *ast.QueryDocument, rules []validator.Rule) (errs gqlerror.List) {
	defer func() {
		if v := recover(); v != nil && v != (enough{}) {
			panic(v)
		}
	}()
	events, reports := &validator.Events{}, 0
	for _, rule := range rules {
		rule.RuleFunc(events, func(options ...validator.ErrorOption) {
			if reports++; reports > maxReports {
				panic(enough{})
			}
			err := &gqlerror.Error{Rule: rule.Name}
			for _, option := range options {
				option(err)
			}
			// What is wrong in a fragment is found by each operation that spreads it, and once more in the fragment.
			if slices.ContainsFunc(errs, func(known *gqlerror.Error) bool { return sameError(known, err) }) {
				return
			}
			if errs = append(errs, err); len(errs) == maxErrors {
				panic(enough{})
			}
		})
	}
	validator.Walk(c.schema, doc, events)
	return errs
}

func sameError(a, b *gqlerror.Error) bool {
	return a.Message == b.Message && slices.Equal(a.Locations, b.Locations)
}

// toldErrors gives errors their code, and cuts long messages.
func toldErrors(errs gqlerror.List, code string) gqlerror.List {
	for _, err := range errs {
		if err.Extensions == nil {
			err.Extensions = map[string]any{}
		}
		err.Extensions["code"] = code
		err.Message = cut(err.Message)
	}
	return errs
}

// cut cuts a text that is longer than a message may be.
func cut(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	end := maxMessage
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// documents caches documents that were checked. Those that fail are not cached, and neither are those that would push
// out many others.
type documents struct {
	*checker
	cache *bytelru.Cache[string, *document]
}

const (
	maxDocuments     = 500
	maxDocumentBytes = 32 << 20 // of all together
	maxDocumentShare = maxDocumentBytes / 32
)

func newDocuments(c *checker, budget *memory.Budget) *documents {
	return &documents{c, bytelru.New[string, *document](bytelru.Options{
		MaxEntries: maxDocuments, MaxBytes: maxDocumentBytes, Count: budget.Account("documents").Add,
	})}
}

// get is the document of a text, checked now or before.
func (d *documents) get(text string) (*document, gqlerror.List) {
	if known, ok := d.cache.Get(text); ok {
		return known, nil
	}
	made, errs := d.check(text)
	if errs != nil {
		return nil, errs
	}
	if made.size <= maxDocumentShare {
		made.grown = func(bytes int64) { d.cache.Grow(text, made, int(bytes)) }
		d.cache.Put(text, made, made.size)
	}
	return made, nil
}
