package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// stressed is a gateway under load, and its normal client.
type stressed struct {
	*scene
	dir     string
	up      *loadedUpstream
	proxy   *standingProxy // nil: none
	group   *memoryGroup   // nil: none could be made
	sampler *sampler
	pages   []listPage // that are in memory
	ids     []string   // of all calls
	cursor  func(position int) string
	next    int           // the position of the call before the next cold page
	gap     time.Duration // that each worker of a load leaves after a turn
	without []string      // loads that are left out where all run at once

	mu    sync.Mutex
	notes []string
}

// stop ends the gateway and everything about it.
func (s *stressed) stop() {
	if s.sampler != nil {
		s.sampler.stop()
	}
	s.client.CloseIdleConnections()
	s.fleet.stop()
	if s.proxy != nil {
		s.proxy.stop()
	}
	if s.up != nil {
		s.up.stop()
	}
	if s.group != nil {
		s.group.remove()
	}
	_ = os.RemoveAll(s.dir) //nolint:gosec // its own
}

// note adds what a load has found out to its row.
func (s *stressed) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// takeNotes returns the notes that there are, and forgets them.
func (s *stressed) takeNotes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	notes := s.notes
	s.notes = nil
	return notes
}

// level is how much of what must not leak a gateway has.
type level struct{ goroutines, files int }

// level reads the gateway's own metrics. They are for one reader at a time.
func (s *stressed) level(ctx context.Context) (level, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		body, err := get(ctx, s.client, s.gateway.url+"metrics")
		if err == nil {
			l := level{metric(body, "go_goroutines"), metric(body, "process_open_fds")}
			if l.goroutines == 0 {
				err = errors.New("/metrics has no go_goroutines")
			}
			return l, err
		}
		if pass(ctx, 100*time.Millisecond) != nil {
			return level{}, err
		}
	}
}

// metric is the value of a metric without labels; 0 where there is none.
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
	settleTimeout = 40 * time.Second // longer than the gateway waits for a client or for upstream
	settleRoom    = 100              // goroutines, or files: connections that are kept for the next question
)

// settle waits until the gateway has about as many goroutines and open files as before.
func (s *stressed) settle(ctx context.Context, before level) error {
	for end := time.Now().Add(settleTimeout); ; {
		s.client.CloseIdleConnections()
		now, err := s.level(ctx)
		if err != nil {
			return err
		}
		if now.goroutines <= before.goroutines+settleRoom && now.files <= before.files+settleRoom {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%v after it: %d goroutines, and before it %d; %d open files, and before it %d",
				settleTimeout, now.goroutines, before.goroutines, now.files, before.files)
		}
		if err := pass(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
}

// peak is the most memory that the gateway has had: as the kernel knows it while the process lives, else as it was
// seen.
func (s *stressed) peak() int {
	most := s.sampler.peak()
	if peak, err := memory(s.gateway.pid, peakRSS); err == nil {
		most = max(most, peak)
	}
	return most
}

func pemOf(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}
