// Package memory is the memory budget of a process: it adds up the bytes that the process holds, and acts when they
// come near to the limit. It does what Envoy's overload manager does, but counts the process's own accounts instead of
// measuring the heap.
//
// # What is counted
//
// The budget counts bytes that are in use and grow with the input of clients or upstream, each in an account: pages,
// responses, bodies. A caller adds bytes to an account before it allocates them, or as they arrive, and releases them
// when it drops them. A request reserves the bytes that it is expected to use before it begins. Measuring memory
// afterwards would be too late: Go knows its live heap as of the last collection, and forty responses of 64 MiB can
// begin between two collections. Measured memory would also reject work until Go collects, although the memory has
// been released long ago.
//
// # What is not counted
//
// Garbage that is not yet collected, stacks, buffers of net/http and indices are not counted. A fifth of the memory
// that Go may use is left for these, see [threshold]; small requests may use some of that fifth, see [spare]. The Go
// runtime knows the limit too ([debug.SetMemoryLimit]), and collects more often the less of the fifth is left.
//
// # Garbage
//
// Released bytes are garbage until Go collects them. Go's own collector starts near its limit, and other goroutines
// continue while it runs: on a busy machine, five that allocated 64 MiB each exceeded the limit by a tenth. So the
// budget counts released bytes too. A caller that is about to take much memory, while counted and released bytes
// together are near the limit, runs a collection first.
//
// # Overload actions
//
// For work that has begun, the threshold counts; for new work, the bytes that it must leave free, see [spare]. Beyond
// that, the budget first evicts what can be read again: cached responses, then cached pages, by as many bytes as
// necessary. Each cache keeps a minimum share: without any cache, each request would go to upstream, and use more
// memory than the cache did. Then the budget rejects new work, the largest requests first; work that has begun
// continues. It evicts nothing for work that it rejects. Each action is counted, and logged at most once per minute.
//
// All counts are atomic. The budget takes locks only beyond the threshold, and for a collection.
package memory

import (
	"log/slog"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"revox-graphql/internal/seldom"
)

// threshold is the share of Go's memory that may be counted, in per cent. At 80, the collector runs at worst once for
// each fifth of the memory that is allocated. Envoy's heap monitor begins to act at similar shares.
const threshold = 80

// unseen is the memory of a process that Go does not count, in bytes: the part of its binary that is in memory. 18 MiB
// were measured; the rest is for moments in which Go exceeds its limit.
const unseen = 48 << 20

const (
	// A request must leave spare times its own bytes of Go's memory free, but never more than 1/mostSpare of that memory.
	// So the smaller a request is, the later it is rejected: usual requests find room beside any number of large ones,
	// even if running requests use more than they reserved. A thousand requests of 128 KiB, as many as may be in flight
	// by default, find room in a container of 1 GiB.
	spare, mostSpare = 256, 2
	// much is the smallest number of bytes for which a caller waits for a collection, if one is due.
	much = 1 << 20
	// garbageLimit is the share of Go's memory that counted and released bytes may reach together before a collection, in
	// per cent.
	garbageLimit = 85
)

// GoLimit returns the part of a process's memory limit that Go may use, in bytes: see [debug.SetMemoryLimit].
func GoLimit(process int64) int64 { return max(1, process-unseen) }

// Action is an overload action: what the budget does when memory is scarce.
type Action int

// The actions, in the order in which they are taken.
const (
	ShrinkResponses Action = iota
	ShrinkPages
	RejectWork
	numActions
)

// String is the action as a label.
func (a Action) String() string {
	return [numActions]string{"shrink_response_cache", "shrink_page_cache", "reject_requests"}[a]
}

// lines are the log lines of the actions. Evictions are no warnings: large requests beside full caches need them.
var lines = [numActions]struct {
	level   slog.Level
	message string
}{
	ShrinkResponses: {slog.LevelInfo, "cached responses are evicted: requests need their memory"},
	ShrinkPages:     {slog.LevelInfo, "cached pages are evicted: requests need their memory"},
	RejectWork:      {slog.LevelWarn, "memory is scarce: requests are rejected"},
}

// Budget is the memory budget of a process. A nil Budget has no limit, and counts nothing.
type Budget struct {
	limit, most int64 // bytes: of the process, and that may be counted
	goLimit     int64 // bytes that Go may take
	full        int64 // bytes that may be counted with the garbage

	counted, garbage atomic.Int64
	actions          [numActions]action

	mu       sync.Mutex // guards accounts
	accounts []*Account

	reclaiming, collecting, extending sync.Mutex
}

// action is one of the actions.
type action struct {
	log    *seldom.Log
	taken  atomic.Uint64
	of     *Account
	shrink func(bytes int64) (freed int64)
}

// kept is the minimum share of a cache: an action leaves its cache 1/kept of the bytes that may be counted.
var kept = [numActions]int64{ShrinkResponses: 16, ShrinkPages: 8}

// NewBudget makes the budget of a process with this memory limit, of which Go may use goLimit; both are in bytes. With
// a limit of 0, the budget counts and takes no action.
func NewBudget(limit, goLimit int64, log *slog.Logger) *Budget {
	b := &Budget{limit: limit, most: math.MaxInt64 / 2, goLimit: math.MaxInt64 / 2, full: math.MaxInt64}
	for a := range numActions {
		b.actions[a].log = seldom.New(log)
	}
	if limit > 0 {
		b.most = goLimit / 100 * threshold
		b.goLimit = goLimit
		b.full = goLimit / 100 * garbageLimit
	}
	return b
}

// Limit returns the memory limit of the process in bytes; 0 means no limit.
func (b *Budget) Limit() int64 {
	if b == nil {
		return 0
	}
	return b.limit
}

// Shrinks sets the function that an action calls to evict up to so many bytes from the cache with this account. The
// function returns how many bytes it has evicted. One goroutine at a time calls it, from any method that adds to an
// account, except [Account.Add].
func (b *Budget) Shrinks(a Action, of *Account, shrink func(bytes int64) (freed int64)) {
	if b != nil {
		b.actions[a].of, b.actions[a].shrink = of, shrink
	}
}

// Taken returns how often an action was taken: how many requests were rejected, or for how many a cache has shrunk.
func (b *Budget) Taken(a Action) uint64 { return b.actions[a].taken.Load() }

// Reject counts a rejection of work for which there is no room.
func (b *Budget) Reject() {
	if b != nil {
		b.take(RejectWork)
	}
}

// Account makes an account. A nil account counts nothing.
func (b *Budget) Account(name string) *Account {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	account := &Account{budget: b, name: name}
	b.accounts = append(b.accounts, account)
	return account
}

// Accounts are all accounts.
func (b *Budget) Accounts() []*Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.accounts)
}

// Account counts the bytes of one purpose.
type Account struct {
	budget *Budget
	name   string
	used   atomic.Int64
}

// Name is the account's name.
func (a *Account) Name() string { return a.name }

// Used is how many bytes the account has.
func (a *Account) Used() int64 {
	if a == nil {
		return 0
	}
	return a.used.Load()
}

// Add adds bytes that exist, whether there is room for them or not; a negative number takes bytes away. The caller may
// hold any lock: Add evicts nothing, and leaves that to the next caller that needs room, or to Settle.
func (a *Account) Add(bytes int64) {
	if a == nil || bytes == 0 {
		return
	}
	b := a.budget
	a.used.Add(bytes)
	b.counted.Add(bytes)
	if bytes < 0 {
		b.garbage.Add(-bytes)
	}
}

// Discard adds to the garbage bytes that the account does not release: they were never counted, or still are.
func (a *Account) Discard(bytes int64) {
	if a != nil {
		a.budget.garbage.Add(bytes)
	}
}

// Transfer moves bytes to another account of the same budget.
func (a *Account) Transfer(to *Account, bytes int64) {
	if a != nil {
		a.used.Add(-bytes)
		to.used.Add(bytes)
	}
}

// Take adds bytes for work that has begun, and evicts cached entries to make room for them, as far as there are any.
func (a *Account) Take(bytes int64) {
	a.Add(bytes)
	a.Settle()
	a.collect(bytes)
}

// Settle evicts cached entries to make room for bytes that were added by Add, as far as there are any.
func (a *Account) Settle() {
	if a != nil && a.budget.counted.Load() > a.budget.most {
		a.budget.reclaim(a.budget.most)
	}
}

// Release takes bytes from the account.
func (a *Account) Release(bytes int64) { a.Add(-bytes) }

// HasRoom reports whether so many more bytes could be counted at present.
func (a *Account) HasRoom(bytes int64) bool {
	return a == nil || a.budget.counted.Load()+bytes <= a.budget.most
}

// Reserve adds the bytes of work that is about to begin, and reports whether it did. There must be room for them, if
// necessary after Reserve has evicted cached entries. The only work of its account needs no room, as long as the other
// accounts are within the threshold: otherwise, work that is larger than all free memory could never begin. Large work
// must leave room for small work, see spare.
func (a *Account) Reserve(bytes int64) bool {
	if a.TryReserve(bytes) {
		return true
	}
	a.budget.take(RejectWork)
	return false
}

// TryReserve is Reserve for work that is not rejected if there is no room: the caller waits, or does without it.
func (a *Account) TryReserve(bytes int64) bool {
	if a == nil {
		return true
	}
	b := a.budget
	most := b.mostFor(bytes)
	if a.add(bytes, most) {
		a.collect(bytes)
		return true
	}
	a.makeRoom(0, bytes, most)
	if a.add(bytes, most) || a.addAlone(0, bytes) {
		a.collect(bytes)
		return true
	}
	return false
}

// Extend is Reserve for more bytes of a request that has begun and already holds so many bytes. If there is no room,
// the request releases all bytes that it holds, before Extend looks for room for the next such request. So of several
// requests that grow together the last one continues, even if all of them meet the limit at once. A request that holds
// the only bytes of its account needs no room, as for Reserve.
func (a *Account) Extend(held, bytes int64) bool {
	if a == nil {
		return true
	}
	b := a.budget
	most := b.mostFor(held + bytes)
	if !a.add(bytes, most) && !a.extendOrRelease(held, bytes, most) {
		b.take(RejectWork)
		return false
	}
	a.collect(bytes)
	return true
}

// extendOrRelease is the part of Extend for a request without room. It handles one request at a time.
func (a *Account) extendOrRelease(held, bytes, most int64) bool {
	b := a.budget
	b.extending.Lock()
	defer b.extending.Unlock()
	a.makeRoom(held, bytes, most)
	if a.add(bytes, most) || a.addAlone(held, bytes) {
		return true
	}
	a.Release(held)
	return false
}

// Keep is TryReserve for bytes that already exist and were added to the account. It reports whether they may stay. If
// not, Keep calls release, which takes them from the account, before it looks for room for the next caller. So if
// several callers add bytes at once, the last one finds the room that the others released.
func (a *Account) Keep(bytes int64, release func()) bool {
	if a == nil {
		return true
	}
	b := a.budget
	most := b.mostFor(bytes)
	if b.counted.Load() <= most {
		return true
	}
	b.extending.Lock()
	defer b.extending.Unlock()
	a.makeRoom(bytes, 0, most)
	counted := b.counted.Load()
	if counted <= most || a.Used() == bytes && counted-bytes <= b.most {
		return true
	}
	release()
	b.reclaim(b.most) // what was in use may be in a cache now
	return false
}

// mostFor returns the most bytes that may be counted after a request has added so many.
func (b *Budget) mostFor(bytes int64) int64 {
	free := b.goLimit / mostSpare
	if bytes < free/spare {
		free = spare * bytes
	}
	return b.goLimit - free
}

// add counts bytes if no more than most are counted afterwards. It does not count rejected bytes even for a moment:
// otherwise, small reservations would be rejected because of large ones that are rejected too.
func (a *Account) add(bytes, most int64) bool {
	b := a.budget
	for {
		sum := b.counted.Load()
		if sum > most-bytes {
			return false
		}
		if b.counted.CompareAndSwap(sum, sum+bytes) {
			a.used.Add(bytes)
			return true
		}
	}
}

// addAlone counts bytes of a request that holds all bytes of its account, if the other accounts are within the
// threshold.
func (a *Account) addAlone(held, bytes int64) bool {
	if a.budget.counted.Load()-held > a.budget.most || !a.used.CompareAndSwap(held, held+bytes) {
		return false
	}
	a.budget.counted.Add(bytes)
	return true
}

// makeRoom evicts cached entries for more bytes of a request that already holds so many. It evicts nothing if that
// would not be enough, unless the request is the only one of its account, which may need less room.
func (a *Account) makeRoom(held, bytes, most int64) {
	b := a.budget
	over := b.counted.Load() - (most - bytes)
	for action := range RejectWork {
		over -= b.evictable(action)
	}
	if over <= 0 || a.Used() == held {
		b.reclaim(most - bytes)
	}
}

// collect runs a garbage collection before so many bytes are taken, if there is too much garbage.
func (a *Account) collect(bytes int64) {
	if a == nil || bytes < much {
		return
	}
	b := a.budget
	due := func() bool { return b.counted.Load() > b.full-b.garbage.Load() }
	if !due() {
		return
	}
	b.collecting.Lock()
	defer b.collecting.Unlock()
	if due() { // otherwise, another goroutine has just run a collection
		before := b.garbage.Load()
		runtime.GC()
		b.garbage.Add(-before)
	}
}

// reclaim has caches shrink, in their order, until no more than most is counted.
func (b *Budget) reclaim(most int64) {
	b.reclaiming.Lock()
	defer b.reclaiming.Unlock()
	for a := range RejectWork {
		over := b.counted.Load() - most
		if over <= 0 {
			break
		}
		if bytes := b.evictable(a); bytes > 0 && b.actions[a].shrink(min(over, bytes)) > 0 {
			b.take(a)
		}
	}
}

// evictable is how many bytes an action may evict.
func (b *Budget) evictable(a Action) int64 {
	action := &b.actions[a]
	if action.shrink == nil {
		return 0
	}
	return max(0, action.of.Used()-b.most/kept[a])
}

// take notes that an action was taken.
func (b *Budget) take(a Action) {
	b.actions[a].taken.Add(1)
	b.actions[a].log.Log(lines[a].level, lines[a].message, "countedBytes", b.counted.Load(), "limitBytes", b.limit)
}
