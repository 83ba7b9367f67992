package graph

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/internal/errcode"
)

// Bodies that are being read are bounded as a whole, and give their bytes back.
func TestBodiesAreBounded(t *testing.T) {
	const size = 10_000
	capacity := NewCapacity(1, size, 0)
	held, write := io.Pipe()
	post := func(body io.Reader, length int64) (text string, refused *refusal) {
		r := httptest.NewRequest(http.MethodPost, "/graphql", body)
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = length
		return readText(httptest.NewRecorder(), r, size, capacity)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = post(held, -1)
	}()
	if _, err := io.WriteString(write, strings.Repeat(" ", size/2)); err != nil { // returns when it has been read
		t.Fatal(err)
	}
	if _, err := io.WriteString(write, " "); err != nil { // is read after that has been counted
		t.Fatal(err)
	}
	large := strings.Repeat(" ", size/2+1)
	if _, refused := post(strings.NewReader(large), size/2+1); refused == nil || refused.status != http.StatusServiceUnavailable ||
		refused.errors[0].Extensions["code"] != errcode.Overloaded {
		t.Errorf("got %+v", refused)
	}
	if text, refused := post(strings.NewReader("{}"), 2); refused != nil || text != "{}" { // small ones are not counted
		t.Errorf("got %q, %+v", text, refused)
	}
	_ = write.Close()
	<-done
	if _, refused := post(strings.NewReader(large), size/2+1); refused != nil {
		t.Errorf("got %+v", refused)
	}
	if n := capacity.bodies.Load(); n != 0 || capacity.Shed() == 0 { // the slow one may have met the large one, too
		t.Errorf("%d bytes are still counted, %d were refused", n, capacity.Shed())
	}
}

// A request that is refused after its body was read leaves its connection as it was: a deadline for reading would end
// it for the requests that follow, as if the client had gone.
func TestARefusalLeavesItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		capacity := NewCapacity(0, 1<<20, 1<<20)
		here, there := net.Pipe()
		ended := make(chan error, 1)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, refused := readText(w, r, 1<<20, capacity); refused != nil {
				t.Error(refused.errors)
			}
			capacity.refuse(w)
			time.Sleep(2 * bodyPatience) // while its answer is written
			ended <- r.Context().Err()
		})}
		listener := &oneConn{conn: there, closed: make(chan struct{})}
		go func() { _ = server.Serve(listener) }()
		request := "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
		if _, err := io.WriteString(here, request); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = here.Close()
		_ = server.Close()
	})
}

// oneConn is a listener with one connection.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	if conn := l.conn; conn != nil {
		l.conn = nil
		return conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }
