package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"revox-graphql/graph/relay"
)

// Reply is the result of a request.
type Reply struct {
	Due     time.Time     // when the request was due
	Latency time.Duration // since Due
	ReadAt  time.Time     // when the gateway read the page from the upstream, to the millisecond
	Stale   *float64      // extensions.stale: the age in seconds, or nil
	Code    string        // of the first error; empty if there is none
	Err     error         // there was no response, or an incorrect one
}

// At returns when the reply came.
func (r *Reply) At() time.Time { return r.Due.Add(r.Latency) }

// read parses a response, which must contain these calls or an error with a code.
func (r *Reply) read(body []byte, calls json.RawMessage) error {
	var a struct {
		Errors []struct {
			Extensions struct {
				Code string `json:"code"`
			} `json:"extensions"`
		} `json:"errors"`
		Extensions struct {
			Stale *float64 `json:"stale"`
		} `json:"extensions"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return fmt.Errorf("the response is not JSON: %w: %.500s", err, body)
	}
	if len(a.Errors) > 0 {
		if r.Code = a.Errors[0].Extensions.Code; r.Code == "" {
			return fmt.Errorf("error without a code: %.500s", body)
		}
		return nil
	}
	c, err := ReadCalls(body)
	if err != nil {
		return err
	}
	cursor, err := relay.ParseCursor(c.PageInfo.EndCursor)
	if err != nil {
		return fmt.Errorf("%q: %w", c.PageInfo.EndCursor, err)
	}
	r.ReadAt, r.Stale = cursor.Since, a.Extensions.Stale
	if got, err := Nodes(body); err != nil || !bytes.Equal(got, calls) {
		return fmt.Errorf("the calls differ from the first response: %.500s", body)
	}
	return nil
}

// CheckReplies returns an error with the number of requests without a correct response, and the reason of the first.
func CheckReplies(replies []Reply) error {
	bad := slices.DeleteFunc(slices.Clone(replies), func(r Reply) bool { return r.Err == nil })
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d requests had no correct response, the first of them: %w",
		len(bad), len(replies), bad[0].Err)
}
