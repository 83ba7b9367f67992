package servers

import (
	"context"
	"os"
	"time"
)

// Sampler reads the memory of a process every second for its series, and ten times per second for its peak.
type Sampler struct {
	cancel context.CancelFunc
	done   chan struct{}
	series []int // each second
	most   int
}

// SampleMemory samples a process. It kills the process above limit bytes, as the kernel does in a control group; 0
// means no limit.
func SampleMemory(pid, limit int) *Sampler {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Sampler{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for i := 0; ; i++ {
			if now, err := Memory(pid, CurrentRSS); err == nil {
				s.most = max(s.most, now)
				if limit > 0 && now > limit {
					if process, err := os.FindProcess(pid); err == nil {
						_ = process.Kill()
					}
					return
				}
				if i%10 == 0 {
					s.series = append(s.series, now)
				}
			}
			if Sleep(ctx, 100*time.Millisecond) != nil {
				return
			}
		}
	}()
	return s
}

// Stop stops sampling, and returns the memory in bytes of each second.
func (s *Sampler) Stop() []int {
	s.cancel()
	<-s.done
	return s.series
}

// Peak returns the greatest memory seen, in bytes. Call Stop first.
func (s *Sampler) Peak() int { return s.most }
