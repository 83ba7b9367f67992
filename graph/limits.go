package graph

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
)

// Hostile documents
//
// A document of a kilobyte can ask for terabytes, and one that is refused can still take seconds to refuse. So documents are
// checked in the order that makes each check cheap: the bytes of the request before it is read, its tokens before it is
// parsed, its extent (depth, aliases, root fields, with fragments expanded) before it is validated, and its cost before it is
// executed. No check takes more than linear time in what the checks before it have let through, but for two rules of the
// validation, which 1,000 tokens keep to milliseconds.
//
// Fragments are never expanded to be counted: what a fragment adds is worked out once, so fragments that double forty times
// are as cheap as forty fields. A cycle counts once, and validation says what is wrong with it.

// Limits bound what one request may ask for. 0 is no limit.
type Limits struct {
	// RequestBytes bounds a body or a query string.
	RequestBytes int
	// Tokens bounds the tokens of a document, without comments, and the fields that it has with fragments expanded.
	Tokens int
	// Depth, Aliases and RootFields bound each operation, with fragments expanded. A root field is at depth 1.
	Depth, Aliases, RootFields int
	// Cost bounds what one request costs, see cost.go.
	Cost int
	// AnswerBytes bounds an answer's data.
	AnswerBytes int
}

// exceeds reports whether n is beyond a limit.
func exceeds(n, limit int) bool { return limit > 0 && n > limit }

// beyond is the error of a request that is beyond a limit.
func beyond(code string, limit, actual int, format string, args ...any) *gqlerror.Error {
	return &gqlerror.Error{
		Message:    fmt.Sprintf(format, args...),
		Extensions: map[string]any{"code": code, "limit": limit, "actual": actual},
	}
}

// count is what the lexer sees of a document.
type count struct {
	tokens, comments int
	longest          int // bytes of the longest name or string
}

// maxComments keeps a document of nothing but comments from taking 50 ms to parse. They are no tokens: nobody writes this many.
const maxComments = 10_000

// countTokens counts up to one past the limit. What is no token ends the count, and the parser will say what is wrong.
func countTokens(text string, limit int) count {
	var c count
	for l := lexer.New(&ast.Source{Input: text}); !exceeds(c.tokens, limit) && c.comments <= maxComments; {
		token, err := l.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			break
		}
		if token.Kind == lexer.Comment {
			c.comments++
			continue
		}
		c.tokens++
		c.longest = max(c.longest, len(token.Value))
	}
	return c
}

// checkSize checks a document that has not been parsed.
func (l *Limits) checkSize(c count) *gqlerror.Error {
	switch {
	case exceeds(c.tokens, l.Tokens):
		return beyond(codeQueryTooLarge, l.Tokens, c.tokens, "The document has more than %d tokens. Split it into several requests.", l.Tokens)
	case c.comments > maxComments:
		return beyond(codeQueryTooLarge, maxComments, c.comments, "The document has more than %d comments. Send it without them.", maxComments)
	}
	return nil
}

// extent is how far a selection goes, with fragments expanded. Numbers stop at maxCounted.
type extent struct{ fields, aliases, depth int }

const maxCounted = 1 << 30

// surveyor works out extents, of each fragment once.
type surveyor struct {
	fragments map[string]*ast.FragmentDefinition
	known     map[string]extent
}

func newSurveyor(doc *ast.QueryDocument) *surveyor {
	s := &surveyor{map[string]*ast.FragmentDefinition{}, map[string]extent{}}
	for _, fragment := range doc.Fragments {
		s.fragments[fragment.Name] = fragment
	}
	return s
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
			e = s.fragment(selection.Name)
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
	s.known[name] = extent{} // what a cycle comes back to
	e := s.extent(fragment.SelectionSet)
	s.known[name] = e
	return e
}

// responseNames collects the names under which a selection answers, going into each fragment once.
func (s *surveyor) responseNames(set ast.SelectionSet, names, seen map[string]bool) {
	for _, selection := range set {
		switch selection := selection.(type) {
		case *ast.Field:
			names[selection.Alias] = true
		case *ast.InlineFragment:
			s.responseNames(selection.SelectionSet, names, seen)
		case *ast.FragmentSpread:
			if fragment := s.fragments[selection.Name]; fragment != nil && !seen[selection.Name] {
				seen[selection.Name] = true
				s.responseNames(fragment.SelectionSet, names, seen)
			}
		}
	}
}

// checkExtent checks a document that has not been validated.
func (l *Limits) checkExtent(doc *ast.QueryDocument) *gqlerror.Error {
	s := newSurveyor(doc)
	for _, operation := range doc.Operations {
		e := s.extent(operation.SelectionSet)
		roots := map[string]bool{}
		s.responseNames(operation.SelectionSet, roots, map[string]bool{})
		switch {
		case exceeds(e.depth, l.Depth):
			return beyond(codeTooComplex, l.Depth, e.depth, "The document nests fields deeper than %d.", l.Depth)
		case exceeds(e.aliases, l.Aliases):
			return beyond(codeTooComplex, l.Aliases, e.aliases, "The document has more than %d aliases. Split it into several requests.", l.Aliases)
		case exceeds(len(roots), l.RootFields):
			return beyond(codeTooComplex, l.RootFields, len(roots), "The document has more than %d fields of `Query`. Split it into several requests.", l.RootFields)
		case exceeds(e.fields, l.Tokens):
			return beyond(codeTooComplex, l.Tokens, e.fields, "The document has more than %d fields once its fragments are expanded.", l.Tokens)
		}
	}
	return nil
}
