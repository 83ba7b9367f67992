package document

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
	"revox-graphql/internal/errcode"
)

// checker checks documents. It caches nothing.
type checker struct {
	schema       *ast.Schema
	sizes        schemaSizes
	opts         *Options
	suggesting   []validator.Rule // with suggestions in errors
	unsuggesting []validator.Rule // the same rules without suggestions
}

// newChecker makes a checker. Suggestions reveal the schema, so a checker without introspection makes none.
func newChecker(opts *Options) *checker {
	c := &checker{schema: opts.Schema, sizes: sizesOf(opts.Schema), opts: opts}
	byName := rules.NewDefaultRules().GetInner()
	if !opts.Introspection {
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

// noIntrospection is the rule against introspection.
func noIntrospection(events *validator.Events, report validator.AddErrFunc) {
	events.OnField(func(_ *validator.Walker, field *ast.Field) {
		if field.Name == "__schema" || field.Name == "__type" {
			const message = "This gateway does not allow introspection, as %q is. Read the schema at /schema.graphqls."
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
	// maxSuggested is the longest name, in bytes, for which errors suggest another: comparing a name of 200 KB takes 40
	// ms.
	maxSuggested = 100
	// maxErrors bounds the reported errors of one document: 166 fields of one name have 13,695 conflicts.
	maxErrors = 20
	// maxReports bounds how many errors validation finds, repeated ones included: wording one may take a millisecond.
	maxReports = 100
	// maxMessage bounds the bytes of a message, because messages repeat names of the document.
	maxMessage = 500
)

// lineEnds makes each line terminator one character (GraphQL spec 2.1.2): gqlparser counts the columns after CR LF from
// 2. The values of block strings have line feeds in any case (2.9.4), and other strings have no line terminators.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// check parses and validates a document, unless it is beyond a limit.
func (c *checker) check(text string) (*Document, gqlerror.List) {
	source := lineEnds.Replace(text)
	counted := countTokens(source, c.opts.Limits.Tokens)
	if err := c.opts.Limits.checkSize(counted); err != nil {
		return nil, gqlerror.List{err}
	}
	doc, err := parseDocument(source, counted)
	if err != nil {
		return nil, coded(gqlerror.List{err}, errcode.ParseFailed)
	}
	if len(doc.Operations) == 0 {
		return nil, coded(gqlerror.List{gqlerror.Errorf("The document has no operation.")}, errcode.ValidationFailed)
	}
	if err := c.opts.Limits.checkExtent(doc); err != nil {
		return nil, gqlerror.List{err}
	}
	rules, suggest := c.unsuggesting, c.opts.Introspection && counted.longest <= maxSuggested
	if suggest {
		rules = c.suggesting
	}
	if errs := c.validate(doc, rules); len(errs) > 0 {
		return nil, coded(errs, errcode.ValidationFailed)
	}
	nullable := settle(c.schema, doc, counted.blocks)
	sum := sha256.Sum256([]byte(text))
	checked := &Document{Text: text, Hash: hex.EncodeToString(sum[:]), AST: doc}
	checked.Plans = encode.NewPlans(checked.planned)
	fragments := fragmentsOf(doc)
	for _, operation := range doc.Operations {
		declared := newVariables(c.schema, operation, c.opts.Introspection)
		declared.nullable = nullable[operation]
		checked.operations = append(checked.operations, &Operation{
			Definition: operation, cost: c.newCostPlan(operation, fragments), variables: declared,
		})
	}
	const rest, token = 4 << 10, 256 // measured roughly, in bytes: a field of the AST has some 250, a comment about 100
	checked.size = rest + len(text) + token*(counted.tokens+counted.comments)
	return checked, nil
}

// validate applies the rules to a document until there are enough errors.
func (c *checker) validate(doc *ast.QueryDocument, rules []validator.Rule) (errs gqlerror.List) {
	stoppable(func(stop func()) {
		events, reports := &validator.Events{}, 0
		for _, rule := range rules {
			rule.RuleFunc(events, func(options ...validator.ErrorOption) {
				if reports++; reports > maxReports {
					stop()
				}
				err := &gqlerror.Error{Rule: rule.Name}
				for _, option := range options {
					option(err)
				}
				// Validation finds an error in a fragment in each operation that spreads it, and once more in the fragment.
				if slices.ContainsFunc(errs, func(known *gqlerror.Error) bool { return sameError(known, err) }) {
					return
				}
				if errs = append(errs, err); len(errs) == maxErrors {
					stop()
				}
			})
		}
		validator.Walk(c.schema, doc, events)
	})
	return errs
}

// stoppable runs a function, which ends when it calls stop, however deep in other calls: only a panic can stop
// gqlparser's walk.
func stoppable(run func(stop func())) {
	type stopped struct{}
	defer func() {
		if v := recover(); v != nil && v != (stopped{}) {
			panic(v)
		}
	}()
	run(func() { panic(stopped{}) })
}

func sameError(a, b *gqlerror.Error) bool {
	return a.Message == b.Message && slices.Equal(a.Locations, b.Locations)
}

// coded sets the code of errors, and shortens long messages.
func coded(errs gqlerror.List, code string) gqlerror.List {
	for _, err := range errs {
		if err.Extensions == nil {
			err.Extensions = map[string]any{}
		}
		err.Extensions["code"] = code
		err.Message = Shorten(err.Message)
	}
	return errs
}

// Shorten cuts a text to the length that a message may have.
func Shorten(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	end := maxMessage
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
