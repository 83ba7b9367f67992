package logqueue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a reader of the log that reads only while it is open.
type gate struct {
	bytes.Buffer
	open chan struct{}
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.Buffer.Write(p)
}

// newQueue makes a queue that writes to a gate, as do its reports.
func newQueue() (*Queue, *gate) {
	g := &gate{open: make(chan struct{})}
	return New(g, func(lines uint64) { _, _ = fmt.Fprintf(g, "%d lines were dropped\n", lines) }), g
}

// A log without a reader delays its writers once, and not for long. Lines beyond the bounds are dropped and counted.
// Once the log is read, the others arrive in order, with the number of the missing lines in their place.
func TestUnreadLog(t *testing.T) {
	for name, test := range map[string]struct {
		line string
		kept int
	}{
		"many lines": {"line", maxLines + 1}, // one of them is being written
		"long lines": {strings.Repeat("x", maxBytes/8-2), 8},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, g := newQueue()
				began := time.Now()
				for range test.kept + 5 {
					if n, err := io.WriteString(q, test.line+"\n"); n != len(test.line)+1 || err != nil {
						t.Fatal(n, err)
					}
				}
				if waited := time.Since(began); waited != patience {
					t.Errorf("writers waited for %v", waited)
				}
				if q.Dropped() != 5 {
					t.Errorf("%d lines are dropped", q.Dropped())
				}
				close(g.open)
				synctest.Wait()
				_, _ = io.WriteString(q, "then\n")
				q.Close(time.Second)
				want := strings.Repeat(test.line+"\n", test.kept) + "5 lines were dropped\nthen\n"
				if got := g.String(); got != want {
					t.Errorf("%d bytes are written, want %d; the end is %.60q", len(got), len(want), got[max(0, len(got)-60):])
				}
				if q.bytes.Load() != 0 {
					t.Errorf("%d bytes are still counted", q.bytes.Load())
				}
			})
		})
	}
}

// While the reader keeps up, a line has been written when Write returns, so a crash cannot lose it.
func TestReadLogIsWrittenAtOnce(t *testing.T) {
	q, g := newQueue()
	defer q.Close(time.Minute)
	close(g.open)
	for i := range 100 {
		line := fmt.Sprintf("line %d\n", i)
		_, _ = io.WriteString(q, line)
		if got := g.String(); !strings.HasSuffix(got, line) {
			t.Fatalf("%q is not written: %q", line, got)
		}
	}
}

// Close waits until the lines are written, but not for ever.
func TestClose(t *testing.T) {
	for name, reads := range map[string]bool{"with a reader": true, "without a reader": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, g := newQueue()
				for range 3 {
					_, _ = io.WriteString(q, "line\n")
				}
				if reads {
					close(g.open)
				}
				began := time.Now()
				q.Close(time.Second)
				if reads {
					if got := g.String(); got != "line\nline\nline\n" {
						t.Errorf("written is %q", got)
					}
					return
				}
				if waited := time.Since(began); waited != time.Second {
					t.Errorf("Close returns after %v", waited)
				}
				_, _ = io.WriteString(q, "after the end\n")
				if waited := time.Since(began); waited != time.Second {
					t.Errorf("after Close, Write returns after %v", waited)
				}
				close(g.open) // else the goroutine would be left
			})
		})
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// Lines that cannot be written are counted.
func TestBrokenLog(t *testing.T) {
	q := New(broken{}, func(uint64) {})
	for range 3 {
		_, _ = io.WriteString(q, "line\n")
	}
	q.Close(time.Minute)
	if q.Dropped() != 3 {
		t.Errorf("%d lines are counted", q.Dropped())
	}
}
