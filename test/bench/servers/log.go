package servers

import (
	"errors"
	"strings"
	"sync"
)

// childLog is what a child writes to stderr: its beginning, and the address in it.
type processLog struct {
	url chan string // gets the address

	mu    sync.Mutex
	text  string
	found bool
	held  chan struct{} // not nil: nothing is read until it is closed, and then the log is
}

// hold lets nobody read the log any more. It returns what closes it.
func (l *processLog) hold() (closeLog func()) {
	held := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
	return sync.OnceFunc(func() { close(held) })
}

var errLogClosed = errors.New("the log is closed")

// maxLog is how much of a child's log is kept.
const maxLog = 16 << 10

// Write implements [io.Writer].
func (l *processLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	if held := l.held; held != nil {
		l.mu.Unlock()
		<-held
		return 0, errLogClosed
	}
	defer l.mu.Unlock()
	l.text += string(p[:min(len(p), maxLog-len(l.text))])
	if _, rest, ok := strings.Cut(l.text, "msg="+listening+" url="); ok && !l.found {
		if end := strings.IndexAny(rest, " \n"); end > 0 {
			l.found = true
			l.url <- rest[:end]
		}
	}
	return len(p), nil
}

func (l *processLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}

// listening is the message with which every server tells its address.
const listening = "listening"
