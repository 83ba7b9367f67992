package gateway

import (
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"revox-graphql/gateway/config"
	"revox-graphql/internal/memory"
)

const (
	// cgroupShare is the share of a control group's memory, in per cent, that the process keeps to. The rest is for what
	// it takes beyond that for a moment, when the garbage collector does not keep up, and for what the kernel counts there
	// (buffers of sockets, page tables, files). automemlimit's default is 90; with 80, twenty attacks at once on two cores
	// had the process at 1,013 MiB of 1 GiB.
	cgroupShare = 65
)

// memoryLimit is how many bytes the process may take, and what says so. 0 is any number.
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

// limitMemory makes the budget of the process, and has Go keep to it unless GOMEMLIMIT has said what to keep to. The
// function that it returns ends that.
func limitMemory(
	s *config.Settings, getenv func(string) string, cgroup memlimit.Provider, log *slog.Logger,
) (budget *memory.Budget, restore func()) {
	limit, from := memoryLimit(s, getenv, cgroup)
	if limit == 0 {
		log.Debug("memory has no limit: GATEWAY_MEMORY_LIMIT sets one", "says", from)
		return memory.NewBudget(0, 0, log), func() {}
	}
	log.Debug("memory has a limit", "bytes", limit, "by", from)
	before := debug.SetMemoryLimit(-1)
	goLimit := min(memory.GoLimit(limit), before)
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(goLimit)
	}
	return memory.NewBudget(limit, goLimit, log), func() { debug.SetMemoryLimit(before) }
}

// connectionBytes is about what a connection takes: buffers of net/http, a goroutine, a request's header.
const connectionBytes = 20 << 10

// countConnections counts a server's connections in the budget.
func countConnections(server *http.Server, budget *memory.Budget) {
	account, next := budget.Account("connections"), server.ConnState
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			account.Take(connectionBytes)
		case http.StateClosed, http.StateHijacked:
			account.Release(connectionBytes)
		}
		if next != nil {
			next(conn, state)
		}
	}
}
