package export

import (
	"errors"
	"fmt"
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
	return slices.Contains(
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
	reordered bool // calls were seen to have changed places
}

// errNoCalls is the error of a response that has neither calls nor an error.
var errNoCalls = errors.New("the response has no calls")

// read reads a response. The error is a [responseError] where the response has no calls because of one.
func (d *document) read(response []byte) (*page, error) {
	var r struct {
		Data       map[string]map[string]jsontext.Value `json:"data"`
		Errors     []*responseError                     `json:"errors"`
		Extensions struct {
			Reordered bool `json:"reordered"`
		} `json:"extensions"`
	}
	if err := json.Unmarshal(response, &r, asItCame()); err != nil {
		return nil, fmt.Errorf("the response cannot be read: %w", err)
	}
	connection := r.Data[d.connection]
	if connection == nil {
		if len(r.Errors) > 0 {
			return nil, r.Errors[0]
		}
		return nil, errNoCalls
	}
	var end struct {
		HasNextPage bool   `json:"hasNextPage"`
		EndCursor   string `json:"endCursor"`
	}
	p := &page{total: -1, reordered: r.Extensions.Reordered}
	err := errors.Join(json.Unmarshal(connection[pageAlias], &end), d.readRows(p, connection[d.rows]))
	if err != nil {
		return nil, fmt.Errorf("the response cannot be read: %w", err)
	}
	p.more, p.endCursor = end.HasNextPage, end.EndCursor
	if total := connection[totalAlias]; total.Kind() == '0' {
		err = json.Unmarshal(total, &p.total)
	}
	p.problems = slices.DeleteFunc(
		r.Errors,
		func(problem *responseError) bool { return slices.Contains(problem.Path, any(totalAlias)) },
	)
	return p, err
}

func (d *document) readRows(p *page, rows jsontext.Value) error {
	if d.node == "" {
		return json.Unmarshal(rows, &p.calls, asItCame())
	}
	var edges []map[string]jsontext.Value
	if err := json.Unmarshal(rows, &edges, asItCame()); err != nil {
		return err
	}
	for _, edge := range edges {
		p.calls = append(p.calls, edge[d.node])
	}
	return nil
}

// asItCame accepts JSON of upstream that has a name twice, or half of a surrogate pair, for example where a text was
// cut off within an emoji. Such a half stays as it is in JSON, and becomes U+FFFD in a text.
func asItCame() json.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}
