package compare

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"revox-graphql/graph/relay"
	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/servers"
)

// checkGateways sends all requests of a workload to both gateways. It compares the responses with each other and with
// the upstream's own, and returns the requests with these responses. Both gateways get the same requests in the same
// order, so that they request the same pages of the upstream and have the same pages in memory.
func checkGateways(
	ctx context.Context, client *http.Client, executing, cached *servers.Process, rest *servers.Upstream, w workload,
) (*requestSet, error) {
	own, err := buildRequests(ctx, client, cached, w)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cached.Name, err)
	}
	q, err := buildRequests(ctx, client, executing, w)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", executing.Name, err)
	}
	q.cached = own
	for i := range q.bodies {
		if q.responses[i], err = load.Post(ctx, client, q.url(executing, i), q.bodies[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", executing.Name, err)
		}
		if err := q.checkUpstream(ctx, client, rest, i); err != nil {
			return nil, fmt.Errorf("window %d: %w", i, err)
		}
		if err := q.checkCached(ctx, client, cached, i); err != nil {
			return nil, fmt.Errorf("%s: window %d: %w", cached.Name, i, err)
		}
	}
	return q, nil
}

// checkUpstream compares a response with the upstream's own.
func (q *requestSet) checkUpstream(ctx context.Context, client *http.Client, rest *servers.Upstream, i int) error {
	got, err := load.ReadCalls(q.responses[i])
	if err != nil {
		return err
	}
	page, err := load.RESTPage(ctx, client, rest, i, q.calls)
	if err != nil {
		return err
	}
	var want struct {
		Calls []struct {
			ID         string                 `json:"id"`
			Transcript []load.TranscriptEntry `json:"transcript"`
		} `json:"calls"`
	}
	if err := json.Unmarshal(page, &want); err != nil {
		return fmt.Errorf("the upstream's response: %w", err)
	}
	if len(got.Nodes) != q.calls || len(want.Calls) != q.calls || !got.PageInfo.HasNextPage {
		return fmt.Errorf("%d calls, the upstream has %d, and %d were requested; hasNextPage: %v",
			len(got.Nodes), len(want.Calls), q.calls, got.PageInfo.HasNextPage)
	}
	for n, node := range got.Nodes {
		call := want.Calls[n]
		if node.ID != call.ID {
			return fmt.Errorf("call %d is %s, the upstream's is %s", n, node.ID, call.ID)
		}
		if !strings.Contains(q.fields, "transcript") {
			continue
		}
		for e := range call.Transcript {
			call.Transcript[e].Role = strings.ToUpper(call.Transcript[e].Role)
			if !strings.Contains(q.fields, "content") {
				call.Transcript[e].Content = ""
			}
		}
		if !slices.Equal(node.Transcript, call.Transcript) {
			return fmt.Errorf("the transcript of %s differs from the upstream's", node.ID)
		}
	}
	return nil
}

// checkCached sends a request twice to the gateway with a response cache: it executes the first, and takes the second
// response from the cache.
func (q *requestSet) checkCached(ctx context.Context, client *http.Client, cached *servers.Process, i int) error {
	first, err := load.Post(ctx, client, q.url(cached, i), q.cached.bodies[i])
	if err != nil {
		return err
	}
	second, err := load.Post(ctx, client, q.url(cached, i), q.cached.bodies[i])
	if err != nil {
		return err
	}
	if !bytes.Equal(first, second) {
		return errors.New("the second response differs from the first")
	}
	want, err := normalizeCursors(q.responses[i])
	if err != nil {
		return err
	}
	got, err := normalizeCursors(first)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("the response differs from that of %s", executingServer)
	}
	return err
}

// normalizeCursors returns a response whose cursors are replaced by their calls and positions. The rest of a cursor may
// differ between two gateways: the time of the upstream request, and how many neighbours of the call the page had.
func normalizeCursors(body []byte) ([]byte, error) {
	a, err := load.ReadCalls(body)
	if err != nil {
		return nil, err
	}
	texts := []string{a.PageInfo.EndCursor}
	if len(a.Edges) > 0 {
		texts = append(texts, a.PageInfo.StartCursor)
	}
	for _, edge := range a.Edges {
		texts = append(texts, edge.Cursor)
	}
	for _, text := range texts {
		cursor, err := relay.ParseCursor(text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		place := fmt.Sprintf("%v at %d", cursor.Element, cursor.Position)
		body = bytes.ReplaceAll(body, []byte(text), []byte(place))
	}
	return body, nil
}

// checkPlain checks that a server sends exactly the bytes of the gateway.
func (q *requestSet) checkPlain(ctx context.Context, client *http.Client, c, gateway *servers.Process) error {
	got, err := load.PostHeader(ctx, client, q.url(c, 0), q.bodies[0])
	if err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	want, err := load.PostHeader(ctx, client, q.url(gateway, 0), q.bodies[0])
	if err != nil {
		return fmt.Errorf("%s: %w", gateway.Name, err)
	}
	for _, header := range []http.Header{got, want} { // these differ between responses
		header.Del("Date")
		header.Del("Age")
		header.Set(requestID, strconv.Itoa(len(header.Get(requestID))))
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s: the headers are %v, the gateway's are %v", c.Name, got, want)
	}
	for i := range q.bodies {
		body, err := load.Post(ctx, client, q.url(c, i), q.bodies[i])
		if err == nil && !bytes.Equal(body, q.responses[i]) {
			err = errors.New("the bytes differ")
		}
		if err != nil {
			return fmt.Errorf("%s: window %d: %w", c.Name, i, err)
		}
	}
	return nil
}

// checkCalls checks that a server sends the same calls. Its cursors must be of the same rows, but may contain other
// neighbours. So may a gateway's own cursors, once it has read other pages.
func (q *requestSet) checkCalls(ctx context.Context, client *http.Client, c *servers.Process) error {
	for i := range q.bodies {
		body, err := load.Post(ctx, client, q.url(c, i), q.bodies[i])
		if err == nil {
			err = sameNodes(body, q.responses[i])
		}
		if err != nil {
			return fmt.Errorf("%s: window %d: %w", c.Name, i, err)
		}
	}
	return nil
}

func sameNodes(got, want []byte) error {
	a, err := load.ReadCalls(got)
	if err != nil {
		return err
	}
	b, err := load.ReadCalls(want)
	if err != nil {
		return err
	}
	cursorA, errA := relay.ParseCursor(a.PageInfo.EndCursor)
	cursorB, errB := relay.ParseCursor(b.PageInfo.EndCursor)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	nodesA, errA := load.Nodes(got)
	nodesB, errB := load.Nodes(want)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if !bytes.Equal(nodesA, nodesB) || a.PageInfo.HasNextPage != b.PageInfo.HasNextPage ||
		cursorA.Element != cursorB.Element {
		return fmt.Errorf("the calls differ from those of %s", executingServer)
	}
	return nil
}
