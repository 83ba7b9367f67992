// Package remote sends requests to a gateway that runs already: queries, and health checks.
package remote

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"revox-graphql/gateway/config"
	"revox-graphql/gateway/export"
	"revox-graphql/internal/middleware"
)

// Gateway is a gateway that runs already. Its zero value is not usable; see [New].
type Gateway struct {
	endpoint *url.URL
	token    string
	client   *http.Client
}

// responseTimeout is how long the header of a response may take: a gateway waits up to GATEWAY_UPSTREAM_TIMEOUT for
// Revox, 30 s by default, which its operator may have raised.
const responseTimeout = 5 * time.Minute

// bodyTimeout is how long nothing of a body may come, once the header has come: a gateway sends complete responses.
const bodyTimeout = time.Minute

// errStalled is the error of a response that stopped.
var errStalled = fmt.Errorf("nothing more of its response came for %v", bodyTimeout)

// maxResponse bounds a response, in bytes: the most that GATEWAY_MAX_ANSWER_BYTES allows.
const maxResponse = 4 << 30

// maxAtOnce is how many bytes are allocated for a response before they have come.
const maxAtOnce = 64 << 20

// New returns the gateway at an address, which is that of its GraphQL endpoint. An address without a path is completed
// with /graphql. Without a token, requests have no credential.
func New(address, token string) (*Gateway, error) {
	endpoint, ok := config.ParseServer(address)
	if !ok || endpoint.User != nil {
		return nil, errors.New("must be the address of a gateway's GraphQL endpoint, like http://127.0.0.1:8080/graphql")
	}
	if endpoint.Path == "" || endpoint.Path == "/" {
		endpoint.Path = middleware.GraphQL
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // documented
	transport.ResponseHeaderTimeout = responseTimeout
	transport.DisableCompression = config.Loopback(endpoint.Hostname()) // that would take longer than it saves
	return &Gateway{endpoint, token, &http.Client{Transport: transport, CheckRedirect: doNotFollow}}, nil
}

// doNotFollow returns redirects as they are: a request with a token must not go elsewhere.
func doNotFollow(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// String is the address of the endpoint.
func (g *Gateway) String() string { return g.endpoint.String() }

// Ask sends a GraphQL request in JSON, and returns the response, which may hold errors. It is a [export.TemporaryError]
// where no response came and a later request may get one.
func (g *Gateway) Ask(ctx context.Context, request []byte) ([]byte, error) {
	r, err := g.send(ctx, request)
	if err != nil {
		return nil, err
	}
	if r.isGraphQL() {
		return r.body, nil
	}
	return nil, g.foreign(r)
}

// Demo reports whether the gateway serves made-up calls. Its error says why the gateway cannot be used; it is a
// [export.TemporaryError] as that of [Gateway.Ask] is.
func (g *Gateway) Demo(ctx context.Context) (bool, error) {
	r, err := g.send(ctx, []byte(`{"query":"{ __typename }"}`))
	switch {
	case err != nil:
		return false, err
	case !r.isGraphQL():
		return false, g.foreign(r)
	case r.code == http.StatusServiceUnavailable: // overloaded: whether the calls are made up is not known
		return false, r.temporary(fmt.Errorf("%s responds with %s", g, r.status))
	case r.code == http.StatusUnauthorized:
		return false, fmt.Errorf("%s does not accept the token: set --token or GATEWAY_TOKEN to one of its tokens", g)
	default:
		return r.header.Get("X-Revox-Upstream") == "demo", nil
	}
}

// foreign is the error of a response that does not come from a gateway.
func (g *Gateway) foreign(r *response) error {
	err := fmt.Errorf("%s responds with %s and not with GraphQL: is that the address of a gateway?", g, r.status)
	switch r.code { // of a proxy in between
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return r.temporary(err)
	default:
		return err
	}
}

// temporary marks the error of a response that a later request may not get.
func (r *response) temporary(err error) error {
	seconds, _ := strconv.Atoi(r.header.Get("Retry-After"))
	return &export.TemporaryError{Err: err, RetryAfter: time.Duration(seconds) * time.Second}
}

// response is the response to a request.
type response struct {
	code   int
	status string
	header http.Header
	body   []byte
}

func (g *Gateway) send(ctx context.Context, request []byte) (*response, error) {
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := http.NewRequestWithContext(bounded, http.MethodPost, g.endpoint.String(), bytes.NewReader(request))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/graphql-response+json")
	if g.token != "" {
		r.Header.Set("Authorization", "Bearer "+g.token)
	}
	got, err := g.client.Do(r)
	if err != nil {
		return nil, g.unreached(ctx, err)
	}
	defer func() { _ = got.Body.Close() }()
	var body bytes.Buffer
	if got.ContentLength > 0 { // else it is not known, and the buffer grows
		body.Grow(int(min(got.ContentLength, maxAtOnce)) + bytes.MinRead)
	}
	stalled := time.AfterFunc(bodyTimeout, func() { cancel(errStalled) })
	defer stalled.Stop()
	if _, err := body.ReadFrom(io.LimitReader(&progress{got.Body, stalled}, maxResponse)); err != nil {
		return nil, g.unreached(ctx, cmp.Or(context.Cause(bounded), err))
	}
	return &response{got.StatusCode, got.Status, got.Header, body.Bytes()}, nil
}

// progress is a body that postpones a timer whenever some of it comes.
type progress struct {
	io.Reader
	timer *time.Timer
}

func (p *progress) Read(b []byte) (n int, err error) {
	if n, err = p.Reader.Read(b); n > 0 {
		p.timer.Reset(bodyTimeout)
	}
	return n, err
}

// unreached is the error of a request without a whole response.
func (g *Gateway) unreached(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // the address is said already
	}
	return &export.TemporaryError{Err: fmt.Errorf("%s cannot be reached: %w", g, err)}
}

// isGraphQL reports whether it is a GraphQL response, as far as its beginning tells: an object with data or errors. Its
// reader finds out whether all of it is JSON.
func (r *response) isGraphQL() bool {
	// Upstream's JSON may have a name twice, or half of a surrogate pair.
	asItCame := json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	d := jsontext.NewDecoder(bytes.NewBuffer(r.body), asItCame)
	if open, err := d.ReadToken(); err != nil || open.Kind() != '{' {
		return false
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return false
		}
		if text := name.String(); text == "data" || text == "errors" {
			return true
		}
		if d.SkipValue() != nil {
			return false
		}
	}
	return false
}

// Health asks a path of a gateway, such as http://127.0.0.1:8080/readyz. Its error says why the gateway is not well. No
// proxy is used, since a health check asks about the process and not about the way there.
func Health(ctx context.Context, address string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: doNotFollow}
	response, err := client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return fmt.Errorf("%s: %w", address, err)
	}
	defer func() { _ = response.Body.Close() }()
	const maxReason = 200 // bytes
	reason, _ := io.ReadAll(io.LimitReader(response.Body, maxReason))
	if response.StatusCode != http.StatusOK {
		line, _, _ := strings.Cut(strings.TrimSpace(string(reason)), "\n")
		return fmt.Errorf("%s: %s: %s", address, response.Status, line)
	}
	return nil
}
