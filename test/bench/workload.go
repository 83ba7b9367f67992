package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"revox-graphql/graph/relay"
	"strings"
)

// windows is how many different windows of the list a workload asks for in turn.
const windows = 64

// workload is a query that goes round the windows of the list, each following the one before it.
type workload struct {
	name   string
	about  string
	calls  int    // in a window
	fields string // of a call
}

func workloads() []workload {
	return []workload{
		{
			"S1", "20 calls, ten scalars of each", 20,
			"id status phoneNumber startedAt answeredAt endedAt durationSeconds result endReason endedBy",
		},
		{"S2", "20 calls with all that was said", 20, everySaid},
		{"S3", "20 calls with the roles of what was said", 20, "id transcript { role }"},
		{"S5", "100 calls with all that was said", 100, everySaid},
	}
}

// questions are a workload's requests, and the answers that are right.
type questions struct {
	workload
	requests [windows][]byte
	ends     [windows]string // the cursors of the windows' last rows
	answers  [windows][]byte // of the gateway that executes
	// remembered are the same questions for the gateway that remembers, with its own cursors: to those of another process
	// it would give no answer that it has in memory.
	remembered *questions
}

// of are the questions as a server is asked them.
func (q *questions) of(c *child) *questions {
	if c.name == rememberedServer {
		return q.remembered
	}
	return q
}

// key names a question in a URL and in the name of a file.
func (q *questions) key(i int) string { return fmt.Sprintf("%s-%d", q.name, i) }

// url is where to ask a server a question. The query string means something to the server of finished bodies only.
func (q *questions) url(c *child, i int) string { return c.url + "graphql?" + q.key(i) }

// meanAnswer is the mean size of an answer.
func (q *questions) meanAnswer() int {
	sum := 0
	for _, body := range q.answers {
		sum += len(body)
	}
	return sum / windows
}

// walk makes a workload's questions, with the cursors that a gateway gives for them.
func walk(ctx context.Context, client *http.Client, gateway *child, w workload) (*questions, error) {
	q := &questions{workload: w}
	const pageInfo = "pageInfo { hasNextPage endCursor }"
	after := ""
	for i := range windows {
		q.requests[i] = callsQuestion(w.calls, "nodes { "+w.fields+" } "+pageInfo, after)
		body, err := post(ctx, client, gateway.url+"graphql", callsQuestion(w.calls, pageInfo, after))
		if err != nil {
			return nil, err
		}
		a, err := readAnswer(body)
		if err != nil {
			return nil, err
		}
		after = a.PageInfo.EndCursor
		cursor, err := relay.ParseCursor(after)
		if err != nil {
			return nil, fmt.Errorf("window %d ends with %q: %w", i, after, err)
		}
		if last := (i+1)*w.calls - 1; cursor.Position != last {
			return nil, fmt.Errorf("window %d ends with row %d, not %d", i, cursor.Position, last)
		}
		q.ends[i] = after
	}
	return q, nil
}

// writeCursors writes what [readSource] reads: how many rows lie before what follows each cursor.
func writeCursors(file string, questions []*questions) error {
	places := map[string]int{}
	for _, q := range questions {
		for i, cursor := range q.ends {
			places[cursor] = (i + 1) * q.calls
		}
	}
	text, err := json.Marshal(places)
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("no file of the cursors: %w", err)
	}
	return nil
}

// writeRequests writes the file of a workload that wrk.lua reads: a request a line, its path, a tab and its body.
func writeRequests(file string, q *questions) error {
	var text strings.Builder
	for i, body := range q.requests {
		fmt.Fprintf(&text, "/graphql?%s\t%s\n", q.key(i), body)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil { //nolint:gosec // in a folder of our own
		return fmt.Errorf("no file of requests: %w", err)
	}
	return nil
}
