package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// listPage is a question for some calls of the list, and these calls.
type listPage struct {
	question []byte
	calls    json.RawMessage
}

// walk walks down the list until it has so many pages that are to be kept.
func (s *scene) walk(ctx context.Context, calls, pages int, keep func() bool) ([]listPage, error) {
	const selection = "nodes { id status phoneNumber startedAt } pageInfo { hasNextPage endCursor }"
	kept := make([]listPage, 0, pages)
	for after := ""; len(kept) < pages; {
		question := callsQuestion(calls, selection, after)
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

// scene is a gateway over an upstream that will have trouble, and a client that asks much at once.
type scene struct {
	fleet
	rest    *upstream
	gateway *child
	client  *http.Client
}

// maxUnderWay is how many questions may be under way at once.
const maxUnderWay = 1000

// startTarget starts a gateway over an upstream. The caller must stop the target.
func startTarget(ctx context.Context, gateway string, settings ...string) (*scene, error) {
	rest, err := startUpstream(ctx)
	if err != nil {
		return nil, err
	}
	s := &scene{rest: rest, client: newClient()}
	transport := s.client.Transport.(*http.Transport) // that newClient has made
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = maxUnderWay, maxUnderWay
	if s.gateway, err = s.fleet.gateway(ctx, gateway, "gateway", rest, settings...); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// startTargetWithPages starts a target, and walks down its list: it returns so many pages of so many calls.
func startTargetWithPages(
	ctx context.Context, gateway string, calls, pages int, settings ...string,
) (*scene, []listPage, error) {
	s, err := startTarget(ctx, gateway, settings...)
	if err != nil {
		return nil, nil, err
	}
	known, err := s.walk(ctx, calls, pages, func() bool { return true })
	if err != nil {
		s.stop()
		return nil, nil, err
	}
	return s, known, nil
}

func (s *scene) stop() {
	s.client.CloseIdleConnections()
	s.fleet.stop()
	s.rest.stop()
}
