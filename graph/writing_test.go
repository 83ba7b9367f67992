package graph

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// stuck is a client that reads nothing.
type stuck struct {
	*httptest.ResponseRecorder
	writes, cut chan struct{}
}

func newStuck() *stuck {
	return &stuck{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
}

func (s *stuck) Write([]byte) (int, error) {
	close(s.writes)
	<-s.cut
	return 0, io.ErrClosedPipe
}

func (s *stuck) SetWriteDeadline(time.Time) error {
	close(s.cut)
	return nil
}

// Answers that are being written are bounded as a whole, and the one that takes longest gives way.
func TestAnswersOnTheirWayAreBounded(t *testing.T) {
	const size = 2 * smallAnswer
	w := &writing{maxBytes: 2 * size}
	clients := []*stuck{newStuck(), newStuck(), newStuck()}
	done := make([]chan struct{}, len(clients))
	for i, client := range clients {
		done[i] = make(chan struct{})
		go func() {
			defer close(done[i])
			w.write(client, nil, size)
		}()
		<-client.writes
	}
	<-done[0] // when the third came
	select {
	case <-clients[1].cut:
		t.Error("the second is cut off too")
	default:
	}
	large := httptest.NewRecorder() // alone it has more bytes than all may have
	w.write(large, []byte("large"), 3*size)
	<-done[1]
	<-done[2]
	if large.Body.String() != "large" {
		t.Errorf("got %q", large.Body)
	}
	last := newStuck()
	go w.write(last, nil, smallAnswer)
	<-last.writes
	if w.bytes != 0 || w.under.Len() != 0 {
		t.Errorf("%d bytes of %d answers are still counted", w.bytes, w.under.Len())
	}
	_ = last.SetWriteDeadline(time.Time{})
}

// What is held is more than what is sent, where an answer is compressed; and every answer goes this way.
func TestAnswersAreCounted(t *testing.T) {
	capacity := NewCapacity(1, 0, 1)
	first := newStuck()
	done := make(chan struct{})
	r := httptest.NewRequest(http.MethodPost, "/graphql", http.NoBody)
	send := func(w http.ResponseWriter, body int, held int) {
		x := &exchange{w: w, r: r, contentType: applicationJSON, capacity: capacity, inside: capacity.enter(), held: held}
		x.send(http.StatusOK, make([]byte, body))
	}
	go func() {
		defer close(done)
		send(first, 1, 2*smallAnswer)
	}()
	<-first.writes
	if capacity.Inside() != 0 {
		t.Error("it has a place while it is written")
	}
	send(httptest.NewRecorder(), 2*smallAnswer, 0)
	<-done
}

// Over HTTP/2 small answers are counted too: the client decides how much of them the system takes.
func TestSmallAnswersOverHTTP2AreCounted(t *testing.T) {
	for protocol, counted := range map[int]int{1: 0, 2: 1} {
		capacity := NewCapacity(1, 0, 1<<20)
		r := httptest.NewRequest(http.MethodPost, "/graphql", http.NoBody)
		r.ProtoMajor = protocol
		client := newStuck()
		done := make(chan struct{})
		go func() {
			defer close(done)
			x := &exchange{w: client, r: r, contentType: applicationJSON, capacity: capacity}
			x.send(http.StatusOK, []byte("{}"))
		}()
		<-client.writes
		capacity.answers.mu.Lock()
		if n, bytes := capacity.answers.under.Len(), capacity.answers.bytes; n != counted || bytes < counted*smallAnswer {
			t.Errorf("HTTP/%d: %d answers with %d bytes are counted", protocol, n, bytes)
		}
		capacity.answers.mu.Unlock()
		_ = client.SetWriteDeadline(time.Time{})
		<-done
		if client.Flushed != (counted > 0) { // else the rest would be written when it is not counted any more
			t.Errorf("HTTP/%d: flushed: %v", protocol, client.Flushed)
		}
	}
}
