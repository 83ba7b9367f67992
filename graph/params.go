package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json/jsontext"
)

// The parameters of a request
//
// GET and POST mean the same by the same parameters, so they are rejected for the same reasons. JSON is read strictly,
// as I-JSON (RFC 7493) has it: UTF-8 without a byte order mark, no name twice in an object, no half of a surrogate
// pair, nothing behind the value. Readers do not agree on what anything else means.

// params are those of a GraphQL request.
type params struct {
	graphql.RawParams
	documentID string // of a trusted document
}

// parseText reads the GraphQL request.
func parseText(method, text string) (*params, *rejection) {
	parse := (*paramsParser).body
	if method == http.MethodGet {
		parse = (*paramsParser).query
	}
	p := paramsParsers.Get().(*paramsParser)
	defer paramsParsers.Put(p)
	return parse(p, text)
}

// paramsParser reads parameters. Its parts are used again for the next.
type paramsParser struct {
	text    bytes.Buffer
	decoder jsontext.Decoder
}

var paramsParsers = sync.Pool{New: func() any { return new(paramsParser) }}

func (p *paramsParser) reset(text string) {
	p.text.Reset()
	p.text.WriteString(text)
	p.decoder.Reset(&p.text)
}

// query reads a query string.
func (p *paramsParser) query(rawQuery string) (*params, *rejection) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, malformed("The query string of the URL is malformed.")
	}
	read := &params{}
	for _, name := range []string{"query", "operationName", "documentId", "doc_id", "variables", "extensions"} {
		values := query[name]
		if len(values) > 1 {
			return nil, malformed(fmt.Sprintf("The parameter `%s` is given more than once.", name))
		}
		if len(values) == 0 || values[0] == "" {
			continue
		}
		var rejected *rejection
		if text := read.text(name); text == nil {
			rejected = p.parameter(read, name, values[0])
		} else if !utf8.ValidString(values[0]) {
			rejected = malformed(fmt.Sprintf("The parameter `%s` is not UTF-8.", name))
		} else {
			rejected = read.set(text, values[0])
		}
		if rejected != nil {
			return nil, rejected
		}
	}
	return read, nil
}

// parameter reads one that is JSON.
func (p *paramsParser) parameter(read *params, name, text string) *rejection {
	p.reset(text)
	value, err := p.decoder.ReadValue()
	if err == nil {
		if _, err = p.decoder.ReadToken(); errors.Is(err, io.EOF) {
			return read.member(name, value)
		}
	}
	return wrongJSON(fmt.Sprintf("The parameter `%s`", name), text, err)
}

const theBody = "The request's body"

// body reads a body. Members that GraphQL over HTTP does not know mean nothing.
func (p *paramsParser) body(text string) (*params, *rejection) {
	p.reset(text)
	switch start, err := p.decoder.ReadToken(); {
	case err != nil:
		return nil, wrongJSON(theBody, text, err)
	case start.Kind() == '[':
		return nil, malformed("Batches are not supported: send one operation per request.")
	case start.Kind() != '{':
		return nil, malformed(theBody + " is not a JSON object.")
	}
	read := &params{}
	for p.decoder.PeekKind() == '"' {
		token, err := p.decoder.ReadToken()
		if err != nil {
			return nil, wrongJSON(theBody, text, err)
		}
		name := token.String()
		value, err := p.decoder.ReadValue()
		if err != nil {
			return nil, wrongJSON(theBody, text, err)
		}
		if rejected := read.member(name, value); rejected != nil {
			return nil, rejected
		}
	}
	_, err := p.decoder.ReadToken() // the end of the object
	if err == nil {
		if _, err = p.decoder.ReadToken(); errors.Is(err, io.EOF) {
			return read, nil
		}
	}
	return nil, wrongJSON(theBody, text, err)
}

// text is where a parameter goes that is a text; nil if it is none.
func (read *params) text(name string) *string {
	switch name {
	case "query":
		return &read.Query
	case "operationName":
		return &read.OperationName
	case "documentId", "doc_id": // graphql-codegen's name, and Relay's
		return &read.documentID
	}
	return nil
}

// object is where a parameter goes that is an object; nil if it is none.
func (read *params) object(name string) *map[string]any {
	switch name {
	case "variables":
		return &read.Variables
	case "extensions":
		return &read.Extensions
	}
	return nil
}

// set sets a text. Only the id of a document has two names.
func (read *params) set(to *string, value string) *rejection {
	if *to != "" && *to != value {
		return malformed("The parameters `documentId` and `doc_id` have the same meaning, and must have the same value.")
	}
	*to = value
	return nil
}

// member takes one whose value has been read as JSON.
func (read *params) member(name string, value jsontext.Value) *rejection {
	text, object := read.text(name), read.object(name)
	if text == nil && object == nil {
		return nil
	}
	switch kind := value.Kind(); {
	case kind == 'n', object != nil && string(value) == "{}":
		return nil
	case kind == '"' && text != nil:
		unquoted, _ := jsontext.AppendUnquote(nil, value) // it has been read as a JSON string
		return read.set(text, string(unquoted))
	case kind == '{' && object != nil:
		*object, _ = valueOf(value).(map[string]any)
		return nil
	}
	return malformed(fmt.Sprintf("The parameter `%s` is of the wrong type.", name))
}

// valueOf makes a Go value of JSON that has been read as such. Numbers stay as written: an Int variable must not become
// a float.
func valueOf(value jsontext.Value) any {
	d := decoders.Get().(*valueDecoder)
	d.text = *bytes.NewBuffer(value) // which is not copied
	d.Reset(&d.text)
	made := d.next()
	d.text = bytes.Buffer{}
	decoders.Put(d)
	return made
}

// valueDecoder makes Go values. It is used again for the next.
type valueDecoder struct {
	text bytes.Buffer
	jsontext.Decoder
}

var decoders = sync.Pool{New: func() any { return new(valueDecoder) }}

// next makes a Go value of the next one.
func (d *valueDecoder) next() any {
	token, _ := d.ReadToken() // there are no errors in what has been read before
	switch token.Kind() {
	case '"':
		return token.String()
	case '0':
		return json.Number(token.String())
	case 't', 'f':
		return token.Bool()
	case '[':
		list := []any{}
		for d.more(']') {
			list = append(list, d.next())
		}
		_, _ = d.ReadToken()
		return list
	case '{':
		object := map[string]any{}
		for d.more('}') {
			name, _ := d.ReadToken()
			key := name.String() // before the next token is read, which takes its place
			object[key] = d.next()
		}
		_, _ = d.ReadToken()
		return object
	default:
		return nil
	}
}

// more reports whether an array or object, which ends with this kind of token, has another element or member.
func (d *valueDecoder) more(end jsontext.Kind) bool {
	kind := d.PeekKind()
	return kind != end && kind != jsontext.KindInvalid
}

// byteOrderMark is that of UTF-8.
const byteOrderMark = "\ufeff"

// wrongJSON says why a text is not taken, in words of ours: those of an error hold what the client has sent. The error
// is nil for what stands behind a value.
func wrongJSON(what, text string, err error) *rejection {
	if strings.Trim(text, " \t\r\n") == "" {
		return malformed(what + " is not a JSON object.")
	}
	reason := "text follows the end of the value"
	switch {
	case strings.HasPrefix(text, byteOrderMark):
		reason = "it begins with a byte order mark"
	case !utf8.ValidString(text):
		reason = "it is not UTF-8"
	case errors.Is(err, jsontext.ErrDuplicateName):
		reason = "an object has one name twice"
	case errors.Is(err, io.ErrUnexpectedEOF):
		reason = "it ends too early"
	case err != nil && jsontext.Value(text).IsValid(jsontext.AllowInvalidUTF8(true)):
		reason = "a string has half of a surrogate pair"
	case err != nil:
		reason = "it has a syntax error"
	}
	at := ""
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = fmt.Sprintf(", at byte %d", syntactic.ByteOffset)
	}
	return malformed(what + " is not valid JSON: " + reason + at + ".")
}
