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

// transport is GraphQL over HTTP (the working draft of the GraphQL Foundation) for queries by GET and POST. gqlgen's own
// transports echo a bad request in the error, match Accept by substring, read bodies of any size, and encode the encoded
// answer once more.
//
// A request that is no GraphQL request is answered with 400. A GraphQL request that fails before it is executed is
// answered with 400 where the client takes application/graphql-response+json, and with 200 where it takes
// application/json, because older clients read the errors only then.
type transport struct{}

// The two media types of an answer.
const (
	applicationJSON     = "application/json"
	applicationResponse = "application/graphql-response+json"
)

// maxRequestBytes bounds a request's body, and so do 16 KiB of headers for GET (net/http's default is 1 MiB).
const maxRequestBytes = 256 << 10

// Supports implements [graphql.Transport]: every request is answered here.
func (transport) Supports(*http.Request) bool { return true }

// Do implements [graphql.Transport].
func (transport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	contentType, ok := negotiate(r.Header.Values("Accept"))
	if !ok {
		writeError(w, applicationJSON, http.StatusNotAcceptable, codeBadUserInput,
			"Accept application/graphql-response+json or application/json.", nil)
		return
	}
	params, failure := read(w, r)
	if failure != nil {
		writeError(w, contentType, failure.status, failure.code, failure.message, failure.extensions)
		return
	}
	ctx := r.Context()
	op, errs := exec.CreateOperationContext(ctx, params)
	if errs != nil {
		status := http.StatusOK
		if contentType == applicationResponse {
			status = http.StatusBadRequest
		}
		write(w, contentType, status, exec.DispatchError(graphql.WithOperationContext(ctx, op), errs))
		return
	}
	answers, ctx := exec.DispatchOperation(ctx, op)
	answer := answers(ctx)
	if answer == nil {
		return // the client has gone
	}
	write(w, contentType, http.StatusOK, answer)
}

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

// read takes the GraphQL request from an HTTP request.
func read(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, *badRequest) {
	var params *graphql.RawParams
	var bad *badRequest
	start := graphql.Now()
	switch r.Method {
	case http.MethodGet:
		params, bad = readQuery(r.URL.RawQuery)
	case http.MethodPost:
		params, bad = readBody(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		return nil, &badRequest{
			status: http.StatusMethodNotAllowed, code: codeBadUserInput, message: "Use GET or POST.",
		}
	}
	if bad == nil && params.Query == "" {
		bad = malformed("The parameter `query` is missing: it holds the GraphQL document.")
	}
	if bad != nil {
		return nil, bad
	}
	params.Headers = r.Header
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	return params, nil
}

func readQuery(rawQuery string) (*graphql.RawParams, *badRequest) {
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

func readBody(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, *badRequest) {
	mediaType, attributes, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := attributes["charset"]; err != nil || mediaType != applicationJSON ||
		charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, &badRequest{
			status: http.StatusUnsupportedMediaType, code: codeBadUserInput,
			message: "Send the request as application/json, in UTF-8.",
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &badRequest{
			status: http.StatusRequestEntityTooLarge, code: codeQueryTooLarge,
			message:    fmt.Sprintf("The request has more than %d bytes.", tooLarge.Limit),
			extensions: map[string]any{"limit": tooLarge.Limit, "actual": max(r.ContentLength, tooLarge.Limit+1)},
		}
	}
	if err != nil {
		return nil, malformed("The request's body could not be read.")
	}
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '[' {
		return nil, malformed("Batches are not supported: send one operation a request.")
	}
	var fields struct {
		Query         *string        `json:"query"`
		OperationName *string        `json:"operationName"`
		Variables     map[string]any `json:"variables"`
		Extensions    map[string]any `json:"extensions"`
	}
	err = decodeJSON(bytes.NewReader(body), &fields)
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

// negotiate chooses the media type of the answer by the client's preference (RFC 9110 §12.5.1). Media types that are not
// served do not matter: urql lists text/event-stream with every query. Between equals it is the one that the client
// names first, and for wildcards application/json, as the draft asks.
func negotiate(accept []string) (contentType string, ok bool) {
	if len(accept) == 0 {
		return applicationJSON, true
	}
	quality := map[string]float64{}
	specificity := map[string]int{}
	first := ""
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		mediaType, attributes, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, given := attributes["q"]; given {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		specific := 2 - strings.Count(mediaType, "*")
		for _, served := range []string{applicationJSON, applicationResponse} {
			matches := mediaType == served || mediaType == "application/*" || mediaType == "*/*"
			if !matches || specific < specificity[served] {
				continue
			}
			quality[served], specificity[served] = q, specific
			if first == "" && mediaType == served {
				first = served
			}
		}
	}
	json, response := quality[applicationJSON], quality[applicationResponse]
	switch {
	case json <= 0 && response <= 0:
		return "", false
	case response > json, response == json && first == applicationResponse:
		return applicationResponse, true
	default:
		return applicationJSON, true
	}
}

// writeError answers a request that was not executed.
func writeError(w http.ResponseWriter, contentType string, status int, code, message string, extensions map[string]any) {
	err := &gqlerror.Error{Message: message, Extensions: map[string]any{"code": code}}
	maps.Copy(err.Extensions, extensions)
	write(w, contentType, status, &graphql.Response{Errors: gqlerror.List{err}})
}

// write writes an answer: errors first, so that a reader of a stream sees them first; data is encoded already.
func write(w http.ResponseWriter, contentType string, status int, answer *graphql.Response) {
	b := make([]byte, 0, len(answer.Data)+256)
	b = append(b, '{')
	if len(answer.Errors) > 0 {
		b = appendMember(b, "errors", answer.Errors)
	}
	if answer.Data != nil {
		b = appendMember(b, "data", nil)
		b = append(b, answer.Data...)
	}
	if len(answer.Extensions) > 0 {
		b = appendMember(b, "extensions", answer.Extensions)
	}
	b = append(b, '}')
	w.Header().Set("Content-Type", contentType+"; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) //nolint:gosec // JSON, and never sniffed as anything else
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
