package telemetry

import (
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// seldom logs an event that may happen many times per second: the first time, and then at most once per minute, with
// the number of events since the last line.
type seldom struct {
	log   *slog.Logger
	times atomic.Int64
	lines rate.Sometimes
}

func newSeldom(log *slog.Logger) *seldom {
	return &seldom{log: log, lines: rate.Sometimes{Interval: time.Minute}}
}

func (s *seldom) warn(message string, args ...any) {
	s.times.Add(1)
	s.lines.Do(func() { s.log.Warn(message, append(args, "times", s.times.Swap(0))...) })
}
