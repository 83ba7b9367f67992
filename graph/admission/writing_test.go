package admission

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/internal/memory"
	"revox-graphql/internal/slowclient"
	"revox-graphql/internal/slowclient/slowtest"
)

// While the bytes of all responses are beyond their bound, clients are cut off that take nothing, and no others.
func TestResponsesBeingWrittenAreBounded(t *testing.T) {
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
		"slow ones of which the system tells": {1, []client{
			{20, 10e3, size, true, 1050 * seconds},
			{20, 1e6, 0, false, 2 * stallTimeout},
			{20, 1e6, size / 4, false, 3*seconds + 2*stallTimeout},
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
							slow := slowtest.New(kind.rate, kind.most)
							slow.Tells = strings.HasSuffix(name, "tells")
							to, client := slowclient.Wrap(slow)
							time.Sleep(executing)
							err := w.write(to, client, &Response{Parts: [3][]byte{make([]byte, size)}}, size)
							took := time.Since(began)
							if (err == nil) != kind.arrives || !kind.arrives && !client.TooSlow() || took > kind.within {
								t.Errorf("after %s of %d bytes a second: %v", took, kind.rate, err)
							}
						})
					}
				}
				all.Wait()
				if w.bytes != 0 || len(w.under) != 0 {
					t.Errorf("%d bytes of %d responses are still counted", w.bytes, len(w.under))
				}
			})
		})
	}
}

// writerFunc is a client that is called with what is written.
type writerFunc func([]byte)

func (writerFunc) Header() http.Header { return http.Header{} }
func (writerFunc) WriteHeader(int)     {}

// Write implements [io.Writer].
func (f writerFunc) Write(b []byte) (int, error) {
	f(b)
	return len(b), nil
}

// A small response is counted over HTTP/2 alone: over HTTP/1.1 the system has it at once.
func TestSmallResponsesCountOverHTTP2(t *testing.T) {
	const size = 100
	for _, stream := range []bool{false, true} {
		control := New(1, 0, 1<<20, memory.NewBudget(0, 0, slog.New(slog.DiscardHandler)))
		counted := int64(-1)
		to, client := slowclient.Wrap(writerFunc(func([]byte) { counted = control.sending.Used() }))
		request := control.Begin()
		response := Response{Parts: [3][]byte{make([]byte, size)}, Stream: stream}
		if err := request.Write(to, client, response); err != nil && !errors.Is(err, http.ErrNotSupported) {
			t.Fatal(err)
		}
		if want := map[bool]int64{false: 0, true: size}[stream]; counted != want {
			t.Errorf("stream %v: %d bytes are counted", stream, counted)
		}
		if control.sending.Used() != 0 {
			t.Errorf("stream %v: %d bytes are counted in the end", stream, control.sending.Used())
		}
	}
}

// Where a request is rejected because there is no memory, a response goes that its client does not read, and no other.
func TestRejectionsForMemoryCutOffStalledClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := memory.NewBudget(1<<20, 1<<20, slog.New(slog.DiscardHandler))
		budget.Account("other").Add(2 << 20)
		control := New(1, 0, 1<<30, budget)
		const size = 10 << 20
		var mu sync.Mutex
		cut := []int{}
		var all sync.WaitGroup
		for i, rate := range []int{300e3, 0, 0} {
			all.Go(func() {
				to, client := slowclient.Wrap(slowtest.New(max(1, rate), size*rate))
				if control.writing.write(to, client, &Response{Parts: [3][]byte{make([]byte, size)}}, size) != nil {
					mu.Lock()
					defer mu.Unlock()
					cut = append(cut, i)
				}
			})
			time.Sleep(time.Second)
		}
		for i, want := range [][]int{{}, {1}, {1, 2}, {1, 2}} { // after 3, 6, 9 and 12 seconds
			request := control.Begin()
			if err := request.Enter(); err != nil {
				t.Fatal(err)
			}
			if err := request.Reserve(100, 1000, 0); !errors.Is(err, ErrOverloaded) || control.Rejected(Memory) != uint64(i)+1 {
				t.Errorf("%v, %d were rejected", err, control.Rejected(Memory))
			}
			request.End()
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

// Requests whose responses become longer than there is memory for hold nothing from then on, and the last goes on.
func TestGrowingResponses(t *testing.T) {
	budget := memory.NewBudget(64<<20, 50<<20, slog.New(slog.DiscardHandler)) // 25 MiB are for large reservations
	control := New(10, 0, 0, budget)
	const most = 8 << 20 // takes 12 MiB
	var requests [3]Request
	var written [3][]byte
	for i := range requests {
		requests[i] = control.Begin()
		if err := requests[i].Reserve(0, most/2, most); err != nil {
			t.Fatal(err)
		}
		written[i] = make([]byte, most/2)
	}
	// 18 MiB are reserved. The first gets 6 more, the second none, and then there is room for the third.
	for i, want := range []bool{true, false, true} {
		before := requests[i].bytes
		grown, ok := requests[i].Grow(written[i], most, 0)
		if ok != want || ok != (len(grown) == most/2) || ok != (requests[i].Err() == nil) {
			t.Errorf("%d: %v, %d bytes, %v", i, ok, len(grown), requests[i].Err())
		}
		if got := requests[i].bytes; ok && got <= before || !ok && got != 0 {
			t.Errorf("%d: %d bytes are reserved after %d", i, got, before)
		}
	}
	if _, ok := requests[1].Grow(nil, most, 0); ok {
		t.Error("the second goes on without memory")
	}
	for i := range requests {
		requests[i].End()
	}
	if used := control.executing.Used(); used != 0 {
		t.Errorf("%d bytes are left", used)
	}
}
