package main

import (
	"context"
	"os"
	"time"
)

// sampler reads a process's memory each second, and its most more often.
type sampler struct {
	cancel context.CancelFunc
	done   chan struct{}
	series []int // each second
	most   int
}

// sampleMemory samples a process. Above most bytes it is killed, as the kernel does in a control group; 0 is no bound.
func sampleMemory(pid, most int) *sampler {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sampler{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for i := 0; ; i++ {
			if now, err := memory(pid, currentRSS); err == nil {
				s.most = max(s.most, now)
				if most > 0 && now > most {
					if process, err := os.FindProcess(pid); err == nil {
						_ = process.Kill()
					}
					return
				}
				if i%10 == 0 {
					s.series = append(s.series, now)
				}
			}
			if pass(ctx, 100*time.Millisecond) != nil {
				return
			}
		}
	}()
	return s
}

// stop ends the sampling.
func (s *sampler) stop() []int {
	s.cancel()
	<-s.done
	return s.series
}

// peak is the most memory that was seen, in bytes, once the sampler has stopped.
func (s *sampler) peak() int { return s.most }
