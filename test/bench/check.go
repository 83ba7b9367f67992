package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"revox-graphql/graph/relay"
	"slices"
	"strconv"
	"strings"
)

// checkGateways asks both gateways all questions of a workload and checks the answers against one another and against
// upstream's own. It returns the questions with these answers. Both are asked the same in the same order, so that they
// ask the same pages upstream and hold the same in memory.
func checkGateways(ctx context.Context, client *http.Client, executing, remembered *child, rest *upstream, w workload) (*questions, error) {
	own, err := walk(ctx, client, remembered, w)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", remembered.name, err)
	}
	q, err := walk(ctx, client, executing, w)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", executing.name, err)
	}
	q.remembered = own
	for i := range q.requests {
		if q.answers[i], err = post(ctx, client, q.url(executing, i), q.requests[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", executing.name, err)
		}
		if err := q.checkUpstream(ctx, client, rest, i); err != nil {
			return nil, fmt.Errorf("window %d: %w", i, err)
		}
		if err := q.checkRemembered(ctx, client, remembered, i); err != nil {
			return nil, fmt.Errorf("%s: window %d: %w", remembered.name, i, err)
		}
	}
	return q, nil
}

// checkUpstream checks an answer against upstream's own.
func (q *questions) checkUpstream(ctx context.Context, client *http.Client, rest *upstream, i int) error {
	got, err := readAnswer(q.answers[i])
	if err != nil {
		return err
	}
	page, err := restPage(ctx, client, rest, i, q.calls)
	if err != nil {
		return err
	}
	var want struct {
		Calls []struct {
			ID         string `json:"id"`
			Transcript []said `json:"transcript"`
		} `json:"calls"`
	}
	if err := json.Unmarshal(page, &want); err != nil {
		return fmt.Errorf("upstream's answer: %w", err)
	}
	if len(got.Nodes) != q.calls || len(want.Calls) != q.calls || !got.PageInfo.HasNextPage {
		return fmt.Errorf("%d calls, upstream has %d, and %d were asked for; a page follows: %v",
			len(got.Nodes), len(want.Calls), q.calls, got.PageInfo.HasNextPage)
	}
	for n, node := range got.Nodes {
		call := want.Calls[n]
		if node.ID != call.ID {
			return fmt.Errorf("call %d is %s, upstream's is %s", n, node.ID, call.ID)
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
			return fmt.Errorf("the transcript of %s is not upstream's", node.ID)
		}
	}
	return nil
}

// checkRemembered asks the gateway that remembers twice: the first answer is executed, the second remembered.
func (q *questions) checkRemembered(ctx context.Context, client *http.Client, remembered *child, i int) error {
	first, err := post(ctx, client, q.url(remembered, i), q.remembered.requests[i])
	if err != nil {
		return err
	}
	second, err := post(ctx, client, q.url(remembered, i), q.remembered.requests[i])
	if err != nil {
		return err
	}
	if !bytes.Equal(first, second) {
		return errors.New("the second answer is not the first")
	}
	want, err := comparableAnswer(q.answers[i])
	if err != nil {
		return err
	}
	got, err := comparableAnswer(first)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("the answer is not that of %s", executingServer)
	}
	return err
}

// comparableAnswer is an answer with nothing of its cursor but the call and its position. In the rest two gateways may
// differ: when they asked upstream, and how many neighbours of the call the page had.
func comparableAnswer(body []byte) ([]byte, error) {
	a, err := readAnswer(body)
	if err != nil {
		return nil, err
	}
	cursor, err := relay.ParseCursor(a.PageInfo.EndCursor)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", a.PageInfo.EndCursor, err)
	}
	place := fmt.Sprintf("%v at %d", cursor.Element, cursor.Position)
	return bytes.ReplaceAll(body, []byte(a.PageInfo.EndCursor), []byte(place)), nil
}

// checkPlain checks that a server sends the very bytes that the gateway does.
func (q *questions) checkPlain(ctx context.Context, client *http.Client, c, gateway *child) error {
	got, err := postHeader(ctx, client, q.url(c, 0), q.requests[0])
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	want, err := postHeader(ctx, client, q.url(gateway, 0), q.requests[0])
	if err != nil {
		return fmt.Errorf("%s: %w", gateway.name, err)
	}
	for _, header := range []http.Header{got, want} { // these differ from answer to answer
		header.Del("Date")
		header.Del("Age")
		header.Set(requestID, strconv.Itoa(len(header.Get(requestID))))
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s: the headers are %v, and the gateway's %v", c.name, got, want)
	}
	for i := range q.requests {
		body, err := post(ctx, client, q.url(c, i), q.requests[i])
		if err == nil && !bytes.Equal(body, q.answers[i]) {
			err = errors.New("the bytes are others")
		}
		if err != nil {
			return fmt.Errorf("%s: window %d: %w", c.name, i, err)
		}
	}
	return nil
}

// checkCalls checks that a server sends the same calls. Its cursors are of the same rows, but may remember other
// neighbours of them, as a gateway's own do where it has come to hold other pages.
func (q *questions) checkCalls(ctx context.Context, client *http.Client, c *child) error {
	for i := range q.requests {
		body, err := post(ctx, client, q.url(c, i), q.requests[i])
		if err == nil {
			err = sameNodes(body, q.answers[i])
		}
		if err != nil {
			return fmt.Errorf("%s: window %d: %w", c.name, i, err)
		}
	}
	return nil
}

func sameNodes(got, want []byte) error {
	a, err := readAnswer(got)
	if err != nil {
		return err
	}
	b, err := readAnswer(want)
	if err != nil {
		return err
	}
	cursorA, errA := relay.ParseCursor(a.PageInfo.EndCursor)
	cursorB, errB := relay.ParseCursor(b.PageInfo.EndCursor)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	nodesA, errA := nodes(got)
	nodesB, errB := nodes(want)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if !bytes.Equal(nodesA, nodesB) || a.PageInfo.HasNextPage != b.PageInfo.HasNextPage || cursorA.Element != cursorB.Element {
		return fmt.Errorf("the calls are not those of %s", executingServer)
	}
	return nil
}
