package document

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/parser"
)

// count has the counts of a document's tokens.
type count struct {
	tokens, comments int
	longest          int             // bytes of the longest token
	longestName      int             // bytes of the longest name
	blocks           map[int]string  // the values of block strings, by their start
	openers          openers         // of directives, spreads and inline fragments
	err              *gqlerror.Error // why the count ended before the document: what follows is no token
}

// maxComments bounds comments, which are no tokens: parsing a document of nothing but comments takes up to 50 ms. No
// client writes this many.
const maxComments = 10_000

// maxName is the largest length of any name, in bytes. A response has an alias once for each object, and an error has
// it once for each step of its path, so one name of 250 KB makes 40 MB of a transcript. Names in generated documents
// have about a hundred bytes at most.
const maxName = 200

// countTokens counts up to one token past the limit, or to the first name that is too long. It finds what the grammar
// of tokens (GraphQL spec 2.1) does not allow, even if gqlparser's lexer does.
func countTokens(text string, limit int) count {
	var c count
	var before lexer.Token
	written := writtenText{text: text}
	for l := lexer.New(&ast.Source{Input: text}); c.within(limit); {
		token, err := l.ReadToken()
		if err != nil {
			errors.As(err, &c.err)
			break
		}
		if c.err = written.check(&before, &token); c.err != nil || token.Kind == lexer.EOF {
			break
		}
		if token.Kind == lexer.BlockString {
			if c.blocks == nil {
				c.blocks = map[int]string{}
			}
			c.blocks[token.Pos.Start] = blockValue(written.of(&token))
		}
		if token.Kind == lexer.Comment {
			c.comments++
			continue
		}
		if before.Kind == lexer.At || before.Kind == lexer.Spread {
			if c.openers == nil {
				c.openers = openers{}
			}
			c.openers[token.Pos.Start] = before.Pos
		}
		before = token
		c.tokens++
		c.longest = max(c.longest, len(token.Value))
		if token.Kind == lexer.Name {
			c.longestName = max(c.longestName, len(token.Value))
		}
	}
	return c
}

// within reports whether the counts are within all bounds so far.
func (c *count) within(limit int) bool {
	return !exceeds(c.tokens, limit) && c.comments <= maxComments && c.longestName <= maxName
}

// parseDocument parses a document whose tokens have been counted. Its error is the one at the first place, of the
// parser or of the count.
func parseDocument(source string, counted count) (*ast.QueryDocument, *gqlerror.Error) {
	doc, err := parser.ParseQuery(&ast.Source{Input: source})
	var found *gqlerror.Error
	errors.As(err, &found)
	if found == nil {
		for _, fragment := range doc.Fragments { // their variables were in no version of the specification
			if len(fragment.VariableDefinition) > 0 {
				found = gqlerror.ErrorPosf(fragment.VariableDefinition[0].Position, `Expected "on", found "("`)
				break
			}
		}
	}
	if found == nil && len(doc.Operations)+len(doc.Fragments) == 0 {
		found = gqlerror.ErrorLocf("", 1, 1, "Unexpected <EOF>: the document is empty")
	}
	if counted.err != nil && (found == nil || !isBefore(found, counted.err)) {
		found = counted.err
	}
	if found == nil {
		counted.openers.mend(doc)
		return doc, nil
	}
	return nil, &gqlerror.Error{
		Message:   "Syntax Error: " + strings.TrimSuffix(found.Message, ".") + ".",
		Locations: []gqlerror.Location{placeOfToken(source, found.Locations[0])},
	}
}

// openers has the places of `@` and `...`, by the start of the next token: there, gqlparser lets directives, spreads
// and inline fragments begin.
type openers map[int]ast.Position

// mend moves the positions of these nodes to where they begin in the specification's grammar.
func (o openers) mend(doc *ast.QueryDocument) {
	if len(o) == 0 {
		return
	}
	for _, operation := range doc.Operations {
		for _, variable := range operation.VariableDefinitions {
			o.directives(variable.Directives)
		}
		o.directives(operation.Directives)
		o.selections(operation.SelectionSet)
	}
	for _, fragment := range doc.Fragments {
		o.directives(fragment.Directives)
		o.selections(fragment.SelectionSet)
	}
}

func (o openers) directives(directives ast.DirectiveList) {
	for _, directive := range directives {
		o.place(directive.Position)
	}
}

func (o openers) selections(set ast.SelectionSet) {
	for _, selection := range set {
		switch selection := selection.(type) {
		case *ast.Field:
			o.directives(selection.Directives)
			o.selections(selection.SelectionSet)
		case *ast.InlineFragment:
			o.place(selection.Position)
			o.directives(selection.Directives)
			o.selections(selection.SelectionSet)
		case *ast.FragmentSpread:
			o.place(selection.Position)
			o.directives(selection.Directives)
		}
	}
}

func (o openers) place(position *ast.Position) {
	if opener, ok := o[position.Start]; ok {
		*position = opener
	}
}

// placeOfToken returns where the token at a place begins. gqlparser places a string at the start of its text, in its
// last line.
func placeOfToken(source string, at gqlerror.Location) gqlerror.Location {
	for l := lexer.New(&ast.Source{Input: source}); ; {
		token, err := l.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return at
		}
		isString := token.Kind == lexer.String || token.Kind == lexer.BlockString
		if isString && token.Pos.Line == at.Line && token.Pos.Column == at.Column {
			at.Line, at.Column = placeOf(source, token.Pos.Start)
			return at
		}
	}
}

// placeOf returns the line and the column of a character, both counted from 1.
func placeOf(source string, at int) (line, column int) {
	line, column = 1, 1
	for _, r := range source {
		if at--; at < 0 {
			break
		}
		if column++; r == '\n' || r == '\r' { // of CR LF, LF is left
			line, column = line+1, 1
		}
	}
	return line, column
}

// isBefore reports whether error a is about an earlier place than error b.
func isBefore(a, b *gqlerror.Error) bool {
	at, than := a.Locations[0], b.Locations[0]
	return at.Line < than.Line || at.Line == than.Line && at.Column < than.Column
}

// writtenText is the source text of a document. It is split into runes only if a token needs that.
type writtenText struct {
	text  string
	runes []rune // positions count runes
}

// of returns the source text of a token.
func (w *writtenText) of(token *lexer.Token) string {
	if w.runes == nil {
		w.runes = []rune(w.text)
	}
	return string(w.runes[token.Pos.Start:token.Pos.End])
}

// check applies to a token and the one before it the rules that gqlparser's lexer and parser lack.
func (w *writtenText) check(before, token *lexer.Token) *gqlerror.Error {
	number := (before.Kind == lexer.Int || before.Kind == lexer.Float) && before.Pos.End == token.Pos.Start
	switch {
	case number && token.Kind == lexer.Name: // spec 2.9.1, 2.9.2: a number must not be followed by a NameStart
		return gqlerror.ErrorPosf(&token.Pos, "Invalid number, expected digit but got: %q", token.Value[:1])
	case before.Kind == lexer.Spread && (token.Kind == lexer.String || token.Kind == lexer.BlockString):
		return gqlerror.ErrorPosf(&token.Pos, "Unexpected %s", token.Kind) // gqlparser takes the string "on" for the keyword
	case token.Kind == lexer.BlockString:
		// gqlparser ends a block string at the last three of many quotes, and the specification at the first three.
		if raw := w.of(token); token.Pos.End < len(w.runes) && w.runes[token.Pos.End] == '"' {
			return gqlerror.ErrorPosf(&token.Pos, "Unexpected quote behind the block string %s", Shorten(raw))
		}
	case token.Kind == lexer.String && strings.ContainsRune(token.Value, utf8.RuneError):
		if escape := loneSurrogate(w.of(token)); escape != "" {
			return gqlerror.ErrorPosf(&token.Pos, `Invalid Unicode escape sequence: "%s"`, escape)
		}
	}
	return nil
}

// blockValue returns the value of a block string (spec 2.9.4 BlockStringValue). gqlparser wrongly counts the indent of
// the first line, too.
func blockValue(raw string) string {
	raw = strings.ReplaceAll(raw[3:len(raw)-3], `\"""`, `"""`)
	lines := strings.Split(strings.ReplaceAll(raw, "\r", "\n"), "\n") // of CR LF, LF is left
	first, last, indent := len(lines), 0, len(raw)
	for i, line := range lines {
		blank := len(line) - len(strings.TrimLeft(line, " \t"))
		if blank == len(line) {
			continue
		}
		first, last = min(first, i), i+1
		if i > 0 {
			indent = min(indent, blank)
		}
	}
	for i := range lines[1:] {
		lines[i+1] = lines[i+1][min(indent, len(lines[i+1])):]
	}
	return strings.Join(lines[min(first, last):last], "\n")
}

// loneSurrogate returns the first escape in a string that is half of a surrogate pair, "" if there is none (spec 2.9.4
// String Value).
func loneSurrogate(raw string) string {
	for i := 0; i+1 < len(raw); {
		if raw[i] != '\\' {
			i++
			continue
		}
		if raw[i+1] != 'u' || raw[i+2] == '{' {
			i += 2
			continue
		}
		escape := raw[i : i+6]
		switch half := strings.ToLower(escape[2:4]); {
		case half >= "d8" && half <= "db":
			rest := raw[i+6:]
			if len(rest) < 6 || rest[:2] != `\u` {
				return escape
			}
			if other := strings.ToLower(rest[2:4]); other < "dc" || other > "df" {
				return escape
			}
			i += 12
		case half >= "dc" && half <= "df":
			return escape
		default:
			i += 6
		}
	}
	return ""
}
