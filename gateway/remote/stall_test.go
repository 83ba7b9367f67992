package remote

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/gateway/export"
)

// A response that stops is given up after a while, and a later request may get one. A response that goes on is read to
// its end, however long that takes.
func TestStalledResponse(t *testing.T) {
	for _, test := range []struct {
		name   string
		pieces int // of the body, one every 50 seconds
		whole  bool
		want   time.Duration
	}{
		{"nothing follows the header", 0, false, bodyTimeout},
		{"it stops", 3, false, 3*50*time.Second + bodyTimeout},
		{"it is slow", 60, true, 60 * 50 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gateway := slowGateway(t, test.pieces, test.whole)
				began := time.Now()
				body, err := gateway.Ask(t.Context(), []byte("{}"))
				if took := time.Since(began); took != test.want {
					t.Errorf("it took %v", took)
				}
				if test.whole {
					if err != nil || len(body) != test.pieces+len(`{"data":{}}`) {
						t.Errorf("%q, %v", body, err)
					}
					return
				}
				if _, temporary := errors.AsType[*export.TemporaryError](err); !temporary || !errors.Is(err, errStalled) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// slowGateway returns a gateway, behind a connection in memory, that sends pieces of a body.
func slowGateway(t *testing.T, pieces int, whole bool) *Gateway {
	t.Helper()
	gateway, err := New("http://gateway.test", "")
	if err != nil {
		t.Fatal(err)
	}
	transport := gateway.client.Transport.(*http.Transport) // made by New
	transport.Proxy, transport.DisableKeepAlives = nil, true
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer func() { _ = server.Close() }()
			r, err := http.ReadRequest(bufio.NewReader(server))
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
			for range pieces {
				time.Sleep(50 * time.Second)
				_, _ = io.WriteString(server, " ")
			}
			if whole {
				_, _ = io.WriteString(server, `{"data":{}}`)
				return
			}
			_, _ = server.Read(make([]byte, 1)) // until the client closes the connection
		}()
		return client, nil
	}
	return gateway
}
