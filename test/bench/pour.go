package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"revox-graphql/graph/relay"
)

// listPage is a question for some calls of the list, and these calls.
type listPage struct {
	question []byte
	calls    json.RawMessage
}

// walk walks down the list until it has so many pages that are to be kept.
func (s *scene) walk(ctx context.Context, calls, pages int, keep func() bool) ([]listPage, error) {
	const selection = "nodes { id status phoneNumber startedAt } pageInfo { hasNextPage endCursor }"
	w := workload{calls: calls}
	kept := make([]listPage, 0, pages)
	for after := ""; len(kept) < pages; {
		question := w.question(selection, after)
		body, err := post(ctx, s.client, s.gateway.url+"graphql", question)
		if err != nil {
			return nil, errors.Join(err, s.gateway.err())
		}
		a, err := readAnswer(body)
		if err != nil {
			return nil, err
		}
		if !a.PageInfo.HasNextPage {
			return nil, fmt.Errorf("the list ends after %d pages, and %d are needed", len(kept), pages)
		}
		after = a.PageInfo.EndCursor
		if keep() {
			list, err := nodes(body)
			if err != nil {
				return nil, err
			}
			kept = append(kept, listPage{question, list})
		}
	}
	return kept, nil
}

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

// ask asks for a page.
func (s *scene) ask(ctx context.Context, p listPage, due time.Time) reply {
	body, err := post(ctx, s.client, s.gateway.url+"graphql", p.question)
	r := reply{due: due, took: time.Since(due)}
	if err == nil {
		err = r.read(body, p.calls)
	}
	r.err = err
	return r
}

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

var errCrowded = fmt.Errorf("not asked, because %d others were under way", maxUnderWay)

// pour asks for the pages in turn, so many a second, whether or not those before have been answered. A question counts
// from when it was due, so that what a slow answer holds up is seen.
func (s *scene) pour(ctx context.Context, pages []listPage, perSecond int, long time.Duration) []reply {
	interval := time.Second / time.Duration(perSecond)
	replies := make([]reply, long/interval)
	underWay := make(chan struct{}, maxUnderWay)
	var all sync.WaitGroup
	defer all.Wait()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	start := time.Now()
	for i := range replies {
		due := start.Add(time.Duration(i) * interval)
		for time.Now().Before(due) { // who has missed ticks asks at once
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return replies[:i]
			}
		}
		select {
		case underWay <- struct{}{}:
		default:
			replies[i] = reply{due: due, err: errCrowded}
			continue
		}
		all.Go(func() {
			defer func() { <-underWay }()
			replies[i] = s.ask(ctx, pages[i%len(pages)], due)
		})
	}
	return replies
}

// checkReplies says how many questions had no answer or a wrong one, and why the first had.
func checkReplies(replies []reply) error {
	bad := slices.DeleteFunc(slices.Clone(replies), func(r reply) bool { return r.err == nil })
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d questions had no right answer, the first of them: %w", len(bad), len(replies), bad[0].err)
}

// tally sums up replies.
type tally struct {
	took   []time.Duration // sorted
	fresh  int
	oldest time.Duration // of the pages of fresh answers, as they came
	ages   []float64     // in seconds, that stale answers tell
	codes  map[string]int
}

func newTally(replies []reply) *tally {
	t := &tally{codes: map[string]int{}}
	for _, r := range replies {
		t.took = append(t.took, r.took)
		switch {
		case r.err != nil:
			t.codes["none or wrong"]++
		case r.code != "":
			t.codes[r.code]++
		case r.stale != nil:
			t.ages = append(t.ages, *r.stale)
		default:
			t.fresh++
			t.oldest = max(t.oldest, r.at().Sub(r.asked))
		}
	}
	slices.Sort(t.took)
	return t
}

// errors is how many of which there were.
func (t *tally) errors() string {
	texts := make([]string, 0, len(t.codes))
	for _, code := range slices.Sorted(maps.Keys(t.codes)) {
		texts = append(texts, fmt.Sprintf("%s %d", code, t.codes[code]))
	}
	if len(texts) == 0 {
		return "0"
	}
	return strings.Join(texts, ", ")
}

// latency is how long the replies took, in milliseconds.
func (t *tally) latency(percent int) string {
	if len(t.took) == 0 {
		return "–"
	}
	return milliseconds(percentile(t.took, percent))
}
