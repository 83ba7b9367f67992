package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
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

// maxRequestBytes bounds a request's body, and so do 16 KiB of headers for GET (net/http's default is 1 MiB).
const maxRequestBytes = 256 << 10

// badRequest is why a request is not a GraphQL request.
type badRequest struct {
	status     int
	code       string
	message    string
	extensions map[string]any
}

func malformed(message string) *badRequest {
	return &badRequest{status: http.StatusBadRequest, code: codeBadUserInput, message: message}
}

// readText takes from an HTTP request what says all about the GraphQL request: the query string or the body.
func readText(w http.ResponseWriter, r *http.Request) (string, *badRequest) {
	switch r.Method {
	case http.MethodGet:
		return r.URL.RawQuery, nil
	case http.MethodPost:
		return readBody(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		return "", &badRequest{status: http.StatusMethodNotAllowed, code: codeBadUserInput, message: "Use GET or POST."}
	}
}

func readBody(w http.ResponseWriter, r *http.Request) (string, *badRequest) {
	if contentType := r.Header.Get("Content-Type"); contentType != applicationJSON {
		mediaType, attributes, err := mime.ParseMediaType(contentType)
		if charset := attributes["charset"]; err != nil || mediaType != applicationJSON ||
			charset != "" && !strings.EqualFold(charset, "utf-8") {
			return "", &badRequest{
				status: http.StatusUnsupportedMediaType, code: codeBadUserInput,
				message: "Send the request as application/json, in UTF-8.",
			}
		}
	}
	body := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(body)
	body.Reset()
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return "", &badRequest{
			status: http.StatusRequestEntityTooLarge, code: codeQueryTooLarge,
			message:    fmt.Sprintf("The request has more than %d bytes.", tooLarge.Limit),
			extensions: map[string]any{"limit": tooLarge.Limit, "actual": max(r.ContentLength, tooLarge.Limit+1)},
		}
	}
	if err != nil {
		return "", malformed("The request's body could not be read.")
	}
	return body.String(), nil
}

// parseText reads the GraphQL request.
func parseText(method, text string) (*graphql.RawParams, *badRequest) {
	parse := parseBody
	if method == http.MethodGet {
		parse = parseQuery
	}
	start := graphql.Now()
	params, bad := parse(text)
	if bad == nil && params.Query == "" {
		bad = malformed("The parameter `query` is missing: it holds the GraphQL document.")
	}
	if bad != nil {
		return nil, bad
	}
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	return params, nil
}

func parseQuery(rawQuery string) (*graphql.RawParams, *badRequest) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, malformed("The query string of the URL is malformed.")
	}
	params := &graphql.RawParams{Query: query.Get("query"), OperationName: query.Get("operationName")}
	for name, to := range map[string]*map[string]any{"variables": &params.Variables, "extensions": &params.Extensions} {
		if text := query.Get(name); text != "" && decodeJSON(strings.NewReader(text), to) != nil {
			return nil, malformed(fmt.Sprintf("The parameter `%s` is not a JSON object.", name))
		}
	}
	return params, nil
}

// bodyParser reads bodies. Its parts are used again for the next.
type bodyParser struct {
	text    bytes.Buffer
	decoder jsontext.Decoder
}

var bodyParsers = sync.Pool{New: func() any { return new(bodyParser) }}

func parseBody(body string) (*graphql.RawParams, *badRequest) {
	if strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "[") {
		return nil, malformed("Batches are not supported: send one operation a request.")
	}
	p := bodyParsers.Get().(*bodyParser)
	defer bodyParsers.Put(p)
	p.text.Reset()
	p.text.WriteString(body)
	p.decoder.Reset(&p.text)
	params := &graphql.RawParams{}
	if start, err := p.decoder.ReadToken(); err != nil || start.Kind() != '{' {
		return nil, errNoObject
	}
	for p.decoder.PeekKind() == '"' {
		if bad := p.member(params); bad != nil {
			return nil, bad
		}
	}
	if end, err := p.decoder.ReadToken(); err != nil || end.Kind() != '}' {
		return nil, errNoObject
	}
	if _, err := p.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errNoObject
	}
	return params, nil
}

var errNoObject = malformed("The request's body is not a JSON object.")

// member reads one member of the body. Those that GraphQL over HTTP does not know mean nothing.
func (p *bodyParser) member(params *graphql.RawParams) *badRequest {
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
		text = &params.Query
	case "operationName":
		text = &params.OperationName
	case "variables":
		object = &params.Variables
	case "extensions":
		object = &params.Extensions
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

// fail answers a request that was not executed.
func fail(w http.ResponseWriter, contentType string, status int, code, message string, extensions map[string]any) {
	err := &gqlerror.Error{Message: message, Extensions: map[string]any{"code": code}}
	maps.Copy(err.Extensions, extensions)
	send(w, contentType, status, encodeResponse(&graphql.Response{Errors: gqlerror.List{err}}))
}

// inUTF8 is the Content-Type of each media type. As a value of a header it is never written to.
var inUTF8 = map[string][]string{
	applicationJSON:     {applicationJSON + "; charset=utf-8"},
	applicationResponse: {applicationResponse + "; charset=utf-8"},
}

// send writes an answer, whole and at once.
func send(w http.ResponseWriter, contentType string, status int, body []byte) {
	header := w.Header()
	header["Content-Type"] = inUTF8[contentType]
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // JSON, and never sniffed as anything else
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
