package servers

import (
	"context"
	"os"
	"time"
)

// sampler reads a process's memory each second, and its most more often.
type Sampler struct {
	cancel context.CancelFunc
	done   chan struct{}
	series []int // each second
	most   int
}

// sampleMemory samples a process. Above most bytes it is killed, as the kernel does in a control group; 0 is no bound.
func SampleMemory(pid, most int) *Sampler {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Sampler{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for i := 0; ; i++ {
			if now, err := Memory(pid, CurrentRSS); err == nil {
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
			if Sleep(ctx, 100*time.Millisecond) != nil {
				return
			}
		}
	}()
	return s
}

// stop ends the sampling.
func (s *Sampler) Stop() []int {
	s.cancel()
	<-s.done
	return s.series
}

// peak is the most memory that was seen, in bytes, once the sampler has stopped.
func (s *Sampler) Peak() int { return s.most }
