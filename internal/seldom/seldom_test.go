package seldom

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The first event has a line at once. Then a line comes once per minute, with the number of events.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := New(slog.New(slog.NewTextHandler(&out, nil)))
		for range 20 * 150 { // 2.5 minutes
			s.Warn("failed", "error", "reset")
			time.Sleep(time.Second / 20)
		}
		var times []string
		for line := range strings.Lines(out.String()) {
			_, text, _ := strings.Cut(line, `level=WARN msg=failed error=reset `)
			times = append(times, strings.TrimSpace(text))
		}
		if got := strings.Join(times, " "); got != "times=1 times=1200 times=1200" {
			t.Errorf("got %s", &out)
		}
	})
}
