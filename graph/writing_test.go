package graph

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/internal/errcode"
	"revox-graphql/internal/slowclient"
)

// pacedClient is a client that reads so many bytes a second, and at most so many; it keeps none.
type pacedClient struct {
	*httptest.ResponseRecorder
	rate, most int

	mu       sync.Mutex
	read     int
	deadline time.Time
	changed  chan struct{} // the deadline has
}

func newPacedClient(rate, most int) *pacedClient {
	return &pacedClient{ResponseRecorder: httptest.NewRecorder(), rate: rate, most: most, changed: make(chan struct{}, 1)}
}

func (r *pacedClient) Write(b []byte) (int, error) {
	var arrived <-chan time.Time
	if r.read += len(b); r.read <= r.most {
		arrived = time.After(time.Duration(len(b)) * time.Second / time.Duration(r.rate))
	}
	for {
		r.mu.Lock()
		late := time.After(time.Until(r.deadline))
		r.mu.Unlock()
		select {
		case <-arrived:
			return len(b), nil
		case <-late:
			return 0, os.ErrDeadlineExceeded
		case <-r.changed:
		}
	}
}

func (r *pacedClient) SetWriteDeadline(deadline time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deadline = deadline
	select {
	case r.changed <- struct{}{}:
	default:
	}
	return nil
}

// While the bytes of all answers are beyond their bound, clients are cut off that take nothing, and no others.
func TestAnswersOnTheirWayAreBounded(t *testing.T) {
	const (
		size    = 10 << 20
		seconds = time.Second
	)
	type client struct {
		count, rate, most int
		arrives           bool
		within            time.Duration
	}
	for name, test := range map[string]struct {
		room    int // for so many answers
		clients []client
	}{
		"there is room": {2, []client{
			{1, 50e3, size, true, 210 * seconds},
			{1, 1e6, 0, false, slowclient.Timeout},
		}},
		"honest ones are many":       {2, []client{{120, 2e6, size, true, 6 * seconds}}},
		"one larger than all may be": {0, []client{{1, 2e6, size, true, 6 * seconds}}},
		"honest ones, and stalled ones that came later": {10, []client{
			{60, 2e6, size, true, 6 * seconds},
			{60, 1e6, 0, false, stallTimeout},
		}},
		"stalled ones came first, and half-way": {10, []client{
			{20, 100e6, size / 2, false, stallTimeout + seconds},
			{10, 2e6, size, true, 6 * seconds},
		}},
		"no more than have to are cut off": {3, []client{
			{1, 100e6, size / 4, false, stallTimeout + seconds},
			{3, 200e3, size, true, 60 * seconds},
		}},
		"slow ones where memory is short": {1, []client{
			{1, 40e3, size, false, stallTimeout},
			{1, 300e3, size, true, 36 * seconds},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &writing{maxBytes: test.room * size}
				const executing = 2 * slowclient.Timeout // which is not held against a client
				began := time.Now().Add(executing)
				var all sync.WaitGroup
				for _, kind := range test.clients {
					for range kind.count {
						all.Go(func() {
							to, client := slowclient.Wrap(newPacedClient(kind.rate, kind.most))
							time.Sleep(executing)
							err := w.write(to, client, make([]byte, size), size)
							took := time.Since(began)
							if (err == nil) != kind.arrives || !kind.arrives && !client.TooSlow() || took > kind.within {
								t.Errorf("after %s of %d bytes a second: %v", took, kind.rate, err)
							}
						})
					}
				}
				all.Wait()
				if w.bytes != 0 || len(w.under) != 0 {
					t.Errorf("%d bytes of %d answers are still counted", w.bytes, len(w.under))
				}
			})
		})
	}
}

// Each answer goes this way, counted as what it holds, and has left its place by then. What is small is not counted
// over HTTP/1.1; over HTTP/2 the client decides how much of it the system takes.
func TestAnswersAreCounted(t *testing.T) {
	for name, test := range map[string]struct {
		protocol, body, held int
		counted              int // bytes
		flushed              bool
	}{
		"small":                 {1, 2, 0, 0, false},
		"small, by HTTP/2":      {2, 2, 0, smallAnswer + 1, true},
		"large":                 {1, 2 * smallAnswer, 0, 2 * smallAnswer, true},
		"compressed":            {1, 2, 2 * smallAnswer, 2 * smallAnswer, true},
		"compressed, by HTTP/2": {2, 2, 2 * smallAnswer, 2 * smallAnswer, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				capacity := NewCapacity(1, 0, 1<<20)
				r := httptest.NewRequest(http.MethodPost, "/graphql", http.NoBody)
				r.ProtoMajor = test.protocol
				client := newPacedClient(1, 0)
				report := &Report{}
				done := make(chan struct{})
				go func() {
					defer close(done)
					x := &exchange{
						w: client, r: r, contentType: applicationJSON, report: report,
						capacity: capacity, inside: capacity.enter(), held: test.held,
					}
					x.send(http.StatusOK, make([]byte, test.body))
				}()
				synctest.Wait()
				if capacity.Inside() != 0 {
					t.Error("it has a place while it is written")
				}
				capacity.answers.mu.Lock()
				if capacity.answers.bytes != test.counted {
					t.Errorf("%d bytes are counted", capacity.answers.bytes)
				}
				capacity.answers.mu.Unlock()
				<-done
				if !report.Unsent || report.Code != errcode.ClientTooSlow || report.Failed() {
					t.Errorf("the report is %+v", report)
				}
				fast := newPacedClient(1e6, 1<<20)
				x := &exchange{w: fast, r: r, contentType: applicationJSON, report: &Report{}, capacity: capacity, held: test.held}
				x.send(http.StatusOK, make([]byte, test.body))
				if fast.Flushed != test.flushed { // else the rest would be written when it is not counted any more
					t.Errorf("flushed: %v", fast.Flushed)
				}
				if x.report.Unsent || x.report.Code != "" {
					t.Errorf("the report is %+v", x.report)
				}
			})
		})
	}
}

// Where a request is refused for want of memory, an answer goes that its client does not read, and no other.
func TestRefusalsForMemoryCutOffStalledClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		capacity := NewCapacity(1, 0, 1<<30)
		const size = 10 << 20
		var mu sync.Mutex
		cut := []int{}
		var all sync.WaitGroup
		for i, rate := range []int{300e3, 0, 0} {
			all.Go(func() {
				to, client := slowclient.Wrap(newPacedClient(max(1, rate), size*rate))
				if capacity.answers.write(to, client, make([]byte, size), size) != nil {
					mu.Lock()
					defer mu.Unlock()
					cut = append(cut, i)
				}
			})
			time.Sleep(time.Second)
		}
		for i, want := range [][]int{{}, {1}, {1, 2}, {1, 2}} { // after 3, 6, 9 and 12 seconds
			if refused := capacity.refuseForMemory(httptest.NewRecorder()); refused.status != http.StatusServiceUnavailable {
				t.Errorf("refused with %d", refused.status)
			}
			synctest.Wait()
			mu.Lock()
			if !slices.Equal(cut, want) {
				t.Errorf("%d. %v are cut off, want %v", i, cut, want)
			}
			mu.Unlock()
			time.Sleep(3 * time.Second)
		}
		all.Wait()
	})
}
