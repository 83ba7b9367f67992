package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"revox-graphql/test/bench/servers"
)

// Page is a request for some calls of the list, and these calls.
type Page struct {
	Request []byte
	calls   json.RawMessage
}

// Walk walks down the list until it has so many pages that keep accepts. It returns an error if the list ends before.
func (s *Target) Walk(ctx context.Context, calls, pages int, keep func() bool) ([]Page, error) {
	const selection = "nodes { id status phoneNumber startedAt } pageInfo { hasNextPage endCursor }"
	kept := make([]Page, 0, pages)
	for after := ""; len(kept) < pages; {
		payload := CallsRequest(calls, selection, after)
		body, err := Post(ctx, s.Client, s.Gateway.URL+"graphql", payload)
		if err != nil {
			return nil, errors.Join(err, s.Gateway.Err())
		}
		a, err := ReadCalls(body)
		if err != nil {
			return nil, err
		}
		if !a.PageInfo.HasNextPage {
			return nil, fmt.Errorf("the list ends after %d pages, %d are needed", len(kept), pages)
		}
		after = a.PageInfo.EndCursor
		if keep() {
			list, err := Nodes(body)
			if err != nil {
				return nil, err
			}
			kept = append(kept, Page{payload, list})
		}
	}
	return kept, nil
}

// Target is a gateway over an upstream, with a client that may have many requests in flight.
type Target struct {
	servers.Fleet
	Upstream *servers.Upstream
	Gateway  *servers.Process
	Client   *http.Client
}

// MaxInFlight is the greatest number of concurrent requests of a target's client.
const MaxInFlight = 1000

// StartTarget starts a gateway over an upstream. The caller must stop the target.
func StartTarget(ctx context.Context, gateway string, settings ...string) (*Target, error) {
	rest, err := servers.StartUpstream(ctx)
	if err != nil {
		return nil, err
	}
	s := &Target{Upstream: rest, Client: NewClient()}
	transport := s.Client.Transport.(*http.Transport) // made by NewClient
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = MaxInFlight, MaxInFlight
	if s.Gateway, err = s.StartGateway(ctx, gateway, "gateway", rest, settings...); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// StartTargetWithPages starts a target, and walks down its list: it returns so many pages of so many calls.
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

// Stop stops the gateway and its upstream.
func (s *Target) Stop() {
	s.Client.CloseIdleConnections()
	s.Fleet.Stop()
	s.Upstream.Stop()
}
