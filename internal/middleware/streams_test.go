package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/internal/middleware"
	"revox-graphql/internal/slowclient"
)

// stream is an HTTP/2 stream whose client reads a chunk after each pause; with a pause of 0 it reads none.
type stream struct {
	*httptest.ResponseRecorder
	pause time.Duration
	cut   chan struct{}
	once  sync.Once
}

// Write implements [http.ResponseWriter].
func (s *stream) Write(b []byte) (int, error) {
	var taken <-chan time.Time
	if s.pause > 0 {
		taken = time.After(s.pause)
	}
	select {
	case <-taken:
		return len(b), nil
	case <-s.cut:
		return 0, os.ErrDeadlineExceeded
	}
}

// SetWriteDeadline is for [http.ResponseController].
func (s *stream) SetWriteDeadline(deadline time.Time) error {
	if deadline.Before(time.Now()) {
		s.once.Do(func() { close(s.cut) })
	}
	return nil
}

// Beyond the limit, the stream is cut off whose client is stalled.
func TestStreamsThatAreCutOff(t *testing.T) {
	const (
		executes = iota // for a minute, and then responds
		reads           // four chunks per second
		stalls          // reads nothing
	)
	for name, test := range map[string]struct {
		open []int // 1.1 s apart, at most two at once
		cut  []int
	}{
		"one that is stalled, and not one that is executed": {[]int{executes, stalls, executes}, []int{1}},
		"one that is stalled, and not one that reads":       {[]int{reads, stalls, reads}, []int{1}},
		"the one that is stalled longest":                   {[]int{stalls, stalls, reads, stalls}, []int{0, 1}},
		"the oldest, if none is stalled":                    {[]int{executes, reads, reads}, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				streams := middleware.NewStreams(2)
				var opened []*stream
				var all sync.WaitGroup
				for _, kind := range test.open {
					w := &stream{ResponseRecorder: httptest.NewRecorder(), cut: make(chan struct{})}
					if kind != stalls {
						w.pause = time.Second / 4
					}
					opened = append(opened, w)
					handler := streams.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						if kind == executes {
							time.Sleep(time.Minute)
						}
						_, _ = w.Write(make([]byte, 60*slowclient.Chunk))
					}))
					all.Go(func() {
						r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
						r.ProtoMajor = 2
						handler.ServeHTTP(w, r)
					})
					time.Sleep(1100 * time.Millisecond)
				}
				var cut []int
				for i, w := range opened {
					select {
					case <-w.cut:
						cut = append(cut, i)
					default:
						_ = w.SetWriteDeadline(time.Unix(1, 0))
					}
				}
				if !slices.Equal(cut, test.cut) || streams.Cut() != uint64(len(cut)) {
					t.Errorf("%v are cut off, and %d are counted", cut, streams.Cut())
				}
				all.Wait()
			})
		})
	}
}

// stuckStream is an HTTP/2 stream whose connection accepts no deadline until the test releases it.
type stuckStream struct {
	*httptest.ResponseRecorder
	asked, letGo chan struct{}
}

// SetReadDeadline is for [http.ResponseController].
func (s *stuckStream) SetReadDeadline(time.Time) error {
	close(s.asked)
	<-s.letGo
	return nil
}

// Cutting off a client waits for its connection. Only the request that replaces it waits as long.
func TestAStuckConnectionHoldsUpOne(t *testing.T) {
	streams := middleware.NewStreams(1)
	open := func(w http.ResponseWriter, handler http.HandlerFunc) (ended chan struct{}) {
		ended = make(chan struct{})
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.ProtoMajor = 2
		go func() {
			defer close(ended)
			streams.Wrap(handler).ServeHTTP(w, r)
		}()
		return ended
	}
	stuck := &stuckStream{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
	started := make(chan struct{})
	first := open(stuck, func(http.ResponseWriter, *http.Request) {
		close(started)
		<-stuck.letGo
	})
	<-started
	second := open(httptest.NewRecorder(), func(http.ResponseWriter, *http.Request) {})
	<-stuck.asked
	third := open(httptest.NewRecorder(), func(http.ResponseWriter, *http.Request) {})
	select {
	case <-third:
	case <-time.After(time.Minute):
		t.Error("a request waits for the connection of another")
	}
	close(stuck.letGo)
	<-first
	<-second
	if cut := streams.Cut(); cut != 2 {
		t.Errorf("%d were cut off, want the first and the second", cut)
	}
}
