package graph

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/graph/admission"
	"revox-graphql/internal/errcode"
	"revox-graphql/internal/slowclient/slowtest"
)

// Bodies that are being read are bounded as a whole, and give their bytes back.
func TestBodiesAreBounded(t *testing.T) {
	const size = 10_000
	control := admission.New(1, size, 0, nil)
	held, write := io.Pipe()
	post := func(body io.Reader, length int64) (text string, rejected *rejection) {
		r := httptest.NewRequest(http.MethodPost, "/graphql", body)
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = length
		return readText(httptest.NewRecorder(), r, size, control)
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
	if _, rejected := post(strings.NewReader(large), size/2+1); rejected == nil ||
		rejected.status != http.StatusServiceUnavailable ||
		rejected.errors[0].Extensions["code"] != errcode.Overloaded {
		t.Errorf("got %+v", rejected)
	}
	if text, rejected := post(strings.NewReader("{}"), 2); rejected != nil || text != "{}" { // small ones are not counted
		t.Errorf("got %q, %+v", text, rejected)
	}
	_ = write.Close()
	<-done
	if _, rejected := post(strings.NewReader(large), size/2+1); rejected != nil {
		t.Errorf("got %+v", rejected)
	}
	if _, rejected := post(strings.NewReader(strings.Repeat(" ", size)), size); rejected != nil {
		t.Errorf("bytes are still counted: %+v", rejected)
	}
	if control.Rejected(admission.BodyBytes) == 0 { // the slow one may have met the large one, too
		t.Error("no rejection is counted")
	}
}

// A request that is rejected after its body was read leaves its connection as it was: a deadline for reading would end
// it for the requests that follow, as if the client had gone.
func TestARefusalLeavesItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		control := admission.New(0, 1<<20, 1<<20, nil)
		here, there := net.Pipe()
		ended := make(chan error, 1)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, rejected := readText(w, r, 1<<20, control); rejected != nil {
				t.Error(rejected.errors)
			}
			if admitted := control.Begin(); admitted.Enter() == nil {
				t.Error("there is a slot")
			}
			x := &exchange{w: w, r: r, contentType: applicationJSON, report: &Report{}}
			x.reject(overloaded())
			time.Sleep(2 * bodyPatience) // longer than a deadline would be
			ended <- r.Context().Err()
		})}
		listener := &oneConn{conn: there, closed: make(chan struct{})}
		go func() { _ = server.Serve(listener) }()
		request := "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
		if _, err := io.WriteString(here, request); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, here) }()
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

// Each response is counted as what it holds, and its request has given its slot back by then. What is small is not
// counted over HTTP/1.1; over HTTP/2 the client decides how much of it the system takes.
func TestResponsesAreCounted(t *testing.T) {
	const small = 16 << 10
	for name, test := range map[string]struct {
		protocol, body, held int
		counted              int // bytes
		flushed              bool
	}{
		"short":                 {1, 2, 0, 0, false},
		"small":                 {1, small, 0, 0, true},
		"short, by HTTP/2":      {2, 2, 0, 2, true},
		"large":                 {1, 2 * small, 0, 2 * small, true},
		"compressed":            {1, 2, 2 * small, 2 * small, true},
		"compressed, by HTTP/2": {2, 2, 2 * small, 2 * small, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				budget := budgetOf(1 << 30)
				control := admission.New(1, 0, 1<<20, budget)
				r := httptest.NewRequest(http.MethodPost, "/graphql", http.NoBody)
				r.ProtoMajor = test.protocol
				client := slowtest.New(1, 0)
				report := &Report{}
				done := make(chan struct{})
				go func() {
					defer close(done)
					admitted := control.Begin()
					if err := admitted.Enter(); err != nil {
						t.Error(err)
					}
					x := &exchange{
						w: client, r: r, contentType: applicationJSON, report: report, admission: admitted,
						buffer: bytes.NewBuffer(make([]byte, 0, test.held)),
					}
					x.send(http.StatusOK, make([]byte, test.body), 0)
				}()
				synctest.Wait()
				if control.InFlight() != 0 {
					t.Error("it has a slot while it is written")
				}
				if got := used(t, budget, "responses_being_written"); got != int64(test.counted) {
					t.Errorf("%d bytes are counted", got)
				}
				<-done
				if !report.Unsent || report.Code != errcode.ClientTooSlow || report.Failed() {
					t.Errorf("the report is %+v", report)
				}
				fast := slowtest.New(1e6, 1<<20)
				admitted := control.Begin()
				if err := admitted.Enter(); err != nil {
					t.Fatal(err)
				}
				x := &exchange{
					w: fast, r: r, contentType: applicationJSON, report: &Report{}, admission: admitted,
					buffer: bytes.NewBuffer(make([]byte, 0, test.held)),
				}
				x.send(http.StatusOK, make([]byte, test.body), 0)
				if fast.Flushed != test.flushed { // what is counted is: the rest would be written when it is not any more
					t.Errorf("flushed: %v", fast.Flushed)
				}
				if got := used(t, budget, "responses_being_written"); got != 0 || control.InFlight() != 0 {
					t.Errorf("%d bytes of %d requests are still counted", got, control.InFlight())
				}
				if x.report.Unsent || x.report.Code != "" {
					t.Errorf("the report is %+v", x.report)
				}
			})
		})
	}
}

// A buffer that has become large is not kept for the next body: a client that sends slowly would hold it.
func TestLargeBodiesAreNotKept(t *testing.T) {
	for range 10 {
		body := takeBody()
		if body.Cap() > maxIdleBody || body.Len() != 0 {
			t.Fatalf("a buffer of %d bytes was kept", body.Cap())
		}
		body.Grow(2 * maxIdleBody)
		giveBody(body)
	}
}
