package main

import (
	"errors"
	"log/slog"
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// leastMemory is the least that the process may be limited to: it takes some 30 MiB to begin with.
	leastMemory = 64 << 20
	// cgroupShare is the share of a control group's memory, in per cent, that the process may take: automemlimit's
	// default. The kernel counts the binary, buffers of sockets and page tables there as well, which Go does not know of.
	cgroupShare = 90
)

// memoryLimit is how many bytes the process may take, and what says so. 0 is any number.
func (s *settings) memoryLimit(getenv func(string) string, cgroup memlimit.Provider) (limit int64, from string) {
	if s.MemoryLimit > 0 {
		return int64(s.MemoryLimit), "GATEWAY_MEMORY_LIMIT"
	}
	if getenv("GOMEMLIMIT") != "" {
		if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 { // else it is off
			return limit, "GOMEMLIMIT"
		}
		return 0, "GOMEMLIMIT"
	}
	found, err := cgroup()
	switch {
	case err == nil:
		return int64(min(found, math.MaxInt64/100) / 100 * cgroupShare), "the control group"
	case errors.Is(err, memlimit.ErrNoLimit):
		return 0, "the control group"
	default:
		return 0, err.Error()
	}
}

// limitMemory has Go keep to the limit, unless GOMEMLIMIT has said it. The function that it returns ends that.
func limitMemory(limit int64, from string, log *slog.Logger) (restore func()) {
	if limit == 0 {
		log.Debug("there is no limit of memory: set GATEWAY_MEMORY_LIMIT", "says", from)
		return func() {}
	}
	log.Debug("memory is limited", "bytes", limit, "by", from)
	if from == "GOMEMLIMIT" {
		return func() {}
	}
	before := debug.SetMemoryLimit(limit)
	return func() { debug.SetMemoryLimit(before) }
}
