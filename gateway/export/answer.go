package export

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"revox-graphql/internal/errcode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// responseError is a GraphQL error in a response.
type responseError struct {
	Message    string `json:"message"`
	Path       []any  `json:"path"`
	Extensions struct {
		Code       string  `json:"code"`
		RetryAfter float64 `json:"retryAfter"` // seconds
	} `json:"extensions"`
}

func (e *responseError) Error() string { return e.Extensions.Code + ": " + e.Message }

// temporary reports whether a later request may succeed.
func (e *responseError) temporary() bool {
	return e.Extensions.RetryAfter > 0 || slices.Contains(
		[]string{errcode.UpstreamRateLimited, errcode.UpstreamTimeout, errcode.UpstreamUnavailable, errcode.Overloaded},
		e.Extensions.Code,
	)
}

func (e *responseError) retryAfter() time.Duration {
	return time.Duration(e.Extensions.RetryAfter * float64(time.Second))
}

// isCode reports whether an error is a GraphQL error with one of these codes.
func isCode(err error, codes ...string) bool {
	response, ok := errors.AsType[*responseError](err)
	return ok && slices.Contains(codes, response.Extensions.Code)
}

// page is a page of calls.
type page struct {
	calls     []jsontext.Value
	more      bool
	endCursor string
	total     int // -1 if unknown
	problems  []*responseError
	reordered bool // the gateway reported that calls have changed places
}

// errNoCalls is the error of a response that has neither calls nor an error.
var errNoCalls = errors.New("the response has no calls")

// read reads a response in one pass. The calls of the page are parts of the response, so the caller must not change
// it. If the response has GraphQL errors in place of calls, read returns the first of them, a [responseError].
func (d *document) read(response []byte) (*page, error) {
	r := responseReader{Decoder: jsontext.NewDecoder(bytes.NewBuffer(response), asItCame()), text: response}
	p := &page{total: -1}
	var found bool
	err := r.members(func(name string) error {
		switch name {
		case "data":
			return r.members(func(name string) (err error) {
				if name != d.connection || r.PeekKind() != '{' {
					return r.SkipValue()
				}
				found = true
				return d.readConnection(&r, p)
			})
		case "errors":
			return json.UnmarshalDecode(r.Decoder, &p.problems)
		case "extensions":
			var extensions struct {
				Reordered bool `json:"reordered"`
			}
			err := json.UnmarshalDecode(r.Decoder, &extensions)
			p.reordered = extensions.Reordered
			return err
		default:
			return r.SkipValue()
		}
	})
	if err == nil {
		if _, err = r.ReadToken(); errors.Is(err, io.EOF) {
			err = nil
		} else if err == nil {
			err = errors.New("more follows its object")
		}
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("the response cannot be read: %w", err)
	case !found && len(p.problems) > 0:
		return nil, p.problems[0]
	case !found:
		return nil, errNoCalls
	}
	p.problems = slices.DeleteFunc(
		p.problems,
		func(problem *responseError) bool { return slices.Contains(problem.Path, any(totalAlias)) },
	)
	return p, nil
}

// readConnection reads the connection of a response, which must have rows and page info.
func (d *document) readConnection(r *responseReader, p *page) error {
	var rows, end bool
	err := r.members(func(name string) error {
		switch name {
		case d.rows:
			rows = true
			return d.readRows(r, p)
		case pageAlias:
			end = true
			var info struct {
				HasNextPage bool   `json:"hasNextPage"`
				EndCursor   string `json:"endCursor"`
			}
			err := json.UnmarshalDecode(r.Decoder, &info)
			p.more, p.endCursor = info.HasNextPage, info.EndCursor
			return err
		case totalAlias:
			if r.PeekKind() == '0' {
				return json.UnmarshalDecode(r.Decoder, &p.total)
			}
		}
		return r.SkipValue()
	})
	if err == nil && (!rows || !end) {
		err = fmt.Errorf("%s lacks %s or %s", d.connection, d.rows, pageAlias)
	}
	return err
}

func (d *document) readRows(r *responseReader, p *page) error {
	if open, err := r.ReadToken(); err != nil || open.Kind() != '[' {
		return errors.Join(err, fmt.Errorf("%s is no list", d.rows))
	}
	for r.PeekKind() != ']' {
		var call jsontext.Value
		var err error
		if d.node == "" {
			call, err = r.value()
		} else {
			err = r.members(func(name string) (err error) {
				if name != d.node {
					return r.SkipValue()
				}
				call, err = r.value()
				return err
			})
		}
		if err != nil {
			return err
		}
		p.calls = append(p.calls, call)
	}
	_, err := r.ReadToken()
	return err
}

// responseReader reads a response.
type responseReader struct {
	*jsontext.Decoder
	text []byte // of the response
}

// members calls read for each member of the object that comes next, to read its value. Null has no members.
func (r *responseReader) members(read func(name string) error) error {
	open, err := r.ReadToken()
	if err != nil || open.Kind() == 'n' {
		return err
	}
	if open.Kind() != '{' {
		return fmt.Errorf("%v where an object is expected", open.Kind())
	}
	for r.PeekKind() != '}' {
		name, err := r.ReadToken()
		if err != nil {
			return err
		}
		if err := read(name.String()); err != nil {
			return err
		}
	}
	_, err = r.ReadToken()
	return err
}

// value is the next value, as a part of the response.
func (r *responseReader) value() (jsontext.Value, error) {
	value, err := r.ReadValue()
	if err != nil {
		return nil, err
	}
	end := r.InputOffset()
	return r.text[end-int64(len(value)) : end : end], nil
}

// asItCame accepts JSON of upstream in which a name comes twice, or a surrogate pair is incomplete, for example
// because a text was cut off within an emoji. Half of a pair stays as it is in JSON, and becomes U+FFFD in a text.
func asItCame() json.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}
