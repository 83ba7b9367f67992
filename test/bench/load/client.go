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

// newClient is a client as servers have them: it keeps connections, and takes bodies as they are, as wrk does.
func NewClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.DisableCompression = true
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// get asks and reads the whole answer.
func Get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	return ask(ctx, client, http.MethodGet, url, http.NoBody)
}

// post asks a GraphQL question and reads the whole answer.
func Post(ctx context.Context, client *http.Client, url string, question []byte) ([]byte, error) {
	return ask(ctx, client, http.MethodPost, url, bytes.NewReader(question))
}

// postHeader asks a GraphQL question and returns the header of the answer.
func PostHeader(ctx context.Context, client *http.Client, url string, question []byte) (http.Header, error) {
	_, header, err := exchange(ctx, client, http.MethodPost, url, bytes.NewReader(question))
	return header, err
}

func ask(ctx context.Context, client *http.Client, method, url string, body io.Reader) ([]byte, error) {
	answer, _, err := exchange(ctx, client, method, url, body)
	return answer, err
}

func exchange(ctx context.Context, client *http.Client, method, url string, body io.Reader) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body) //nolint:gosec // of servers started here
	if err != nil {
		return nil, nil, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req) //nolint:gosec // as above
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.500s", url, resp.Status, answer)
	}
	return answer, resp.Header, err
}

// restPage returns a page of the list as the upstream itself sends it.
func RESTPage(ctx context.Context, client *http.Client, u *servers.Upstream, number, size int) ([]byte, error) {
	return Get(ctx, client, fmt.Sprintf("%s/call?page=%d&page_size=%d", u.URL, number, size))
}
