package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"revox-graphql/graph/relay"
)

// reply is what came of a question.
type Reply struct {
	Due     time.Time     // when it was to be asked
	Latency time.Duration // from then on
	ReadAt  time.Time     // when upstream was asked for the page, to the millisecond
	Stale   *float64      // how old the answer says it is, in seconds; nil where it does not
	Code    string        // of the error that was answered; empty where the calls were
	Err     error         // there was no answer, or a wrong one
}

// at is when the reply came.
func (r *Reply) At() time.Time { return r.Due.Add(r.Latency) }

// read reads an answer, which must have these calls or an error with a code.
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
		return fmt.Errorf("an answer is no JSON: %w: %.500s", err, body)
	}
	if len(a.Errors) > 0 {
		if r.Code = a.Errors[0].Extensions.Code; r.Code == "" {
			return fmt.Errorf("an error has no code: %.500s", body)
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
		return fmt.Errorf("the calls are others than at first: %.500s", body)
	}
	return nil
}

// checkReplies says how many questions had no answer or a wrong one, and why the first had.
func CheckReplies(replies []Reply) error {
	bad := slices.DeleteFunc(slices.Clone(replies), func(r Reply) bool { return r.Err == nil })
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d questions had no right answer, the first of them: %w", len(bad), len(replies), bad[0].Err)
}
