package graph_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"revox-graphql/graph"
	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
)

// reporting keeps the report of each request.
func reporting(g *gateway) <-chan *graph.Report {
	reports := make(chan *graph.Report, 10)
	inner := g.Config.Handler
	g.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, report := graph.WithReport(r.Context())
		defer func() { reports <- report }()
		inner.ServeHTTP(w, r.WithContext(ctx))
	})
	return reports
}

// A client that goes away is no failure of the gateway's, wherever the request is then, and however it goes.
func TestClientsThatGo(t *testing.T) {
	const query = `{"query": "query Q { __typename calls(first: 2) { nodes { id } } }"}`
	post := func(length int, body string) string {
		return fmt.Sprintf("POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
			"Content-Length: %d\r\n\r\n%s", length, body)
	}
	for name, test := range map[string]struct {
		sends     string
		asks      bool // upstream is asked
		half      bool // it closes its half of the connection only
		responses string
	}{
		"while its query runs": {sends: post(len(query), query), asks: true},
		"while its query runs, and still listens": {
			sends: post(len(query), query), asks: true, half: true, responses: "HTTP/1.1 499 ",
		},
		"while its body is read": {sends: post(100, query[:50])},
		"while its body is read, and still listens": {
			sends: post(100, query[:50]), half: true, responses: "HTTP/1.1 499 ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, gatewayOptions{calls: 30})
			reports := reporting(g)
			arrived := make(chan struct{}, 10)
			g.fake.Behave(func(b *fake.Behaviour) {
				b.Latency = time.Hour // ends when the gateway gives up
				b.Fault = func(int, *http.Request) *fake.Response { arrived <- struct{}{}; return nil }
			})
			conn, err := net.Dial("tcp", g.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, test.sends); err != nil {
				t.Fatal(err)
			}
			if test.asks {
				<-arrived
			}
			if test.half {
				err = conn.(*net.TCPConn).CloseWrite()
			} else {
				err = conn.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			if report := <-reports; report.Code != "CLIENT_CLOSED_REQUEST" || report.Failed() {
				t.Errorf("the report is %+v", report)
			}
			if log := g.log.String(); log != "" {
				t.Errorf("log: %s", log)
			}
			if test.responses != "" {
				if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, test.responses) {
					t.Errorf("it is answered %q, %v", line, err)
				}
			}
		})
	}
}

// leaver is an upstream in which the client leaves, and something goes wrong that has nothing to do with that.
type leaver struct {
	leave context.CancelFunc
	fail  func() error
}

func (l leaver) ListCalls(context.Context, upstream.ListCallsOptions) (*upstream.Page, error) {
	l.leave()
	return nil, l.fail()
}

// What is the gateway's own fault stays that, also where the client has gone meanwhile; and a request that is cancelled
// by nobody is one.
func TestFaultsOfWhomTheClientLeft(t *testing.T) {
	for name, test := range map[string]struct {
		fail func() error
		code string
	}{
		"it is cancelled": {func() error { return context.Canceled }, "CLIENT_CLOSED_REQUEST"},
		"a bug":           {func() error { return errors.New("a bug") }, "INTERNAL_SERVER_ERROR"},
		"a panic":         {func() error { panic("a bug") }, "INTERNAL_SERVER_ERROR"},
		"upstream failed before": {
			func() error { return &upstream.Error{Kind: upstream.KindUnavailable} }, "UPSTREAM_UNAVAILABLE",
		},
	} {
		for _, leaves := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, and the client leaves: %v", name, leaves), func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				lister := leaver{func() {}, test.fail}
				if leaves {
					lister.leave = cancel
				}
				g := newGateway(t, gatewayOptions{graph: func(o *graph.Options) { o.Calls = lister }})
				ctx, report := graph.WithReport(ctx)
				status, body := g.serveContext(ctx, http.MethodPost, `{"query": "{ calls { nodes { id } } }"}`)
				want := test.code
				if !leaves && want == "CLIENT_CLOSED_REQUEST" {
					want = "INTERNAL_SERVER_ERROR"
				}
				if report.Code != want || (status == 499) != (want == "CLIENT_CLOSED_REQUEST") || decode(t, body).code(t) != want {
					t.Errorf("%d, %+v, %s", status, report, body)
				}
				if logged := strings.Contains(g.log.String(), "internal error"); logged != (want == "INTERNAL_SERVER_ERROR") {
					t.Errorf("log: %s", g.log)
				}
			})
		}
	}
}
