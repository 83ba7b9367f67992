package gateway

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"revox-graphql/gateway/config"
	"revox-graphql/internal/memory"
)

const (
	// cgroupShare is the share of a control group's memory, in per cent, that the process keeps to. The rest is for peaks
	// when the garbage collector does not keep up, and for what the kernel counts (socket buffers, page tables, files).
	// automemlimit's default is 90; with 80, twenty concurrent attacks on two cores took 1,013 MiB of 1 GiB.
	cgroupShare = 65
)

// memoryLimit returns the memory limit of the process in bytes, 0 for none, and its source.
func memoryLimit(s *config.Settings, getenv func(string) string, cgroup memlimit.Provider) (limit int64, from string) {
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
		return int64(min(found, math.MaxInt64) / 100 * cgroupShare), "the control group"
	case errors.Is(err, memlimit.ErrNoLimit):
		return 0, "the control group"
	default:
		return 0, err.Error()
	}
}

// limitMemory makes the memory budget of the process, and sets Go's memory limit by it unless GOMEMLIMIT is set.
// restore restores the former limit.
func limitMemory(
	s *config.Settings, getenv func(string) string, cgroup memlimit.Provider, log *slog.Logger,
) (budget *memory.Budget, restore func()) {
	limit, from := memoryLimit(s, getenv, cgroup)
	if limit == 0 {
		log.Debug("no memory limit: GATEWAY_MEMORY_LIMIT sets one", "source", from)
		return memory.NewBudget(0, 0, log), func() {}
	}
	log.Debug("memory limit", "bytes", limit, "source", from)
	before := debug.SetMemoryLimit(-1)
	goLimit := min(memory.GoLimit(limit), before)
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(goLimit)
	}
	return memory.NewBudget(limit, goLimit, log), func() { debug.SetMemoryLimit(before) }
}

// streamBytes estimates the memory of an open request over HTTP/2, beside its text and its response: net/http takes
// 12 kB (measured with 2,000 requests over 20 connections), and a stack that grows takes 4 kB more.
const streamBytes = 16 << 10

// countStreams counts the open requests over HTTP/2 in the memory budget. Those over HTTP/1.1 are part of their
// connections.
func countStreams(budget *memory.Budget, next http.Handler) http.Handler {
	account := budget.Account("streams")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor > 1 {
			account.Take(streamBytes)
			defer account.Release(streamBytes)
		}
		next.ServeHTTP(w, r)
	})
}
