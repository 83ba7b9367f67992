package graph

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/graph/document"
	"revox-graphql/graph/responsecache"
	"revox-graphql/internal/errcode"
	"revox-graphql/internal/slowclient"
)

// GraphQL over HTTP (the working draft of the GraphQL Foundation) for queries by GET and POST. gqlgen's own transports
// echo a bad request in the error, match Accept by substring, read bodies of any size, and encode the encoded answer
// once more.

// refusal is why a request is not executed. A status of 0 is 200 or 400, as the media type wants it.
type refusal struct {
	status int
	errors gqlerror.List
}

// refuse is a refusal for one reason.
func refuse(status int, code, message string) *refusal {
	return &refusal{status, gqlerror.List{{Message: message, Extensions: map[string]any{"code": code}}}}
}

// refuseDocument is the refusal of a request for its document, or for the way in which it names that.
//
// A hash is answered as Apollo's protocol wants it: with 200 for every media type, or clients would take it for a failure
// of the network and not send the document. For the ids of other tools GraphQL over HTTP holds: without data,
// application/graphql-response+json is never 200.
func refuseDocument(err error) *refusal {
	if errs, ok := errors.AsType[gqlerror.List](err); ok {
		return &refusal{errors: errs}
	}
	for _, known := range documentRefusals {
		if errors.Is(err, known.err) {
			return refuse(known.status, known.code, known.message)
		}
	}
	return refuse(0, errcode.BadUserInput, "The request names no document that can be run.")
}

var documentRefusals = []struct {
	err           error
	status        int
	code, message string
}{
	{document.ErrNoQuery, http.StatusBadRequest, errcode.BadUserInput,
		"The parameter `query` is missing: it holds the GraphQL document."},
	{document.ErrNoHash, http.StatusBadRequest, errcode.BadUserInput,
		"`extensions.persistedQuery` has no `sha256Hash`."},
	{document.ErrVersion, http.StatusBadRequest, errcode.BadUserInput,
		"`extensions.persistedQuery.version` must be 1."},
	{document.ErrWrongHash, http.StatusBadRequest, errcode.BadUserInput,
		"The `sha256Hash` is not that of `query`. Hash the document's bytes as they are sent."},
	{document.ErrHashUnknown, http.StatusOK, errcode.PersistedQueryNotFound, "PersistedQueryNotFound"},
	{document.ErrHashNotSupported, http.StatusOK, errcode.PersistedQueryNotSupported, "PersistedQueryNotSupported"},
	{document.ErrIDNotSupported, 0, errcode.PersistedQueryNotSupported,
		"This gateway has no trusted documents: send the document as `query`."},
	{document.ErrIDUnknown, 0, errcode.PersistedQueryNotFound, "No trusted document has this id."},
	{document.ErrNotTrusted, 0, errcode.PersistedQueryRequired,
		"This gateway runs trusted documents only: send the id of one, not its text."},
}

// send answers with the errors.
func (f *refusal) send(x *exchange) {
	status := f.status
	if status == 0 {
		status = notExecuted(x.contentType)
	}
	x.send(status, encodeResponse(&graphql.Response{Errors: f.errors}))
}

// statusClientClosed is what nginx and Caddy log where the client has gone before its answer was there. A client that
// has closed its half of the connection only is told it too.
const statusClientClosed = 499

var errClientClosed = refuse(statusClientClosed, errcode.ClientClosedRequest,
	"The client closed the request before its answer was there.")

var errNoWebSocket = malformed(
	"WebSockets are not offered, because there are no subscriptions: send queries by POST or GET.")

// isWebSocket reports whether a client opens a WebSocket (RFC 6455 §4.1). Other upgrades, like that to HTTP/2, are
// offers that need not be taken (RFC 9110 §7.8).
func isWebSocket(header http.Header) bool {
	for _, value := range header["Upgrade"] {
		for protocol := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(protocol), "websocket") {
				return true
			}
		}
	}
	return false
}

// notExecuted is the status of a GraphQL request that fails before it is executed.
func notExecuted(contentType string) int {
	if contentType == applicationResponse {
		return http.StatusBadRequest
	}
	return http.StatusOK
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
	x.sayAge()
	x.leave()
	x.w.WriteHeader(status)
	to, client := slowclient.Wrap(x.w)
	if err := x.write(to, client, body); err != nil {
		x.report.unsent(client.TooSlow())
	}
}

func (x *exchange) write(to http.ResponseWriter, client *slowclient.Writer, body []byte) error {
	if x.capacity == nil {
		_, err := to.Write(body) //nolint:gosec // JSON that says so, with nosniff: no page
		return err
	}
	defer x.letGo()
	return x.capacity.answers.write(to, client, body, x.hold(len(body)))
}

// sayAge tells in whole seconds how old the oldest page is that the answer was made from (RFC 9111 §5.1); 0 where it
// was made from none.
func (x *exchange) sayAge() {
	x.w.Header()["Age"] = []string{strconv.Itoa(int(x.age / time.Second))}
}

// sendCached writes a response, or that the client has it.
func (x *exchange) sendCached(r *responsecache.Response) {
	header := x.w.Header()
	x.age = r.Reads.Age()
	if r.Tag != "" {
		header["Cache-Control"] = revalidate
		header["Etag"] = []string{r.Tag}
		if hasTag(x.r.Header.Values("If-None-Match"), r.Tag) {
			x.sayAge()
			x.w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if r.Encoding != "" {
		header["Content-Encoding"] = []string{r.Encoding}
	}
	x.send(http.StatusOK, r.Body)
}

// entityTag is a weak tag: the same for every encoding and media type of the body.
func entityTag(body []byte) string {
	hash := sha256.Sum256(body)
	return `W/"` + base64.RawURLEncoding.EncodeToString(hash[:16]) + `"`
}

// hasTag reports whether the client has a response with this weak tag (RFC 9110 §13.1.2).
func hasTag(ifNoneMatch []string, tag string) bool {
	for part := range strings.SplitSeq(strings.Join(ifNoneMatch, ","), ",") {
		if part = strings.TrimSpace(part); part == "*" || strings.TrimPrefix(part, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// encodeResponse encodes a response: errors first, so that a reader of a stream sees them first; data is encoded
// already.
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
