// Package load sends GraphQL requests to a gateway, at a constant rate or in turn, and sums up the replies.
package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"revox-graphql/test/bench/servers"
)

// NewClient returns a client as servers use it: it keeps connections open and does not decompress bodies, like wrk.
func NewClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.DisableCompression = true
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// Get sends a GET request and returns the whole body of the response. A status other than 200 is an error.
func Get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	return send(ctx, client, http.MethodGet, url, http.NoBody)
}

// Post sends a GraphQL request and returns the whole body of the response. A status other than 200 is an error.
func Post(ctx context.Context, client *http.Client, url string, payload []byte) ([]byte, error) {
	return send(ctx, client, http.MethodPost, url, bytes.NewReader(payload))
}

// PostHeader sends a GraphQL request and returns the header of the response.
func PostHeader(ctx context.Context, client *http.Client, url string, payload []byte) (http.Header, error) {
	_, header, err := exchange(ctx, client, http.MethodPost, url, bytes.NewReader(payload))
	return header, err
}

func send(ctx context.Context, client *http.Client, method, url string, body io.Reader) ([]byte, error) {
	content, _, err := exchange(ctx, client, method, url, body)
	return content, err
}

func exchange(
	ctx context.Context, client *http.Client, method, url string, body io.Reader,
) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, nil, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.500s", url, resp.Status, content)
	}
	return content, resp.Header, err
}

// RESTPage returns a page of the list as the upstream sends it.
func RESTPage(ctx context.Context, client *http.Client, u *servers.Upstream, number, size int) ([]byte, error) {
	return Get(ctx, client, fmt.Sprintf("%s/call?page=%d&page_size=%d", u.URL, number, size))
}
