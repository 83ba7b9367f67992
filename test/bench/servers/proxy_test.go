package servers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Stalled connections forward nothing and stay open; others work.
func TestStandingProxy(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	defer server.Close()
	p, err := StartProxy(t.Context(), server.URL+"/api")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if !strings.HasSuffix(p.URL, "/api") || strings.HasPrefix(p.URL, server.URL) {
		t.Errorf("its address is %s", p.URL)
	}
	send := func(ctx context.Context, client *http.Client) error {
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader([]byte("hello")))
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err == nil && string(body) != "hello" {
			err = errors.New("incorrect response")
		}
		return err
	}
	before, after := &http.Client{Transport: &http.Transport{}}, &http.Client{Transport: &http.Transport{}}
	if err := send(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	if opened := p.Stall(); opened != 1 {
		t.Errorf("%d connections", opened)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- send(ctx, before) }()
	if err := send(t.Context(), after); err != nil {
		t.Error(err)
	}
	select {
	case err := <-done:
		t.Fatalf("a stalled connection responds: %v", err)
	default:
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("a stalled connection: %v", err)
	}
	if opened := p.Stall(); opened != 2 {
		t.Errorf("%d connections", opened)
	}
}
