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

// answerError is an error in an answer.
type answerError struct {
	Message    string `json:"message"`
	Path       []any  `json:"path"`
	Extensions struct {
		Code       string  `json:"code"`
		RetryAfter float64 `json:"retryAfter"` // seconds
	} `json:"extensions"`
}

func (e *answerError) Error() string { return e.Extensions.Code + ": " + e.Message }

// passes reports whether it pays to ask again a little later.
func (e *answerError) passes() bool {
	return slices.Contains(
		[]string{errcode.UpstreamRateLimited, errcode.UpstreamTimeout, errcode.UpstreamUnavailable, errcode.Overloaded},
		e.Extensions.Code,
	)
}

func (e *answerError) retryAfter() time.Duration {
	return time.Duration(e.Extensions.RetryAfter * float64(time.Second))
}

// isCode reports whether an error is a problem with one of these codes.
func isCode(err error, codes ...string) bool {
	told, ok := errors.AsType[*answerError](err)
	return ok && slices.Contains(codes, told.Extensions.Code)
}

// page is a page of calls.
type page struct {
	calls     []jsontext.Value
	more      bool
	endCursor string
	total     int // -1: not known
	problems  []*answerError
	reordered bool // calls were seen to have changed places
}

// errNoCalls: an answer that has neither calls nor an error.
var errNoCalls = errors.New("an answer without calls")

// read reads an answer. The error is a [answerError] where it has no calls because of one.
func (d *document) read(answer []byte) (*page, error) {
	var a struct {
		Data       map[string]map[string]jsontext.Value `json:"data"`
		Errors     []*answerError                       `json:"errors"`
		Extensions struct {
			Reordered bool `json:"reordered"`
		} `json:"extensions"`
	}
	if err := json.Unmarshal(answer, &a, asItCame()); err != nil {
		return nil, fmt.Errorf("an answer that cannot be read: %w", err)
	}
	connection := a.Data[d.connection]
	if connection == nil {
		if len(a.Errors) > 0 {
			return nil, a.Errors[0]
		}
		return nil, errNoCalls
	}
	var end struct {
		HasNextPage bool   `json:"hasNextPage"`
		EndCursor   string `json:"endCursor"`
	}
	p := &page{total: -1, reordered: a.Extensions.Reordered}
	err := errors.Join(json.Unmarshal(connection[pageAlias], &end), d.readRows(p, connection[d.rows]))
	if err != nil {
		return nil, fmt.Errorf("an answer that cannot be read: %w", err)
	}
	p.more, p.endCursor = end.HasNextPage, end.EndCursor
	if total := connection[totalAlias]; total.Kind() == '0' {
		err = json.Unmarshal(total, &p.total)
	}
	p.problems = slices.DeleteFunc(
		a.Errors,
		func(problem *answerError) bool { return slices.Contains(problem.Path, any(totalAlias)) },
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

// asItCame lets JSON of upstream through that has a name twice, or half of a surrogate pair, as where a text was cut
// off within an emoji. Such a half stays as it is in JSON, and becomes U+FFFD in a text.
func asItCame() json.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}
