package graph

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"

	"revox-graphql/graph/document"
	"revox-graphql/internal/errcode"

	"github.com/klauspost/compress/gzip"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// readText takes from an HTTP request what says all about the GraphQL request: the query string or the body.
func readText(w http.ResponseWriter, r *http.Request, maxBytes int, capacity *Capacity) (string, *refusal) {
	switch r.Method {
	case http.MethodGet:
		if n := len(r.URL.RawQuery); exceeds(n, maxBytes) {
			return "", tooManyBytes(maxBytes, n)
		}
		return r.URL.RawQuery, nil
	case http.MethodPost:
		if bad := checkContentType(r.Header.Get("Content-Type")); bad != nil {
			return "", bad
		}
		packed, bad := isPacked(w.Header(), r.Header)
		if bad != nil {
			return "", bad
		}
		text, err := readBody(w, r, packed, maxBytes, capacity)
		if err != nil {
			return "", refuseBody(w, r, err, maxBytes, capacity)
		}
		return text, nil
	default:
		w.Header().Set("Allow", "GET, POST")
		return "", refuse(http.StatusMethodNotAllowed, errcode.BadUserInput, "Use GET or POST.")
	}
}

func tooManyBytes(limit, actual int) *refusal {
	err := document.LimitError("request bytes", errcode.QueryTooLarge, limit, actual, "The request has more than %d bytes.", limit)
	return &refusal{http.StatusRequestEntityTooLarge, gqlerror.List{err}}
}

func checkContentType(contentType string) *refusal {
	if contentType == applicationJSON {
		return nil
	}
	mediaType, attributes, err := mime.ParseMediaType(contentType)
	charset := attributes["charset"]
	if err != nil || mediaType != applicationJSON || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return refuse(http.StatusUnsupportedMediaType, errcode.BadUserInput,
			"Send the request as application/json, in UTF-8.")
	}
	return nil
}

// isPacked reports whether a body is packed by gzip. Other codings are refused with the one that would be taken
// (RFC 9110 §15.5.16): a body of a coding that nobody looks at would be read as what it is not.
func isPacked(answer, request http.Header) (bool, *refusal) {
	packed := false
	for coding := range strings.SplitSeq(strings.Join(request.Values("Content-Encoding"), ","), ",") {
		switch coding = strings.ToLower(strings.TrimSpace(coding)); {
		case coding == "", coding == "identity":
		case !packed && (coding == encodingGzip || coding == "x-gzip"):
			packed = true
		default:
			answer.Set("Accept-Encoding", encodingGzip)
			return false, refuse(http.StatusUnsupportedMediaType, errcode.BadUserInput,
				"Send the body as it is, or with `Content-Encoding: gzip`, once.")
		}
	}
	return packed, nil
}

// bodies are buffers for bodies. They are not those for answers, and none that is large is kept: whoever sends slowly
// holds one for long, and many of them would hold all that was made in a busy time.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const maxIdleBody = 16 << 10

// takeBody is an empty buffer, and what gives it back.
func takeBody() (body *bytes.Buffer, giveBack func()) {
	body = bodies.Get().(*bytes.Buffer)
	body.Reset()
	return body, func() {
		if body.Cap() <= maxIdleBody {
			bodies.Put(body)
		}
	}
}

// readBody reads at most so many bytes, and unpacks no more than that from a packed body. What is packed is unpacked
// when it is there as a whole, so that whoever sends slowly does not hold what unpacking takes.
func readBody(w http.ResponseWriter, r *http.Request, packed bool, maxBytes int, capacity *Capacity) (string, error) {
	body, giveBack := takeBody()
	defer giveBack()
	reader := io.Reader(r.Body)
	if maxBytes > 0 {
		reader = http.MaxBytesReader(w, r.Body, int64(maxBytes))
	}
	counted := &countedBody{Reader: reader, capacity: capacity}
	if capacity != nil {
		defer counted.done()
		if r.ContentLength < 0 || r.ContentLength > smallBody {
			reader = counted
		}
	}
	if _, err := body.ReadFrom(reader); err != nil {
		return "", err
	}
	if !packed {
		return body.String(), nil
	}
	plain, giveBack := takeBody()
	defer giveBack()
	if err := unpack(plain, body, maxBytes, counted); err != nil {
		return "", err
	}
	return plain.String(), nil
}

var (
	errNotGzip      = errors.New("the body is not gzip")
	errManyUnpacked = errors.New("the body has too many bytes once it is unpacked")
)

// unpackers are used again: each holds the 32 KiB that gzip looks back.
var unpackers = sync.Pool{New: func() any { return new(gzip.Reader) }}

func unpack(to, from *bytes.Buffer, maxBytes int, counted *countedBody) error {
	unpacker := unpackers.Get().(*gzip.Reader)
	defer unpackers.Put(unpacker)
	if unpacker.Reset(from) != nil {
		return errNotGzip
	}
	reader := io.Reader(unpacker)
	if counted.capacity != nil {
		counted.Reader, reader = reader, counted
	}
	if maxBytes > 0 {
		reader = io.LimitReader(reader, int64(maxBytes)+1)
	}
	switch n, err := to.ReadFrom(reader); {
	case errors.Is(err, errNoRoom):
		return err
	case err != nil:
		return errNotGzip
	case exceeds(int(n), maxBytes):
		return errManyUnpacked
	}
	return nil
}

// refuseBody says why a body could not be read.
func refuseBody(w http.ResponseWriter, r *http.Request, err error, maxBytes int, capacity *Capacity) *refusal {
	switch {
	case errors.Is(err, errNoRoom):
		return capacity.refuseUnread(w)
	case errors.As(err, new(*http.MaxBytesError)):
		return tooManyBytes(maxBytes, max(int(r.ContentLength), maxBytes+1))
	case errors.Is(err, errManyUnpacked):
		return tooManyBytes(maxBytes, maxBytes+1)
	case errors.Is(err, errNotGzip):
		return malformed("The request's body is not gzip, as its `Content-Encoding` says it is.")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(http.StatusRequestTimeout, errcode.BadUserInput, "The request's body did not arrive in time.")
	case r.Context().Err() != nil, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return errClientClosed
	default:
		return malformed("The request's body could not be read.")
	}
}

// exceeds reports whether n is beyond a limit; 0 is no limit.
func exceeds(n, limit int) bool { return limit > 0 && n > limit }
