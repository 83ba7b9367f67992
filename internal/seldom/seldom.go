// Package seldom logs events that may happen many times per second.
package seldom

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Log logs one kind of event: the first time, and then at most once per minute, with the number of events since the
// last line. It is safe for concurrent use.
type Log struct {
	log   *slog.Logger
	times atomic.Int64
	lines rate.Sometimes
}

// New makes a Log that writes its lines to this logger.
func New(log *slog.Logger) *Log {
	return &Log{log: log, lines: rate.Sometimes{Interval: time.Minute}}
}

// Log counts an event, and writes a line with these attributes if one is due.
func (l *Log) Log(level slog.Level, message string, args ...any) {
	l.times.Add(1)
	l.lines.Do(func() {
		l.log.Log(context.Background(), level, message, append(args, "times", l.times.Swap(0))...)
	})
}

// Warn is Log at the level of warnings.
func (l *Log) Warn(message string, args ...any) { l.Log(slog.LevelWarn, message, args...) }
