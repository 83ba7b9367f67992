package graph

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
