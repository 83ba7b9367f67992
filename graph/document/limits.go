package document

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/internal/errcode"
)

// Hostile documents
//
// A document of a kilobyte can ask for terabytes, and rejecting a document can take seconds. So the checks come in an
// order that keeps each of them cheap: the bytes of the request before it is read, its tokens before parsing, its
// extent (depth, aliases, root fields, with fragments expanded) before validation, and its cost before execution. No
// check takes much more than linear time in what the earlier checks let through. Validation alone would, because it
// compares all fields of one response name with one another; so their pairs are counted first.
//
// The count never expands fragments: it computes once what a fragment adds, so fragments that double forty times are as
// cheap as forty fields. It also finds cycles, which are errors.

// Limits bound the document of one request. 0 is no limit.
type Limits struct {
	// Tokens bounds the tokens of a document, without comments, and the fields that it has with fragments expanded.
	Tokens int
	// Depth, Aliases and RootFields bound each operation, with fragments expanded. A root field is at depth 1.
	Depth, Aliases, RootFields int
	// Cost bounds the cost of one request, see cost.go.
	Cost int
}

// exceeds reports whether n is beyond a limit.
func exceeds(n, limit int) bool { return limit > 0 && n > limit }

// LimitError returns the error of a request that is beyond a limit. The name of the limit, one of a few short texts, is
// for the operator: clients do not see it.
func LimitError(name, code string, limit, actual int, format string, args ...any) *gqlerror.Error {
	return &gqlerror.Error{
		Rule:       name,
		Message:    fmt.Sprintf(format, args...),
		Extensions: map[string]any{"code": code, "limit": limit, "actual": actual},
	}
}

// checkSize checks the counts of a document before it is parsed.
func (l *Limits) checkSize(c count) *gqlerror.Error {
	switch {
	case exceeds(c.tokens, l.Tokens):
		return LimitError("tokens", errcode.QueryTooLarge, l.Tokens, c.tokens,
			"The document has more than %d tokens. Split it into several requests.", l.Tokens)
	case c.comments > maxComments:
		return LimitError("comments", errcode.QueryTooLarge, maxComments, c.comments,
			"The document has more than %d comments. Send it without them.", maxComments)
	}
	return checkName(c.longestName)
}

// checkName checks the length of a name, in bytes.
func checkName(bytes int) *gqlerror.Error {
	if bytes <= maxName {
		return nil
	}
	return LimitError("name", errcode.QueryTooLarge, maxName, bytes,
		"A name has more than %d bytes. Choose shorter names.", maxName)
}

// extent is the size of a selection, with fragments expanded. Numbers stop at maxCounted.
type extent struct{ fields, aliases, depth int }

const maxCounted = 1 << 30

// surveyor computes extents, of each fragment once.
type surveyor struct {
	fragments
	known map[string]extent
	open  map[string]bool     // fragments that are being computed
	cycle *ast.FragmentSpread // a spread of a fragment within itself; nil if there is none so far
}

func newSurveyor(doc *ast.QueryDocument) *surveyor {
	return &surveyor{fragments: fragmentsOf(doc), known: map[string]extent{}, open: map[string]bool{}}
}

func (s *surveyor) extent(set ast.SelectionSet) extent {
	var sum extent
	for _, selection := range set {
		var e extent
		switch selection := selection.(type) {
		case *ast.Field:
			e = s.extent(selection.SelectionSet)
			e.depth++
			e.fields++
			if selection.Alias != selection.Name {
				e.aliases++
			}
		case *ast.InlineFragment:
			e = s.extent(selection.SelectionSet)
		case *ast.FragmentSpread:
			if s.open[selection.Name] {
				s.cycle = selection
			} else {
				e = s.fragment(selection.Name)
			}
		}
		sum.fields = min(sum.fields+e.fields, maxCounted)
		sum.aliases = min(sum.aliases+e.aliases, maxCounted)
		sum.depth = max(sum.depth, e.depth)
	}
	return sum
}

func (s *surveyor) fragment(name string) extent {
	fragment, exists := s.fragments[name]
	known, done := s.known[name]
	if !exists || done {
		return known
	}
	s.open[name] = true
	e := s.extent(fragment.SelectionSet)
	s.open[name] = false
	s.known[name] = e
	return e
}

// maxPairs limits validation to a few milliseconds: 996 times __typename, in no more than 1,000 tokens, are half a
// million pairs and take a third of a second. Documents of usual clients have a few hundred pairs.
const maxPairs = 5000

// checkExtent checks the extent of a document before it is validated.
func (l *Limits) checkExtent(doc *ast.QueryDocument) *gqlerror.Error {
	s := newSurveyor(doc)
	for _, operation := range doc.Operations {
		e := s.extent(operation.SelectionSet)
		switch {
		case exceeds(e.depth, l.Depth):
			return LimitError("depth", errcode.QueryTooComplex, l.Depth, e.depth,
				"The document nests fields deeper than %d.", l.Depth)
		case exceeds(e.aliases, l.Aliases):
			return LimitError("aliases", errcode.QueryTooComplex, l.Aliases, e.aliases,
				"The document has more than %d aliases. Split it into several requests.", l.Aliases)
		case exceeds(e.fields, l.Tokens):
			return LimitError("fields", errcode.QueryTooComplex, l.Tokens, e.fields,
				"The document has more than %d fields once its fragments are expanded.", l.Tokens)
		}
		if n := len(s.merge(operation.SelectionSet)); exceeds(n, l.RootFields) {
			return LimitError("root fields", errcode.QueryTooComplex, l.RootFields, n,
				"The document has more than %d fields of `Query`. Split it into several requests.", l.RootFields)
		}
	}
	for _, fragment := range doc.Fragments { // validation examines unused ones too
		if e := s.fragment(fragment.Name); exceeds(e.fields, l.Tokens) {
			return LimitError("fields", errcode.QueryTooComplex, l.Tokens, e.fields,
				"The document has more than %d fields once its fragments are expanded.", l.Tokens)
		}
	}
	if s.cycle != nil {
		err := gqlerror.ErrorPosf(s.cycle.Position, "The fragment %q spreads itself.", s.cycle.Name)
		return coded(gqlerror.List{err}, errcode.ValidationFailed)[0]
	}
	if l.Tokens > 0 { // else the document may be of any size anyway
		return s.checkPairs(doc)
	}
	return nil
}

func (f fragments) checkPairs(doc *ast.QueryDocument) *gqlerror.Error {
	pairs := 0
	for _, operation := range doc.Operations {
		pairs += f.pairs(operation.SelectionSet)
	}
	for _, fragment := range doc.Fragments {
		pairs += f.pairs(fragment.SelectionSet)
	}
	if pairs > maxPairs {
		return LimitError("same fields", errcode.QueryTooComplex, maxPairs, pairs,
			"The document selects the same fields too many times. Select each of them once.")
	}
	return nil
}
