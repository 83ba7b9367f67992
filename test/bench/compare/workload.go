package compare

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	"revox-graphql/graph/relay"
	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/servers"
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
		{"S2", "20 calls with all that was said", 20, load.TranscriptFields},
		{"S3", "20 calls with the roles of what was said", 20, "id transcript { role }"},
		{"S5", "100 calls with all that was said", 100, load.TranscriptFields},
	}
}

// questions are a workload's requests, and the answers that are right.
type requestSet struct {
	workload
	bodies    [windows][]byte
	ends      [windows]string // the cursors of the windows' last rows
	responses [windows][]byte // of the gateway that executes
	// remembered are the same questions for the gateway that remembers, with its own cursors: to those of another process
	// it would give no answer that it has in memory.
	cached *requestSet
}

// of are the questions as a server is asked them.
func (q *requestSet) forServer(c *servers.Process) *requestSet {
	if c.Name == cachedServer {
		return q.cached
	}
	return q
}

// key names a question in a URL and in the name of a file.
func (q *requestSet) key(i int) string { return fmt.Sprintf("%s-%d", q.name, i) }

// url is where to ask a server a question. The query string means something to the server of finished bodies only.
func (q *requestSet) url(c *servers.Process, i int) string { return c.URL + "graphql?" + q.key(i) }

// meanAnswer is the mean size of an answer.
func (q *requestSet) meanResponse() int {
	sum := 0
	for _, body := range q.responses {
		sum += len(body)
	}
	return sum / windows
}

// walk makes a workload's questions, with the cursors that a gateway gives for them.
func buildRequests(ctx context.Context, client *http.Client, gateway *servers.Process, w workload) (*requestSet, error) {
	q := &requestSet{workload: w}
	const pageInfo = "pageInfo { hasNextPage endCursor }"
	after := ""
	for i := range windows {
		q.bodies[i] = load.CallsRequest(w.calls, "nodes { "+w.fields+" } "+pageInfo, after)
		body, err := load.Post(ctx, client, gateway.URL+"graphql", load.CallsRequest(w.calls, pageInfo, after))
		if err != nil {
			return nil, err
		}
		a, err := load.ReadCalls(body)
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
func writeCursors(file string, questions []*requestSet) error {
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
func writeRequests(file string, q *requestSet) error {
	var text strings.Builder
	for i, body := range q.bodies {
		fmt.Fprintf(&text, "/graphql?%s\t%s\n", q.key(i), body)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil { //nolint:gosec // in a folder of our own
		return fmt.Errorf("no file of requests: %w", err)
	}
	return nil
}
