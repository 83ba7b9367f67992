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
	"time"

	"github.com/klauspost/compress/gzip"

	"revox-graphql/graph/admission"
	"revox-graphql/internal/errcode"
)

// readText reads the part of an HTTP request that holds the GraphQL request: the query string or the body.
func readText(
	w http.ResponseWriter, r *http.Request, maxBytes int, control *admission.Controller,
) (string, *rejection) {
	switch r.Method {
	case http.MethodGet:
		if n := len(r.URL.RawQuery); exceeds(n, maxBytes) {
			return "", tooManyBytes(maxBytes, n)
		}
		return r.URL.RawQuery, nil
	case http.MethodPost:
		if rejected := checkContentType(r.Header.Get("Content-Type")); rejected != nil {
			return "", rejected
		}
		compressed, rejected := isCompressed(r.Header)
		if rejected != nil {
			return "", rejected
		}
		text, err := readBody(w, r, compressed, maxBytes, control)
		if err != nil {
			return "", rejectBody(w, r, err, maxBytes)
		}
		return text, nil
	default:
		return "", reject(http.StatusMethodNotAllowed, errcode.BadUserInput, "Use GET or POST.").
			with("Allow", "GET, POST")
	}
}

func checkContentType(contentType string) *rejection {
	if contentType == applicationJSON {
		return nil
	}
	mediaType, attributes, err := mime.ParseMediaType(contentType)
	charset := attributes["charset"]
	if err != nil || mediaType != applicationJSON || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return reject(http.StatusUnsupportedMediaType, errcode.BadUserInput,
			"Send the request as application/json, in UTF-8.")
	}
	return nil
}

// isCompressed reports whether a body is compressed by gzip. Other codings are rejected with the one that is accepted
// (RFC 9110 §15.5.16): a body of a coding that is ignored would be read as what it is not.
func isCompressed(request http.Header) (bool, *rejection) {
	compressed := false
	for coding := range strings.SplitSeq(strings.Join(request.Values("Content-Encoding"), ","), ",") {
		switch coding = strings.ToLower(strings.TrimSpace(coding)); {
		case coding == "", coding == "identity":
		case !compressed && (coding == encodingGzip || coding == "x-gzip"):
			compressed = true
		default:
			return false, reject(http.StatusUnsupportedMediaType, errcode.BadUserInput,
				"Send the body as it is, or with `Content-Encoding: gzip`, once.").with("Accept-Encoding", encodingGzip)
		}
	}
	return compressed, nil
}

// bodies are buffers for bodies. They are not those for responses, and no large one is kept: a client that sends slowly
// holds one for long, and many of them would hold all that was made in a busy time.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxIdleBody is the size of the largest buffer that is kept, in bytes.
const maxIdleBody = 16 << 10

// takeBody returns an empty buffer, for [giveBody].
func takeBody() *bytes.Buffer {
	body := bodies.Get().(*bytes.Buffer)
	body.Reset()
	return body
}

// giveBody gives a buffer back.
func giveBody(body *bytes.Buffer) {
	if body.Cap() <= maxIdleBody {
		bodies.Put(body)
	}
}

// readBody reads at most so many bytes, and decompresses no more than that. What is compressed is decompressed when it
// is there as a whole, so that a client that sends slowly does not hold what that takes.
func readBody(
	w http.ResponseWriter, r *http.Request, compressed bool, maxBytes int, control *admission.Controller,
) (string, error) {
	body := takeBody()
	defer giveBody(body)
	reader := io.Reader(r.Body)
	if maxBytes > 0 {
		reader = http.MaxBytesReader(w, r.Body, int64(maxBytes))
	}
	large := r.ContentLength < 0 || r.ContentLength > admission.SmallBody
	var counted *admission.Body
	if large || compressed {
		counted = control.Body()
		defer counted.Release()
	}
	if large {
		reader = counted.Count(reader)
	}
	if _, err := body.ReadFrom(reader); err != nil {
		return "", err
	}
	if !compressed {
		return body.String(), nil
	}
	plain := takeBody()
	defer giveBody(plain)
	if err := decompress(plain, body, maxBytes, counted); err != nil {
		return "", err
	}
	return plain.String(), nil
}

var (
	errNotGzip          = errors.New("the body is not gzip")
	errManyDecompressed = errors.New("the body has too many bytes once it is decompressed")
)

// decompressors are used again: each holds the 32 KiB that gzip looks back.
var decompressors = sync.Pool{New: func() any { return new(gzip.Reader) }}

func decompress(to, from *bytes.Buffer, maxBytes int, counted *admission.Body) error {
	decompressor := decompressors.Get().(*gzip.Reader)
	defer decompressors.Put(decompressor)
	if decompressor.Reset(from) != nil {
		return errNotGzip
	}
	reader := counted.Count(decompressor)
	if maxBytes > 0 {
		reader = io.LimitReader(reader, int64(maxBytes)+1)
	}
	switch n, err := to.ReadFrom(reader); {
	case errors.Is(err, admission.ErrOverloaded):
		return err
	case err != nil:
		return errNotGzip
	case exceeds(int(n), maxBytes):
		return errManyDecompressed
	}
	return nil
}

// bodyPatience is how long the gateway waits for the rest of a rejected body, before it responds and closes the
// connection.
const bodyPatience = time.Second

// rejectBody says why a body could not be read.
func rejectBody(w http.ResponseWriter, r *http.Request, err error, maxBytes int) *rejection {
	switch {
	case errors.Is(err, admission.ErrOverloaded):
		// The body was not read to its end. net/http reads what is left of it before it sends the response, so that the
		// connection can be used again. That is there already, as a rule. EnableFullDuplex would skip it, and makes
		// net/http panic at the next request.
		//
		// Once a body has been read there must be no deadline: by then net/http reads on to notice a client that
		// leaves, and takes a deadline for that, for this request and all that follow on the connection.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyPatience))
		return overloaded()
	case errors.As(err, new(*http.MaxBytesError)):
		return tooManyBytes(maxBytes, max(int(r.ContentLength), maxBytes+1))
	case errors.Is(err, errManyDecompressed):
		return tooManyBytes(maxBytes, maxBytes+1)
	case errors.Is(err, errNotGzip):
		return malformed("The request's body is not gzip, as its `Content-Encoding` says it is.")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return reject(http.StatusRequestTimeout, errcode.BadUserInput, "The request's body did not arrive in time.")
	case r.Context().Err() != nil, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return rejectedClientClosed
	default:
		return malformed("The request's body could not be read.")
	}
}

// exceeds reports whether n is beyond a limit; 0 is no limit.
func exceeds(n, limit int) bool { return limit > 0 && n > limit }
