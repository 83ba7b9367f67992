package gather_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"revox-graphql/internal/gather"
)

// network records what is sent; it fails if it has an error.
type network struct {
	net.Conn
	sent   bytes.Buffer
	err    error
	closed bool
}

func (n *network) Close() error {
	n.closed = true
	return nil
}

func (n *network) Write(p []byte) (int, error) {
	if n.err != nil {
		return 0, n.err
	}
	return n.sent.Write(p)
}

// wrapped is a connection around another, as the middleware makes them.
type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

// A short piece waits for the next one, and nothing waits outside of Hold and Release.
func TestPiecesAreGathered(t *testing.T) {
	sent := &network{}
	outer := wrapped{wrapped{&gather.Conn{Conn: sent}}}
	conn := gather.Of(outer)
	write := func(piece string, want int) {
		t.Helper()
		if n, err := outer.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
		if sent.sent.Len() != want {
			t.Fatalf("%d bytes are sent, want %d", sent.sent.Len(), want)
		}
	}
	long := strings.Repeat("x", 5000)
	write("before", 6)
	conn.Hold()
	write("head", 6)
	write(long, 5010)
	write(long, 10010)
	write("more", 10010)
	conn.Last()
	write("last", 10018)
	conn.Hold()
	write("head", 10018)
	conn.Last()
	if err := conn.Release(); err != nil || sent.sent.Len() != 10022 {
		t.Fatal(sent.sent.Len(), err)
	}
	write("after", 10027)
	if got, want := sent.sent.String(), "before"+"head"+long+long+"morelast"+"head"+"after"; got != want {
		t.Error("the bytes are in another order")
	}
}

// An error of sending a held piece is not lost. If net/http does not get the error, the connection is closed: nothing
// may follow half of a response.
func TestErrorsAreReported(t *testing.T) {
	failure := errors.New("the client has left")
	sent := &network{err: failure}
	conn := &gather.Conn{Conn: sent}
	conn.Hold()
	if n, err := conn.Write([]byte("head")); n != 4 || err != nil {
		t.Error(n, err)
	}
	if n, err := conn.Write([]byte("body")); n != 0 || !errors.Is(err, failure) || sent.closed {
		t.Error(n, err)
	}
	if _, err := conn.Write([]byte("head")); err != nil {
		t.Error(err)
	}
	if err := conn.Release(); !errors.Is(err, failure) || !sent.closed {
		t.Error(err, sent.closed)
	}
	if err := conn.Release(); err != nil {
		t.Error(err)
	}
}

// Connections of a listener gather; other connections do not, and need no special case.
func TestOf(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gathering := gather.Listen(listener)
	defer func() { _ = gathering.Close() }()
	client, err := new(net.Dialer).DialContext(context.WithoutCancel(t.Context()), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	conn, err := gathering.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if gather.Of(conn) != conn {
		t.Error("an accepted connection does not gather")
	}
	none := gather.Of(wrapped{client})
	none.Hold()
	if err := none.Release(); none != nil || err != nil {
		t.Error("another connection gathers")
	}
}
