package graph_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"revox-graphql/graph"
	"revox-graphql/upstream"
)

// broken is an upstream in which the gateway itself fails.
type broken struct{ panics bool }

func (b broken) ListCalls(context.Context, upstream.ListCallsOptions) (*upstream.Page, error) {
	if b.panics {
		panic("a bug")
	}
	return nil, errors.New("a bug")
}

// An internal error has the id that the response has, and the log too.
func TestInternalErrorsHaveTheRequestID(t *testing.T) {
	for _, panics := range []bool{false, true} {
		g := newGateway(t, gatewayOptions{graph: func(o *graph.Options) { o.Calls = broken{panics} }})
		inner := g.Config.Handler
		g.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Test-Id") != "" {
				w.Header().Set("X-Request-Id", "id-of-this-request")
			}
			inner.ServeHTTP(w, r)
		})
		const query = `{"query": "{ calls { nodes { id } } }"}`
		_, _, body := g.post(t, query, http.Header{"X-Test-Id": {"1"}})
		a := decode(t, body)
		if code := a.code(t); code != "INTERNAL_SERVER_ERROR" || a.Errors[0].Extensions["requestId"] != "id-of-this-request" {
			t.Errorf("got %s", body)
		}
		if log := g.log.String(); !strings.Contains(log, "requestId=id-of-this-request") || !strings.Contains(log, "a bug") {
			t.Errorf("log: %s", log)
		}
		// What the request says of itself is no id.
		_, _, body = g.post(t, query, http.Header{"X-Request-Id": {"theirs"}})
		if id, _ := decode(t, body).Errors[0].Extensions["requestId"].(string); id == "theirs" || len(id) < 20 {
			t.Errorf("got %s", body)
		}
		g.Close()
	}
}

// What panics outside of the resolvers is reported with the id as well.
func TestPanicsHaveTheRequestID(t *testing.T) {
	g := newGateway(t, gatewayOptions{})
	defer g.Close()
	r, w := httptest.NewRequest(http.MethodPost, "/", panicking{}), httptest.NewRecorder()
	r.Header.Set("Content-Type", "application/json")
	w.Header().Set("X-Request-Id", "id-of-this-request")
	g.Config.Handler.ServeHTTP(w, r)
	a := decode(t, w.Body.Bytes())
	if w.Code != http.StatusInternalServerError || a.code(t) != "INTERNAL_SERVER_ERROR" ||
		a.Errors[0].Extensions["requestId"] != "id-of-this-request" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// panicking is a body in which a bug shows.
type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("a bug") }
