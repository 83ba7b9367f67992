// Package logqueue writes a log without making its writers wait for a slow reader.
package logqueue

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxLines and maxBytes are the most that waits to be written: some seconds of a busy gateway's log.
	maxLines = 4096
	maxBytes = 4 << 20
	// patience is how long Write waits for its line to be written. Once a line has taken that long, no call of Write
	// waits any more until all lines are written.
	patience = 100 * time.Millisecond
)

// Queue writes lines in the order in which they come. It drops lines that come while too much waits to be written.
// While the reader keeps up, each line has been written when Write returns, so none is lost if the process crashes
// after that. It is safe for concurrent use.
type Queue struct {
	out    io.Writer
	report func(lines uint64)

	lines      chan line
	bytes      atomic.Int64  // of the lines that wait
	dropped    atomic.Uint64 // since the beginning
	unreported atomic.Uint64 // of those dropped
	stalled    atomic.Bool   // so Write does not wait
	closing    chan struct{}
	close      sync.Once
	ended      chan struct{}
}

// line is a line that waits.
type line struct {
	text    []byte
	missing uint64 // lines that were dropped before it
	written chan struct{}
}

// New starts a goroutine that writes to out, and ends with Close. Once out accepts lines again after some were
// dropped, the goroutine calls report with their number. report may write to out, but not to the queue.
func New(out io.Writer, report func(lines uint64)) *Queue {
	q := &Queue{
		out: out, report: report,
		lines: make(chan line, maxLines), closing: make(chan struct{}), ended: make(chan struct{}),
	}
	go q.run()
	return q
}

// Dropped is how many lines are lost: dropped because too much waited, or because they could not be written.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Write takes a line. It never fails.
func (q *Queue) Write(p []byte) (int, error) {
	size := int64(len(p))
	if q.bytes.Add(size) > maxBytes {
		q.drop(size, 1)
		return len(p), nil
	}
	l := line{bytes.Clone(p), q.unreported.Swap(0), make(chan struct{})}
	select {
	case q.lines <- l:
	default:
		q.drop(size, 1+l.missing)
		return len(p), nil
	}
	if q.stalled.Load() {
		return len(p), nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-l.written:
	case <-timer.C:
		q.stalled.Store(true)
	}
	return len(p), nil
}

// drop counts one line as lost, and unreported ones for a later report.
func (q *Queue) drop(size int64, unreported uint64) {
	q.bytes.Add(-size)
	q.dropped.Add(1)
	q.unreported.Add(unreported)
}

// Close writes the lines that wait, and returns after that, or after within at the latest. Lines that come later may
// be lost.
func (q *Queue) Close(within time.Duration) {
	q.close.Do(func() { close(q.closing) })
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-q.ended:
	case <-timer.C:
	}
	q.stalled.Store(true)
}

func (q *Queue) run() {
	defer close(q.ended)
	for {
		select {
		case l := <-q.lines:
			q.write(l)
		case <-q.closing:
			for len(q.lines) > 0 {
				q.write(<-q.lines)
			}
			return
		}
	}
}

func (q *Queue) write(l line) {
	if l.missing > 0 {
		q.report(l.missing)
	}
	if _, err := q.out.Write(l.text); err != nil {
		q.dropped.Add(1) // not reported: the report would fail too
	}
	q.bytes.Add(-int64(len(l.text)))
	close(l.written)
	if len(q.lines) > 0 {
		return
	}
	q.stalled.Store(false)
	if missing := q.unreported.Swap(0); missing > 0 {
		q.report(missing)
	}
}
