package graph

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"revox-graphql/graph/admission"
	"revox-graphql/graph/responsecache"
	"revox-graphql/internal/slowclient"
)

// GraphQL over HTTP (the working draft of the GraphQL Foundation) for queries by GET and POST. gqlgen's own transports
// echo a malformed request in the error, match Accept by substring, read bodies of any size, and encode the encoded
// response once more.

// The two media types of a response, the one first that a client gets which has no preference.
const (
	applicationJSON     = "application/json"
	applicationResponse = "application/graphql-response+json"
)

// exchange is a request, and what its response is written to and made in.
type exchange struct {
	w           http.ResponseWriter
	r           *http.Request
	contentType string // of the response
	report      *Report
	admission   admission.Request

	buffer, compressed *bytes.Buffer // of the response, from the pool; nil without one
	head, tail         []byte        // of the response, around its body
	kept               int           // bytes of the response's buffers that others use
	writers            *atomic.Int32 // of the body; nil where no others write it
}

// end gives back what the exchange has.
func (x *exchange) end() {
	x.admission.End()
	x.discard()
}

// discard gives back what the response was made in.
func (x *exchange) discard() {
	for _, buffer := range [...]*bytes.Buffer{x.buffer, x.compressed} {
		if buffer != nil {
			buffers.put(buffer)
		}
	}
	x.buffer, x.compressed, x.head, x.tail, x.writers = nil, nil, nil, nil, nil
}

// shared says that the response is one that was made for another request.
func (x *exchange) shared(response *responsecache.Response) {
	x.report.Cached, x.report.Operation = true, response.Operation
	x.writers, x.kept = &response.Writers, response.Held
}

// plain reports whether the response is its body alone, without errors or extensions.
func (x *exchange) plain() bool { return x.head == nil && x.tail == nil }

// keep leaves the buffers to all that write the response.
func (x *exchange) keep(response *responsecache.Response) {
	x.writers, x.kept = &response.Writers, response.Held
	x.buffer, x.compressed = nil, nil
}

// reject writes the errors of a rejection.
func (x *exchange) reject(r *rejection) {
	x.report.failed(r.errors)
	if r.header != "" {
		x.w.Header().Set(r.header, r.value)
	}
	status := r.status
	if status == 0 {
		status = notExecuted(x.contentType)
	}
	x.discard()
	x.send(status, append(appendMember([]byte{'{'}, "errors", r.errors), '}'), 0)
}

// notExecuted is the status of a GraphQL request that fails before it is executed.
func notExecuted(contentType string) int {
	if contentType == applicationResponse {
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// respond writes a response, or that the client has it.
func (x *exchange) respond(r *responsecache.Response) {
	header := x.w.Header()
	age := r.Reads.Age()
	if r.Tag != "" {
		header["Cache-Control"] = revalidate
		header["Etag"] = []string{r.Tag}
		if hasTag(x.r.Header.Values("If-None-Match"), r.Tag) {
			x.age(age)
			x.w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if r.Encoding != "" {
		header["Content-Encoding"] = []string{r.Encoding}
	}
	x.send(http.StatusOK, r.Body, age)
}

// send writes a response as a whole, for which the oldest page is so old. It has the errors first, so that a reader of
// a stream sees them first.
func (x *exchange) send(status int, body []byte, age time.Duration) {
	header := x.w.Header()
	header["Content-Type"] = inUTF8[x.contentType]
	header["Content-Length"] = []string{strconv.Itoa(len(x.head) + len(body) + len(x.tail))}
	x.age(age)
	x.admission.Leave()
	x.w.WriteHeader(status)
	to, client := slowclient.Wrap(x.w)
	err := x.admission.Write(to, client, admission.Response{
		Parts: [...][]byte{x.head, body, x.tail}, Held: x.held(), Writers: x.writers, Stream: x.r.ProtoMajor > 1,
	})
	if err != nil {
		x.report.unsent(client.TooSlow())
	}
}

// held is how many bytes the exchange holds for its response.
func (x *exchange) held() int {
	held := cap(x.head) + cap(x.tail) + x.kept
	if x.buffer != nil {
		held += x.buffer.Cap()
	}
	if x.compressed != nil {
		held += x.compressed.Cap()
	}
	return held
}

// age reports in whole seconds how old the oldest page is that the response was made from (RFC 9111 §5.1); 0 where it
// was made from none.
func (x *exchange) age(age time.Duration) {
	x.w.Header()["Age"] = []string{strconv.Itoa(int(age / time.Second))}
}

// surround makes a response of the data in the buffer and of what stands around it. The data stays where it is: it may
// have many megabytes, of which there is no second copy in the memory budget.
func (x *exchange) surround(made *responsecache.Response, result *graphql.Response) {
	made.Body = x.buffer.Bytes()
	if len(result.Errors) > 0 {
		x.head = append(appendMember([]byte{'{'}, "errors", result.Errors), ',')
		made.Body = made.Body[len("{"):]
	}
	if len(result.Extensions) > 0 {
		x.tail = appendMember([]byte{','}, "extensions", result.Extensions)
	}
	x.tail = append(x.tail, '}')
}

// appendMember appends a member of a JSON object.
func appendMember(b []byte, name string, value any) []byte {
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":`...)
	encoded, err := json.Marshal(value)
	if err != nil {
		encoded = []byte("null")
	}
	return append(b, encoded...)
}

// compress encodes the body of a response.
func (x *exchange) compress(made *responsecache.Response, encoding string) {
	x.compressed = buffers.get(len(made.Body) / compressedShare)
	compress(x.compressed, encoding, made.Body)
	made.Body, made.Encoding = x.compressed.Bytes(), encoding
}

// entityTag is a weak tag: the same for every encoding and media type of the body.
func entityTag(body []byte) string {
	hash := sha256.Sum256(body)
	return `W/"` + base64.RawURLEncoding.EncodeToString(hash[:16]) + `"`
}

// hasTag reports whether the client has a response with this weak tag (RFC 9110 §13.1.2).
func hasTag(ifNoneMatch []string, tag string) bool {
	for part := range strings.SplitSeq(strings.Join(ifNoneMatch, ","), ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// describe sets the headers of every response.
func (h *handler) describe(header http.Header) {
	header["Cache-Control"] = noStore
	if others := header["Vary"]; len(others) > 0 {
		header["Vary"] = append(others, varying...)
	} else {
		header["Vary"] = varying
	}
	header["X-Content-Type-Options"] = noSniff
	if h.demo {
		header.Set("X-Revox-Upstream", "demo")
	}
}

// Values of headers, which are never written to.
var (
	noStore    = []string{"private, no-store"}
	revalidate = []string{"private, no-cache"}
	varying    = []string{"Authorization, Accept, Accept-Encoding"}
	noSniff    = []string{"nosniff"}
	inUTF8     = map[string][]string{ // the Content-Type of each media type
		applicationJSON:     {applicationJSON + "; charset=utf-8"},
		applicationResponse: {applicationResponse + "; charset=utf-8"},
	}
)
