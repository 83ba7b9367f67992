package stress

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"revox-graphql/test/bench/lists"
	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/servers"
)

// target is a gateway under load, and its normal client.
type target struct {
	*load.Target
	dir     string
	up      *lists.Upstream
	proxy   *servers.StallingProxy // nil: none
	group   *servers.MemoryGroup   // nil: not available
	sampler *servers.Sampler
	pages   []load.Page // in memory
	ids     []string    // of all calls
	cursor  func(position int) string
	next    int           // the position of the call before the next cold page
	gap     time.Duration // of each worker of a load after a turn
	without []string      // loads that are not part of all at once

	mu    sync.Mutex
	notes []string
}

// stop stops the gateway, its upstream and everything that belongs to them.
func (s *target) stop() {
	if s.sampler != nil {
		s.sampler.Stop()
	}
	s.Client.CloseIdleConnections()
	s.Fleet.Stop()
	if s.proxy != nil {
		s.proxy.Stop()
	}
	if s.up != nil {
		s.up.Stop()
	}
	if s.group != nil {
		s.group.Remove()
	}
	_ = os.RemoveAll(s.dir)
}

// note adds a finding of a load to its row.
func (s *target) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// takeNotes returns the notes, and clears them.
func (s *target) takeNotes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	notes := s.notes
	s.notes = nil
	return notes
}

// resources are counts that must not leak.
type resources struct{ goroutines, files int }

// resources reads the counts from the gateway's metrics. The gateway serves them to one reader at a time, so resources
// tries for up to 10 seconds.
func (s *target) resources(ctx context.Context) (resources, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := s.metrics(ctx)
	if err != nil {
		return resources{}, err
	}
	l := resources{metric(body, "go_goroutines"), metric(body, "process_open_fds")}
	if l.goroutines == 0 {
		err = errors.New("/metrics has no go_goroutines")
	}
	return l, err
}

// metrics reads the gateway's metrics until that succeeds or ctx is done.
func (s *target) metrics(ctx context.Context) ([]byte, error) {
	for {
		body, err := load.Get(ctx, s.Client, s.Gateway.URL+"metrics")
		if err == nil || servers.Sleep(ctx, 100*time.Millisecond) != nil {
			return body, err
		}
	}
}

// noteRejections adds to the row how many requests the gateway has rejected because it was overloaded, by the bound.
func (s *target) noteRejections(ctx context.Context) error {
	body, err := s.metrics(ctx)
	if err != nil {
		return err
	}
	var found []string
	for _, bound := range []struct{ name, series string }{
		{"in flight", `requests_rejected_total{reason="in_flight"}`},
		{"body bytes", `requests_rejected_total{reason="body_bytes"}`},
		{"memory", `requests_rejected_total{reason="memory"}`},
		{"waiters of responses", `requests_rejected_total{reason="waiting"}`},
		{"waiters of pages", `page_cache_misses_total{result="rejected"}`},
		{"waiters of the upstream", `upstream_rejected_total{reason="overloaded"}`},
	} {
		if n := metric(body, "revox_graphql_"+bound.series); n > 0 {
			found = append(found, fmt.Sprintf("%s %d", bound.name, n))
		}
	}
	if found != nil {
		s.note("rejected for %s", strings.Join(found, ", "))
	}
	return nil
}

// metric returns the value of a series; 0 if there is none. The name includes the labels.
func metric(text []byte, name string) int {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, _ := strconv.ParseFloat(value, 64)
			return int(n)
		}
	}
	return 0
}

const (
	settleTimeout   = 40 * time.Second // longer than the timeouts of the gateway
	settleTolerance = 100              // goroutines, or files: connections that are kept open
)

// settle waits until the gateway has about as many goroutines and open files as before.
func (s *target) settle(ctx context.Context, before resources) error {
	for end := time.Now().Add(settleTimeout); ; {
		s.Client.CloseIdleConnections()
		now, err := s.resources(ctx)
		if err != nil {
			return err
		}
		if now.goroutines <= before.goroutines+settleTolerance && now.files <= before.files+settleTolerance {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%v after the load: %d goroutines, before it %d; %d open files, before it %d",
				settleTimeout, now.goroutines, before.goroutines, now.files, before.files)
		}
		if err := servers.Sleep(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
}

// peak returns the peak memory of the gateway in bytes: from the kernel while the process lives, else from the sampler.
func (s *target) peak() int {
	most := s.sampler.Peak()
	if peak, err := servers.Memory(s.Gateway.PID, servers.PeakRSS); err == nil {
		most = max(most, peak)
	}
	return most
}
