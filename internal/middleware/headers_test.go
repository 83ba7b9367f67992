package middleware

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// pipeListener accepts one connection, in memory.
type pipeListener struct {
	net.Listener
	conns chan net.Conn
}

func (l *pipeListener) Accept() (net.Conn, error) {
	if conn, ok := <-l.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l *pipeListener) Close() error { return nil }

// A connection that exceeds the limit is closed without a response, even if net/http has read a part of the request
// line: after a response, proxies would not retry with another gateway.
func TestNoResponseToTooManyHeaders(t *testing.T) {
	for name, size := range map[string]int{"between two reads": 5 * 4096, "within a line": 5*4096 + 100} {
		t.Run(name, func(t *testing.T) {
			headers := NewHeaders(size)
			server := &http.Server{Handler: http.NotFoundHandler()}
			headers.Watch(server)
			listener := &pipeListener{conns: make(chan net.Conn, 1)}
			client, conn := net.Pipe()
			listener.conns <- conn
			go func() { _ = server.Serve(headers.Listen(listener)) }()
			defer func() {
				close(listener.conns)
				_ = server.Close()
			}()

			response := make(chan string)
			go func() {
				text, _ := io.ReadAll(client)
				response <- string(text)
			}()
			begin := "GET /?"
			for _, text := range []string{begin + strings.Repeat("x", size-len(begin)), "x"} {
				if _, err := io.WriteString(client, text); err != nil { // it returns once the server has read the text
					t.Fatal(err)
				}
			}
			if text := <-response; text != "" || headers.Rejected() != 1 {
				t.Errorf("%d closed, and the response is %q", headers.Rejected(), text)
			}
		})
	}
}
