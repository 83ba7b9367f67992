package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"revox-graphql/test/bench/servers"
)

// listPage is a question for some calls of the list, and these calls.
type Page struct {
	Request []byte
	calls   json.RawMessage
}

// walk walks down the list until it has so many pages that are to be kept.
func (s *Target) Walk(ctx context.Context, calls, pages int, keep func() bool) ([]Page, error) {
	const selection = "nodes { id status phoneNumber startedAt } pageInfo { hasNextPage endCursor }"
	kept := make([]Page, 0, pages)
	for after := ""; len(kept) < pages; {
		question := CallsRequest(calls, selection, after)
		body, err := Post(ctx, s.Client, s.Gateway.URL+"graphql", question)
		if err != nil {
			return nil, errors.Join(err, s.Gateway.Err())
		}
		a, err := ReadCalls(body)
		if err != nil {
			return nil, err
		}
		if !a.PageInfo.HasNextPage {
			return nil, fmt.Errorf("the list ends after %d pages, and %d are needed", len(kept), pages)
		}
		after = a.PageInfo.EndCursor
		if keep() {
			list, err := Nodes(body)
			if err != nil {
				return nil, err
			}
			kept = append(kept, Page{question, list})
		}
	}
	return kept, nil
}

// scene is a gateway over an upstream that will have trouble, and a client that asks much at once.
type Target struct {
	servers.Fleet
	Upstream *servers.Upstream
	Gateway  *servers.Process
	Client   *http.Client
}

// maxUnderWay is how many questions may be under way at once.
const MaxInFlight = 1000

// startTarget starts a gateway over an upstream. The caller must stop the target.
func StartTarget(ctx context.Context, gateway string, settings ...string) (*Target, error) {
	rest, err := servers.StartUpstream(ctx)
	if err != nil {
		return nil, err
	}
	s := &Target{Upstream: rest, Client: NewClient()}
	transport := s.Client.Transport.(*http.Transport) // that newClient has made
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = MaxInFlight, MaxInFlight
	if s.Gateway, err = s.Fleet.StartGateway(ctx, gateway, "gateway", rest, settings...); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// startTargetWithPages starts a target, and walks down its list: it returns so many pages of so many calls.
func StartTargetWithPages(
	ctx context.Context, gateway string, calls, pages int, settings ...string,
) (*Target, []Page, error) {
	s, err := StartTarget(ctx, gateway, settings...)
	if err != nil {
		return nil, nil, err
	}
	known, err := s.Walk(ctx, calls, pages, func() bool { return true })
	if err != nil {
		s.Stop()
		return nil, nil, err
	}
	return s, known, nil
}

func (s *Target) Stop() {
	s.Client.CloseIdleConnections()
	s.Fleet.Stop()
	s.Upstream.Stop()
}
