package middleware

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/net/http2"

	"revox-graphql/internal/memory"
)

// Connections are counted for as long as they are open, each with the estimate for its protocol.
func TestConnectionsAreCounted(t *testing.T) {
	budget := memory.NewBudget(0, 0, slog.New(slog.DiscardHandler))
	connections := NewConnections(10, budget.Account("connections"))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	closed := make(chan struct{}, 10)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	connections.Watch(server.Config)
	server.Listener = connections.Listen(server.Listener)
	server.Start()
	defer server.Close()
	for name, test := range map[string]struct {
		sends string
		want  int64
	}{
		"HTTP/1.1":                      {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", HTTP1Bytes},
		"HTTP/1.1, a method of its own": {"PRINT / HTTP/1.1\r\nHost: localhost\r\n\r\n", HTTP1Bytes},
		"HTTP/1.1, the beginning later": {"POST /PRI HTTP/1.1\r\nHost: PRI \r\nContent-Length: 0\r\n\r\n", HTTP1Bytes},
		"HTTP/2, and no request":        {http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00", HTTP2Bytes},
		"HTTP/2, and the beginning again": {http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" +
			"\x00\x00\x08\x06\x00\x00\x00\x00\x00PRI * HT", HTTP2Bytes}, // a ping
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, test.sends); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Read(make([]byte, 1)); err != nil { // the server sends something once it has read that
				t.Fatal(err)
			}
			if used := budget.Accounts()[0].Used(); used != test.want {
				t.Errorf("%d bytes are counted, not %d", used, test.want)
			}
			_ = conn.Close()
			<-closed
			if used := budget.Accounts()[0].Used(); used != 0 {
				t.Errorf("%d bytes are counted in the end", used)
			}
		})
	}
}

// pipes is a listener for one end of a pipe.
type pipes struct {
	net.Listener
	conn net.Conn
}

func (p pipes) Accept() (net.Conn, error) { return p.conn, nil }

// HTTP/2 is recognized however few bytes arrive at once. A closed connection is not counted.
func TestHTTP2ComesByBytes(t *testing.T) {
	budget := memory.NewBudget(0, 0, slog.New(slog.DiscardHandler))
	account := budget.Account("connections")
	for n := range len(preface) + 1 {
		client, server := net.Pipe()
		conn, err := NewConnections(1, account).Listen(pipes{conn: server}).Accept()
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(client, http2.ClientPreface) }()
		for range n {
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		want := int64(HTTP1Bytes)
		if n == len(preface) {
			want = HTTP2Bytes
		}
		if used := account.Used(); used != want {
			t.Errorf("after %d bytes, %d are counted", n, used)
		}
		for range 2 {
			_ = conn.Close()
			if used := account.Used(); used != 0 {
				t.Errorf("after %d bytes, %d are counted in the end", n, used)
			}
		}
		if conn.(*limitedConn).take(1); account.Used() != 0 {
			t.Error("a closed connection is counted")
		}
		_ = client.Close()
	}
}
