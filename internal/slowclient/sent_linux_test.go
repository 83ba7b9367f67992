package slowclient_test

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"revox-graphql/internal/gather"
	"revox-graphql/internal/slowclient"
)

// A client that reads makes progress, although the system accepts no chunk of its response meanwhile.
func TestTookWithin(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	writers := make(chan *slowclient.Writer, 1)
	server := &http.Server{ReadHeaderTimeout: time.Minute}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		to, client := slowclient.Wrap(w)
		writers <- client
		_ = client.Whole(to, make([]byte, 64<<20))
	})
	slowclient.Watch(server)
	go func() { _ = server.Serve(gather.Listen(listener)) }()
	defer func() { _ = server.Close() }()
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	writer := <-writers
	const brief = 100 * time.Millisecond
	for writer.TookWithin(brief) || writer.Waited() < brief { // until the buffers of both systems are full
		time.Sleep(time.Millisecond)
	}
	stalled := writer.Progress()
	read := make([]byte, 64<<10)
	for !writer.TookWithin(brief) {
		if _, err := io.ReadFull(client, read); err != nil {
			t.Fatal(err)
		}
	}
	if !writer.Progress().After(stalled) {
		t.Error("what the client reads does not count as progress")
	}
}
