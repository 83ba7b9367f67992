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

	"github.com/99designs/gqlgen/graphql"
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

func parseBody(body string) (*graphql.RawParams, *badRequest) {
	if strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "[") {
		return nil, malformed("Batches are not supported: send one operation a request.")
	}
	var fields struct {
		Query         *string        `json:"query"`
		OperationName *string        `json:"operationName"`
		Variables     map[string]any `json:"variables"`
		Extensions    map[string]any `json:"extensions"`
	}
	err := decodeJSON(strings.NewReader(body), &fields)
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil, malformed(fmt.Sprintf("The parameter `%s` is of the wrong type.", mismatch.Field))
	}
	if err != nil {
		return nil, malformed("The request's body is not a JSON object.")
	}
	return &graphql.RawParams{
		Query: deref(fields.Query), OperationName: deref(fields.OperationName),
		Variables: fields.Variables, Extensions: fields.Extensions,
	}, nil
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

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
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
