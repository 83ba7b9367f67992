package fake_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream/fake"
)

func TestRefusals(t *testing.T) {
	tests := []struct {
		name   string
		change func(*fake.Behaviour)
		method string
		target string
		auth   string
		status int
	}{
		{name: "fine", target: "/call?page=0&page_size=3", status: 200},
		{name: "any prefix", target: "/a/b/c/call?page=0&page_size=3", status: 200},
		{name: "other path", target: "/api/calls?page=0&page_size=3", status: 404},
		{name: "below", target: "/api/call/some-id?page=0&page_size=3", status: 404},
		{name: "other method", method: "POST", target: "/call?page=0&page_size=3", status: 405},
		{name: "no page", target: "/call?page_size=3", status: 422},
		{name: "no size", target: "/call?page=0", status: 422},
		{name: "page is text", target: "/call?page=one&page_size=3", status: 422},
		{name: "size is a fraction", target: "/call?page=0&page_size=2.5", status: 422},
		{name: "size 0", target: "/call?page=0&page_size=0", status: 422},
		{name: "page -1", target: "/call?page=-1&page_size=3", status: 422},
		{name: "no such status", target: "/call?page=0&page_size=3&statuses=done", status: 422},
		{name: "status of an attempt", target: "/call?page=0&page_size=3&statuses=completed,ringing", status: 422},
		{name: "empty statuses", target: "/call?page=0&page_size=3&statuses=", status: 200},
		{
			name: "page 0 of pages from 1", change: func(b *fake.Behaviour) { b.FirstPage = 1 },
			target: "/call?page=0&page_size=3", status: 422,
		},
		{name: "key not asked for", auth: "Bearer sk_any", target: "/call?page=0&page_size=3", status: 200},
		{
			name: "key", change: func(b *fake.Behaviour) { b.Key = "sk_1" }, auth: "Bearer sk_1",
			target: "/call?page=0&page_size=3", status: 200,
		},
		{name: "no key", change: func(b *fake.Behaviour) { b.Key = "sk_1" }, target: "/call?page=0&page_size=3", status: 401},
		{
			name: "wrong key", change: func(b *fake.Behaviour) { b.Key = "sk_1" }, auth: "Bearer sk_2",
			target: "/call?page=0&page_size=3", status: 401,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := fake.New(fake.Config{Seed: 1, Calls: 9, Now: still})
			if tt.change != nil {
				u.Behave(tt.change)
			}
			r := httptest.NewRequestWithContext(t.Context(), tt.method, tt.target, nil)
			r.Header.Set("Authorization", tt.auth)
			w := httptest.NewRecorder()
			u.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Fatalf("%d, expected %d: %s", w.Code, tt.status, w.Body)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type %q", got)
			}
			if w.Code != 200 {
				var body struct {
					Error struct{ Code, Message string }
				}
				strict(t, w.Body.Bytes(), &body)
			}
		})
	}
}

func TestPageSwitches(t *testing.T) {
	const size = 4
	tests := []struct {
		name   string
		change func(*fake.Behaviour)
		page   int
		from   int // of the list
		rows   int
	}{
		{name: "from 0", change: func(*fake.Behaviour) {}, page: 1, from: 4, rows: 4},
		{name: "from 1", change: func(b *fake.Behaviour) { b.FirstPage = 1 }, page: 1, from: 0, rows: 4},
		{name: "from 1, page 2", change: func(b *fake.Behaviour) { b.FirstPage = 1 }, page: 2, from: 4, rows: 4},
		{
			name:   "lenient",
			change: func(b *fake.Behaviour) { b.FirstPage, b.LenientPage = 1, true },
			page:   0, from: 0, rows: 4,
		},
		{
			name:   "lenient below",
			change: func(b *fake.Behaviour) { b.FirstPage, b.LenientPage = 1, true },
			page:   -3, from: 0, rows: 4,
		},
		{name: "lowered", change: func(b *fake.Behaviour) { b.MaxPageSize = 3 }, page: 2, from: 6, rows: 3},
		{name: "not lowered", change: func(b *fake.Behaviour) { b.MaxPageSize = 4 }, page: 2, from: 8, rows: 4},
		{name: "page ignored", change: func(b *fake.Behaviour) { b.IgnorePage = true }, page: 7, from: 0, rows: 4},
		{name: "last", change: func(*fake.Behaviour) {}, page: 5, from: 20, rows: 2},
		{name: "past the end", change: func(*fake.Behaviour) {}, page: 6, from: 22, rows: 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := fake.New(fake.Config{Seed: 1, Calls: 22, Now: still})
			u.Behave(tt.change)
			if got, want := ids(page(t, u, tt.page, size, "")), u.IDs()[tt.from:tt.from+tt.rows]; !slices.Equal(got, want) {
				t.Errorf("got %v, expected %v", got, want)
			}
		})
	}
}

func TestStatusesFormats(t *testing.T) {
	const comma, repeat, brackets = "statuses=completed,errored", "statuses=completed&statuses=errored",
		"statuses%5B%5D=completed&statuses[]=errored"
	tests := []struct {
		format, sent string
		status       int
		applied      bool
	}{
		{"", comma, 200, true},
		{"comma", comma, 200, true},
		{"comma", "statuses=completed", 200, true},
		{"comma", repeat, 200, false},
		{"comma", brackets, 200, false},
		{"repeat", repeat, 200, true},
		{"repeat", "statuses=completed", 200, true},
		{"repeat", comma, 422, false},
		{"repeat", brackets, 200, false},
		{"brackets", brackets, 200, true},
		{"brackets", repeat, 200, false},
		{"brackets", comma, 422, false},
		{"brackets", "statuses=completed", 200, false},
		{"brackets", "statuses[]=done", 422, false},
		{"comma", "statuses[]=done", 422, false},
		{"comma", "statuses=done&statuses=over", 200, false},
	}
	for _, tt := range tests {
		t.Run(tt.format+" "+tt.sent, func(t *testing.T) {
			u := fake.New(fake.Config{Seed: 1, Calls: 100, Now: still})
			u.Behave(func(b *fake.Behaviour) { b.StatusesFormat = tt.format })
			w := ask(t, u, "page=0&page_size=100&"+tt.sent)
			got := u.Requests()[0]
			if w.Code != tt.status || got.Status != tt.status {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if applied := got.Statuses != nil; applied != tt.applied {
				t.Errorf("understood: %v", got.Statuses)
			}
			if w.Code == 200 && (got.Rows < 100) != tt.applied {
				t.Errorf("%d rows", got.Rows)
			}
		})
	}
}

func TestRecord(t *testing.T) {
	u := fake.New(fake.Config{Seed: 1, Calls: 30, Now: still})
	ask(t, u, "page=2&page_size=7&statuses=completed,scheduled")
	ask(t, u, "page=x")
	rows := len(u.IDs("completed", "scheduled"))
	got := u.Requests()
	want := fake.Request{
		Page: 2, PageSize: 7, Statuses: []string{"completed", "scheduled"},
		RawQuery: "page=2&page_size=7&statuses=completed,scheduled", Status: 200, Rows: min(7, max(0, rows-14)),
	}
	if len(got) != 2 || !slices.Equal(got[0].Statuses, want.Statuses) || got[0].RawQuery != want.RawQuery ||
		got[0].Rows != want.Rows || got[0].Page != 2 || got[0].PageSize != 7 || got[0].Status != 200 {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if r := got[1]; r.Page != -1 || r.PageSize != -1 || r.Status != 422 || r.Rows != 0 {
		t.Errorf("unreadable: %+v", r)
	}
	if u.ResetRequests(); len(u.Requests()) != 0 {
		t.Error("not reset")
	}
}

func TestRecordIsBounded(t *testing.T) {
	u := fake.New(fake.Config{Now: still})
	const bound, more = 100_000, 7
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/call", nil)
	for n := range bound + more {
		r.URL.RawQuery = "page=" + strconv.Itoa(n)
		u.ServeHTTP(httptest.NewRecorder(), r)
	}
	got := u.Requests()
	if len(got) != bound || got[0].Page != more || got[bound-1].Page != bound+more-1 || got[bound-1].Status != 422 {
		t.Errorf("%d requests, from %+v to %+v", len(got), got[0], got[len(got)-1])
	}
}

// fetch requests a page of a server.
func fetch(t *testing.T, server *httptest.Server) (*http.Response, []byte, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/call?page=0&page_size=5", nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(w.Body)
	_ = w.Body.Close()
	return w, body, err
}

func TestFaults(t *testing.T) {
	u := fake.New(fake.Config{Seed: 1, Calls: 30, Now: still})
	var asked []int
	faults := []*fake.Response{
		{Status: 429, Header: http.Header{"retry-after": {"3"}}, Body: []byte("slow down")},
		{Header: http.Header{"X-Odd": {"yes"}}},
		{Truncate: true},
		nil,
	}
	u.Behave(func(b *fake.Behaviour) {
		b.Fault = func(n int, _ *http.Request) *fake.Response {
			if asked = append(asked, n); n == 2 {
				u.Insert(1) // no lock is held
			}
			return faults[n-1]
		}
	})
	server := httptest.NewServer(u)
	defer server.Close()
	get := func() (*http.Response, []byte, error) { return fetch(t, server) }

	w, body, err := get()
	if w.StatusCode != 429 || w.Header.Get("Retry-After") != "3" || string(body) != "slow down" || err != nil {
		t.Errorf("%d %v %s %v", w.StatusCode, w.Header, body, err)
	}
	w, body, err = get()
	if w.StatusCode != 200 || w.Header.Get("X-Odd") != "yes" || len(body) < 1_000 || err != nil {
		t.Errorf("%d %v %d bytes, %v", w.StatusCode, w.Header, len(body), err)
	}
	if w, body, err = get(); !errors.Is(err, io.ErrUnexpectedEOF) || int64(len(body)) != w.ContentLength/2 {
		t.Errorf("%d bytes of %d, %v", len(body), w.ContentLength, err)
	}
	if _, whole, err := get(); err != nil || len(whole)/2 != len(body) {
		t.Errorf("%d bytes, half of it was %d, %v", len(whole), len(body), err)
	}
	if !slices.Equal(asked, []int{1, 2, 3, 4}) {
		t.Errorf("asked for %v", asked)
	}
	if got := u.Requests(); got[0].Status != 429 || got[0].Rows != 0 || got[1].Rows != 5 {
		t.Errorf("%+v", got)
	}
	u.ResetRequests()
	if w, _, _ = get(); w.StatusCode != 429 {
		t.Error("after a reset the first request is not number 1")
	}
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := fake.New(fake.Config{Seed: 1, Calls: 5})
		u.Behave(func(b *fake.Behaviour) { b.Latency = 3 * time.Second })
		began := time.Now()
		if w := ask(t, u, "page=0&page_size=5"); w.Code != 200 || time.Since(began) != 3*time.Second {
			t.Errorf("%d after %v", w.Code, time.Since(began))
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		w := httptest.NewRecorder()
		u.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/call?page=0&page_size=5", nil))
		if time.Since(began) != time.Second || w.Body.Len() != 0 {
			t.Errorf("answered %q after %v", w.Body, time.Since(began))
		}
		if got := u.Requests(); len(got) != 2 || got[1].Status != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestConcurrency calls everything concurrently, for the race detector. Each response must be one snapshot.
func TestConcurrency(t *testing.T) {
	u := fake.New(fake.Config{Seed: 1, Calls: 200})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 6 {
				got := ids(page(t, u, 0, 1_000, ""))
				if sorted := slices.Sorted(slices.Values(got)); len(slices.Compact(sorted)) != len(got) {
					t.Error("a call twice in one response")
				}
				page(t, u, 1, 20, "&statuses=completed,errored")
			}
		})
	}
	group.Go(func() {
		for range 30 {
			fresh := u.Insert(3)
			u.Remove(fresh[1])
			u.Move(fresh[0], 7)
		}
	})
	group.Go(func() {
		for n := range 60 {
			u.Behave(func(b *fake.Behaviour) {
				b.Key, b.MaxPageSize = "", 1_000+n
				b.Order, b.SwapTies = []string{"", "updated", "queued-first", "started"}[n%4], n%3 == 0
			})
			u.IDs("completed")
			u.Requests()
		}
		u.ResetRequests()
	})
	group.Wait()
	if n := len(u.IDs()); n != 260 {
		t.Errorf("%d calls", n)
	}
}

func BenchmarkPage(b *testing.B) {
	for _, bench := range []struct{ name, query string }{
		{"first 200", "page=0&page_size=200"},
		{"200 in the middle", "page=50&page_size=200"},
		{"200 by status", "page=8&page_size=200&statuses=completed"},
		{"last 20 by status", "page=700&page_size=20&statuses=completed"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			u := fake.New(fake.Config{Seed: 1, Calls: fake.DefaultCalls, Now: still})
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/call?"+bench.query, nil)
			b.ReportAllocs()
			for b.Loop() {
				w := &sink{header: http.Header{}}
				u.ServeHTTP(w, r)
				b.SetBytes(w.n)
			}
		})
	}
}

// sink is a client that reads fast.
type sink struct {
	header http.Header
	n      int64
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(int)     {}
func (s *sink) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	return len(p), nil
}
