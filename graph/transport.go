package graph

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// GraphQL over HTTP (the working draft of the GraphQL Foundation) for queries by GET and POST. gqlgen's own transports
// echo a bad request in the error, match Accept by substring, read bodies of any size, and encode the encoded answer once
// more.

// refusal is why a request is not executed. A status of 0 is 200 or 400, as the media type wants it.
type refusal struct {
	status int
	errors gqlerror.List
}

// refuse is a refusal for one reason.
func refuse(status int, code, message string) *refusal {
	return &refusal{status, gqlerror.List{{Message: message, Extensions: map[string]any{"code": code}}}}
}

// send answers with the errors.
func (f *refusal) send(x *exchange) {
	status := f.status
	if status == 0 {
		status = notExecuted(x.contentType)
	}
	x.send(status, encodeResponse(&graphql.Response{Errors: f.errors}))
}

// notExecuted is the status of a GraphQL request that fails before it is executed.
func notExecuted(contentType string) int {
	if contentType == applicationResponse {
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// params are those of a GraphQL request.
type params struct {
	graphql.RawParams
	documentID string // of a trusted document
}

func malformed(message string) *refusal {
	return refuse(http.StatusBadRequest, codeBadUserInput, message)
}

// readText takes from an HTTP request what says all about the GraphQL request: the query string or the body.
func readText(w http.ResponseWriter, r *http.Request, maxBytes int, capacity *Capacity) (string, *refusal) {
	switch r.Method {
	case http.MethodGet:
		if n := len(r.URL.RawQuery); exceeds(n, maxBytes) {
			return "", tooManyBytes(maxBytes, n)
		}
		return r.URL.RawQuery, nil
	case http.MethodPost:
		return readBody(w, r, maxBytes, capacity)
	default:
		w.Header().Set("Allow", "GET, POST")
		return "", refuse(http.StatusMethodNotAllowed, codeBadUserInput, "Use GET or POST.")
	}
}

func tooManyBytes(limit, actual int) *refusal {
	return &refusal{http.StatusRequestEntityTooLarge, gqlerror.List{
		beyond("request bytes", codeQueryTooLarge, limit, actual, "The request has more than %d bytes.", limit),
	}}
}

// bodies are buffers for bodies. They are not those for answers, and none that is large is kept: whoever sends slowly holds one
// for long, and many of them would hold all that was made in a busy time.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const maxIdleBody = 16 << 10

func readBody(w http.ResponseWriter, r *http.Request, maxBytes int, capacity *Capacity) (string, *refusal) {
	if contentType := r.Header.Get("Content-Type"); contentType != applicationJSON {
		mediaType, attributes, err := mime.ParseMediaType(contentType)
		if charset := attributes["charset"]; err != nil || mediaType != applicationJSON ||
			charset != "" && !strings.EqualFold(charset, "utf-8") {
			return "", refuse(http.StatusUnsupportedMediaType, codeBadUserInput, "Send the request as application/json, in UTF-8.")
		}
	}
	body := bodies.Get().(*bytes.Buffer)
	defer func() {
		if body.Cap() <= maxIdleBody {
			bodies.Put(body)
		}
	}()
	body.Reset()
	reader := io.Reader(r.Body)
	if maxBytes > 0 {
		reader = http.MaxBytesReader(w, r.Body, int64(maxBytes))
	}
	if capacity != nil && (r.ContentLength < 0 || r.ContentLength > smallBody) {
		counted := &countedBody{Reader: reader, capacity: capacity}
		defer counted.done()
		reader = counted
	}
	_, err := body.ReadFrom(reader)
	switch {
	case err == nil:
		return body.String(), nil
	case errors.Is(err, errNoRoom):
		return "", capacity.refuse(w)
	case errors.As(err, new(*http.MaxBytesError)):
		return "", tooManyBytes(maxBytes, max(int(r.ContentLength), maxBytes+1))
	default:
		return "", malformed("The request's body could not be read.")
	}
}

// parseText reads the GraphQL request.
func parseText(method, text string) (*params, *refusal) {
	parse := parseBody
	if method == http.MethodGet {
		parse = parseQuery
	}
	start := graphql.Now()
	p, bad := parse(text)
	if bad != nil {
		return nil, bad
	}
	p.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	return p, nil
}

func parseQuery(rawQuery string) (*params, *refusal) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, malformed("The query string of the URL is malformed.")
	}
	p := &params{documentID: cmp.Or(query.Get("documentId"), query.Get("doc_id"))}
	p.Query, p.OperationName = query.Get("query"), query.Get("operationName")
	for name, to := range map[string]*map[string]any{"variables": &p.Variables, "extensions": &p.Extensions} {
		if text := query.Get(name); text != "" && decodeJSON(strings.NewReader(text), to) != nil {
			return nil, malformed(fmt.Sprintf("The parameter `%s` is not a JSON object.", name))
		}
	}
	return p, nil
}

// bodyParser reads bodies. Its parts are used again for the next.
type bodyParser struct {
	text    bytes.Buffer
	decoder jsontext.Decoder
}

var bodyParsers = sync.Pool{New: func() any { return new(bodyParser) }}

func parseBody(body string) (*params, *refusal) {
	if strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "[") {
		return nil, malformed("Batches are not supported: send one operation a request.")
	}
	p := bodyParsers.Get().(*bodyParser)
	defer bodyParsers.Put(p)
	p.text.Reset()
	p.text.WriteString(body)
	p.decoder.Reset(&p.text)
	read := &params{}
	if start, err := p.decoder.ReadToken(); err != nil || start.Kind() != '{' {
		return nil, errNoObject
	}
	for p.decoder.PeekKind() == '"' {
		if bad := p.member(read); bad != nil {
			return nil, bad
		}
	}
	if end, err := p.decoder.ReadToken(); err != nil || end.Kind() != '}' {
		return nil, errNoObject
	}
	if _, err := p.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errNoObject
	}
	return read, nil
}

var errNoObject = malformed("The request's body is not a JSON object.")

// member reads one member of the body. Those that GraphQL over HTTP does not know mean nothing.
func (p *bodyParser) member(read *params) *refusal {
	token, err := p.decoder.ReadToken()
	if err != nil {
		return errNoObject
	}
	name := token.String()
	value, err := p.decoder.ReadValue()
	if err != nil {
		return errNoObject
	}
	var text *string
	var object *map[string]any
	switch name {
	case "query":
		text = &read.Query
	case "operationName":
		text = &read.OperationName
	case "documentId", "doc_id":
		text = &read.documentID
	case "variables":
		object = &read.Variables
	case "extensions":
		object = &read.Extensions
	default:
		return nil
	}
	switch kind := value.Kind(); {
	case kind == 'n', string(value) == "{}":
	case kind == '"' && text != nil:
		unquoted, _ := jsontext.AppendUnquote(nil, value) // it has been read as a JSON string
		*text = string(unquoted)
	case kind == '{' && object != nil && decodeJSON(bytes.NewReader(value), object) == nil:
	default:
		return malformed(fmt.Sprintf("The parameter `%s` is of the wrong type.", name))
	}
	return nil
}

// decodeJSON reads one JSON value and nothing else. Numbers stay as written: an Int variable must not become a float.
func decodeJSON(r io.Reader, to any) error {
	d := json.NewDecoder(r)
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("trailing data")
	}
	return nil
}

// inUTF8 is the Content-Type of each media type. As a value of a header it is never written to.
var inUTF8 = map[string][]string{
	applicationJSON:     {applicationJSON + "; charset=utf-8"},
	applicationResponse: {applicationResponse + "; charset=utf-8"},
}

// send writes an answer, whole and at once, for which the request needs its place no more.
func (x *exchange) send(status int, body []byte) {
	header := x.w.Header()
	header["Content-Type"] = inUTF8[x.contentType]
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.leave()
	x.w.WriteHeader(status)
	if x.capacity == nil {
		_, _ = x.w.Write(body) //nolint:gosec // JSON that says so, with nosniff: no page
	} else {
		x.capacity.answers.write(x.w, body, max(len(body), x.held))
	}
}

// encodeResponse encodes a response: errors first, so that a reader of a stream sees them first; data is encoded already.
func encodeResponse(response *graphql.Response) []byte {
	b := append(make([]byte, 0, len(response.Data)+256), '{')
	if len(response.Errors) > 0 {
		b = appendMember(b, "errors", response.Errors)
	}
	if response.Data != nil {
		b = appendMember(b, "data", nil)
		b = append(b, response.Data...)
	}
	if len(response.Extensions) > 0 {
		b = appendMember(b, "extensions", response.Extensions)
	}
	return append(b, '}')
}

// appendMember appends a name, and its value unless that is nil.
func appendMember(b []byte, name string, value any) []byte {
	if len(b) > 1 {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":`...)
	if value != nil {
		encoded, err := json.Marshal(value)
		if err != nil {
			encoded = []byte("null")
		}
		b = append(b, encoded...)
	}
	return b
}
