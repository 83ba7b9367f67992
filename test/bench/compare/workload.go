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

// windows is the number of windows of the list that a workload requests in turn.
const windows = 64

// workload is a query for windows of the list, each of which follows the one before.
type workload struct {
	name   string
	about  string
	calls  int    // in a window
	fields string // of a call
	edges  bool   // the calls are requested in edges with cursors, as by Relay and Apollo Client
}

// selection returns what is selected of the connection.
func (w *workload) selection() string {
	if w.edges {
		return "edges { cursor node { " + w.fields + " } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
	}
	return "nodes { " + w.fields + " } " + pageInfo
}

// pageInfo is the selection of requests that only walk.
const pageInfo = "pageInfo { hasNextPage endCursor }"

func workloads() []workload {
	const scalars = "id status phoneNumber startedAt answeredAt endedAt durationSeconds result endReason endedBy"
	const roles = "id transcript { role }"
	return []workload{
		{"S1", "20 calls with ten scalars", 20, scalars, false},
		{"S2", "20 calls with transcripts", 20, load.TranscriptFields, false},
		{"S3", "20 calls with the roles of transcripts", 20, roles, false},
		{"S5", "100 calls with transcripts", 100, load.TranscriptFields, false},
		{"S1e", "S1 in edges with cursors", 20, scalars, true},
		{"S2e", "S2 in edges with cursors", 20, load.TranscriptFields, true},
		{"S3e", "S3 in edges with cursors", 20, roles, true},
	}
}

// requestSet contains the requests of a workload, and their correct responses.
type requestSet struct {
	workload
	bodies    [windows][]byte
	ends      [windows]string // the cursors of the windows' last rows
	responses [windows][]byte // of the gateway that executes every request
	// cached contains the same requests for the gateway with a response cache, with its own cursors: it does not cache the
	// responses to requests with the cursors of another process.
	cached *requestSet
}

// forServer returns the requests for a server.
func (q *requestSet) forServer(c *servers.Process) *requestSet {
	if c.Name == cachedServer {
		return q.cached
	}
	return q
}

// on reports whether a server is measured with the workload. gqlgen's own execution knows only the cursors at the ends
// of windows, so it cannot serve edges.
func (q *requestSet) on(c *servers.Process) bool { return !q.edges || c.Name != generatedServer }

// key names a request in a URL and in the name of a file.
func (q *requestSet) key(i int) string { return fmt.Sprintf("%s-%d", q.name, i) }

// url returns the URL of a request to a server. The query string is for the server of stored bodies: others ignore it.
func (q *requestSet) url(c *servers.Process, i int) string { return c.URL + "graphql?" + q.key(i) }

// meanResponse returns the mean size of a response, in bytes.
func (q *requestSet) meanResponse() int {
	sum := 0
	for _, body := range q.responses {
		sum += len(body)
	}
	return sum / windows
}

// buildRequests returns a workload's requests, with cursors from a gateway.
func buildRequests(
	ctx context.Context, client *http.Client, gateway *servers.Process, w workload,
) (*requestSet, error) {
	q := &requestSet{workload: w}
	after := ""
	for i := range windows {
		q.bodies[i] = load.CallsRequest(w.calls, w.selection(), after)
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

// writeCursors writes the file that [readSource] reads: for each cursor, the number of rows up to it.
func writeCursors(file string, sets []*requestSet) error {
	places := map[string]int{}
	for _, q := range sets {
		for i, cursor := range q.ends {
			places[cursor] = (i + 1) * q.calls
		}
	}
	text, err := json.Marshal(places)
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("file of cursors: %w", err)
	}
	return nil
}

// writeRequests writes the file that wrk.lua reads: one request per line, as its path, a tab and its body.
func writeRequests(file string, q *requestSet) error {
	var text strings.Builder
	for i, body := range q.bodies {
		fmt.Fprintf(&text, "/graphql?%s\t%s\n", q.key(i), body)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("file of requests: %w", err)
	}
	return nil
}
