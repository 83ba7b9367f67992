package demo

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream/fake"
)

// start serves a demo until the test ends.
func start(t *testing.T, o *Options) *Server {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	server, err := Start(t.Context(), "127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

// get requests a page of three calls, over a connection of its own.
func get(t *testing.T, server *Server) result {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		server.URL.String()+"/call?page=0&page_size=3", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return result{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return result{response, string(text), err}
}

// calls is how a body with calls begins.
const calls = `{"calls":[{`

// result is what a client gets.
type result struct {
	*http.Response // nil with an error

	body string
	err  error
}

// failed are the results of faults that end the connection.
func failed(with error) func(result) bool {
	return func(r result) bool { return errors.Is(r.err, with) }
}

// rejected are responses with a status that begins so, with a Retry-After, "" for none, and a body of HTML or not.
func rejected(status, wait string, html bool) func(result) bool {
	return func(r result) bool {
		return r.err == nil && strings.HasPrefix(r.Status, status) && r.Header.Get("Retry-After") == wait &&
			strings.HasPrefix(r.body, "<html>") == html
	}
}

// Each fault is what its name says, and comes with every second request only.
func TestFaults(t *testing.T) {
	wanted := map[string]func(result) bool{
		"401":   rejected("401", "", false),
		"403":   rejected("403", "", false),
		"429":   rejected("429", "2", false),
		"500":   rejected("500", "", false),
		"502":   rejected("502", "", true),
		"503":   rejected("503", "2", false),
		"504":   rejected("504", "", false),
		"reset": failed(syscall.ECONNRESET),
		"close": failed(io.EOF),
		"cut":   func(r result) bool { return errors.Is(r.err, io.ErrUnexpectedEOF) && strings.HasPrefix(r.body, calls) },
		"slow":  func(r result) bool { return r.err == nil && strings.HasPrefix(r.body, calls) },
		"garbage": func(r result) bool {
			return r.err == nil && r.StatusCode == http.StatusOK && !strings.HasSuffix(r.body, "}")
		},
		"hang": nil, // no response comes
	}
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			fault, err := ParseFault(name + ":2")
			if err != nil {
				t.Fatal(err)
			}
			log := make(lines, 10)
			server := start(t, &Options{
				Calls: 10, LogRequests: true, Log: slog.New(slog.NewTextHandler(log, nil)),
				Behave: func(b *fake.Behaviour) {
					b.Fault = Injector([]Fault{fault}, Times{RetryAfter: 1500 * time.Millisecond, Slow: time.Microsecond})
				},
			})
			first := get(t, server)
			if first.err != nil || first.StatusCode != http.StatusOK || !strings.HasPrefix(first.body, calls) {
				t.Fatalf("the first response: %s, %v", first.body, first.err)
			}
			if line := <-log; strings.Contains(line, "fault=") {
				t.Error(line)
			}
			ok, known := wanted[name]
			if !known {
				t.Fatal("there is no expectation of this fault")
			}
			if ok == nil {
				sendAndLeave(t, server)
			} else if second := get(t, server); !ok(second) {
				t.Errorf("got %+v, %s, %v", second.Response, second.body, second.err)
			}
			if line := <-log; !strings.HasSuffix(line, "fault="+name+"\n") {
				t.Error(line)
			}
		})
	}
}

// lines gets the lines of a log.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// sendAndLeave sends a request, and closes the connection without waiting for a response.
func sendAndLeave(t *testing.T, server *Server) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.URL.Host)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET /api/call?page=0&page_size=3 HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = conn.Close()
}

// A slow response comes after its time, and a hanging request ends with its client.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/call", http.NoBody)
		began := time.Now()
		if response := slow(r, Times{Slow: time.Minute}); response != nil || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", response, time.Since(began))
		}
		ctx, leave := context.WithTimeout(t.Context(), time.Hour)
		defer leave()
		defer func() {
			if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) || time.Since(began) != time.Minute+time.Hour {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		}()
		hang(r.WithContext(ctx), Times{})
	})
}

// Of several faults that are due, the one that comes least often takes precedence. Other paths do not count.
func TestPrecedence(t *testing.T) {
	var faults []Fault
	for _, text := range []string{"429", "500:2", "401:4"} {
		fault, err := ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, fault)
	}
	inject := Injector(faults, Times{})
	var statuses []int
	for n := range 8 {
		if response := inject(n, httptest.NewRequest(http.MethodGet, "/favicon.ico", http.NoBody)); response != nil {
			t.Errorf("another path gets %d", response.Status)
		}
		statuses = append(statuses, inject(n, httptest.NewRequest(http.MethodGet, "/api/call", http.NoBody)).Status)
	}
	if want := []int{429, 500, 429, 401, 429, 500, 429, 401}; !slices.Equal(statuses, want) {
		t.Errorf("got %v", statuses)
	}
	for _, bad := range []string{"", "418", "429:", "429:0", "429:-1", "429:x", ":5"} {
		if _, err := ParseFault(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// Calls leave the list at the rate that is set, until it is empty.
func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := fake.New(fake.Config{Seed: 1, Calls: 5})
		ctx, cancel := context.WithCancel(t.Context())
		go leave(ctx, list, 2)
		for want := 5; want >= 0; want-- {
			synctest.Wait()
			if got := len(list.IDs()); got != want {
				t.Errorf("%d calls, want %d", got, want)
			}
			time.Sleep(30 * time.Second)
		}
		cancel()
		synctest.Wait()
	})
}

// The highest rate holds also where ticks are lost, and in a long list a removal costs little: it makes no ids. The
// newest calls leave.
func TestManyLeave(t *testing.T) {
	list := fake.New(fake.Config{Seed: 1, Calls: fake.DefaultCalls})
	before := list.IDs()
	if gone := remove(list, 0, 60.4); gone != 60 {
		t.Errorf("%d calls have gone", gone)
	}
	left := list.IDs()
	if len(left) != len(before)-60 || !slices.Equal(left[leaving:], before[leaving+60:]) {
		t.Errorf("%d calls, or not the newest, have left", len(before)-len(left))
	}
	gone := 0
	if made := testing.AllocsPerRun(100, func() { gone = remove(list, gone, float64(gone+1)) }); made > 10 {
		t.Errorf("a removal allocates %v times", made)
	}
}

// The list grows while it is served, and an address that is taken is an error.
func TestStart(t *testing.T) {
	server := start(t, &Options{ArrivingPerMinute: 60_000})
	for body := ""; !strings.Contains(body, `"id"`); {
		r := get(t, server)
		if r.err != nil {
			t.Fatal(r.err)
		}
		body = r.body
	}
	if other, err := Start(t.Context(), server.URL.Host, &Options{Log: slog.New(slog.DiscardHandler)}); err == nil {
		other.Close()
		t.Error("two demos listen at one address")
	}
	server.Close()
	if err := <-server.Failed; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("it ended with %v", err)
	}
}
