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
	send := func(w http.ResponseWriter, body int, held int) {
		x := &exchange{w: w, contentType: applicationJSON, capacity: capacity, inside: capacity.enter(), held: held}
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
