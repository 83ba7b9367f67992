package gateway

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// terminal is standard error with a progress bar on its last line, which gives way to other output. It implements
// [export.Progress].
type terminal struct {
	w     io.Writer
	shows bool // it is a terminal

	mu  sync.Mutex // other goroutines write the log
	bar *progressbar.ProgressBar
}

func newTerminal(w io.Writer) *terminal { return &terminal{w: w, shows: isTerminal(w)} }

// Write implements [io.Writer].
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bar == nil {
		return t.w.Write(p)
	}
	_ = t.bar.Clear() // a bar that cannot be shown is no reason to stop
	n, err := t.w.Write(p)
	_ = t.bar.RenderBlank()
	return n, err
}

// notify writes a line for the user.
func (t *terminal) notify(line string) { _, _ = fmt.Fprintln(t, "revox-graphql:", line) }

// Begin implements [export.Progress].
func (t *terminal) Begin(done, total int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bar = progressbar.NewOptions(total,
		progressbar.OptionSetWriter(t.w),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("calls"),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionFullWidth(),
	)
	_ = t.bar.Add(done)
}

// Add implements [export.Progress].
func (t *terminal) Add(calls int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.bar.Add(calls)
}

// end leaves the bar as it is; further output appears below it.
func (t *terminal) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bar != nil {
		_ = t.bar.Exit()
		_, _ = io.WriteString(t.w, "\n")
		t.bar = nil
	}
}
