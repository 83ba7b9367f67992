package servers

import (
	"errors"
	"strings"
	"sync"
)

// processLog keeps the beginning of what a process writes to standard error, and finds the address in it.
type processLog struct {
	url chan string // receives the address

	mu    sync.Mutex
	text  string
	found bool
	held  chan struct{} // not nil: the log is not read any more; closing the channel closes the log
}

// hold stops reading the log. The function that it returns closes the log.
func (l *processLog) hold() (closeLog func()) {
	held := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
	return sync.OnceFunc(func() { close(held) })
}

var errLogClosed = errors.New("the log is closed")

// maxLog is how many bytes of a log are kept.
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

// listening is the log message with which every server reports its address.
const listening = "listening"
