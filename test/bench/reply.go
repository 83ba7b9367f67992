package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"revox-graphql/graph/relay"
	"slices"
	"time"
)

// reply is what came of a question.
type reply struct {
	due   time.Time     // when it was to be asked
	took  time.Duration // from then on
	asked time.Time     // when upstream was asked for the page, to the millisecond
	stale *float64      // how old the answer says it is, in seconds; nil where it does not
	code  string        // of the error that was answered; empty where the calls were
	err   error         // there was no answer, or a wrong one
}

// at is when the reply came.
func (r *reply) at() time.Time { return r.due.Add(r.took) }

// read reads an answer, which must have these calls or an error with a code.
func (r *reply) read(body []byte, calls json.RawMessage) error {
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
		if r.code = a.Errors[0].Extensions.Code; r.code == "" {
			return fmt.Errorf("an error has no code: %.500s", body)
		}
		return nil
	}
	c, err := readAnswer(body)
	if err != nil {
		return err
	}
	cursor, err := relay.ParseCursor(c.PageInfo.EndCursor)
	if err != nil {
		return fmt.Errorf("%q: %w", c.PageInfo.EndCursor, err)
	}
	r.asked, r.stale = cursor.Since, a.Extensions.Stale
	if got, err := nodes(body); err != nil || !bytes.Equal(got, calls) {
		return fmt.Errorf("the calls are others than at first: %.500s", body)
	}
	return nil
}

// checkReplies says how many questions had no answer or a wrong one, and why the first had.
func checkReplies(replies []reply) error {
	bad := slices.DeleteFunc(slices.Clone(replies), func(r reply) bool { return r.err == nil })
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d questions had no right answer, the first of them: %w", len(bad), len(replies), bad[0].err)
}
