// Package memory is the memory budget of a process: one sum of all that is held, and what is done as it comes near to
// what the process may take. It is what Envoy's overload manager is, with the process's own accounts in place of a
// monitor.
//
// # What is counted
//
// Bytes that are alive and grow with what clients or upstream send, each in an account: pages, responses, bodies.
// An account is added to before the bytes are there, or as they come, and released when they are garbage. What a
// request is going to take is reserved before it begins, since memory that was measured afterwards is taken
// already: the live heap that Go measures is as old as its last collection, and forty responses of 64 MiB can begin
// between two of them. Measured memory would also reject work for as long as Go does not collect, after what took
// it has gone.
//
// # What is not counted
//
// Garbage that waits for its collection, stacks, buffers of net/http, indices: a fifth of what Go may take is left to
// them, see [threshold], of which small requests may take some, see [spare]. The Go runtime knows that limit
// ([debug.SetMemoryLimit]) and collects the more often the less of the fifth is left.
//
// # Garbage
//
// What is released is garbage until it is collected. Go's own collector runs when its limit is near, and while it runs
// others go on: five that take 64 MiB each went a tenth beyond the limit, on a busy machine. So what was released is
// counted too, and what is about to take much, where both together come near to the limit, has it collected first.
//
// # Overload actions
//
// Where the sum is beyond the threshold, what can be made again goes first: cached responses, then cached pages, by
// as many bytes as it takes, but for a share that each keeps: without any cache, each request would go to upstream,
// and take more memory than the cache did. Then new work is rejected, the largest first; what has begun goes on. Each
// action begins when something is done, and ends when the sum is below nine tenths of the threshold, so that it is
// logged once.
//
// All counts are atomic. Locks are taken only beyond the threshold, and for a collection.
package memory

import (
	"log/slog"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// threshold is the share of what Go may take that may be counted, in per cent. With 80 of 100 the collector runs
// once for each fifth that is allocated, at worst. Envoy's heap monitor begins to act at such shares, too.
const threshold = 80

// unseen is what a process takes beside what Go knows of: its binary, as far as that is in memory. 18 MiB were
// measured; the rest is for what Go takes beyond its limit for a moment.
const unseen = 48 << 20

const (
	// A request leaves so many times its own bytes free of what Go may take, but no more than a half: the smaller it is,
	// the later it is rejected. So usual requests find room beside any number of large ones, and although what has begun
	// takes more than was reserved for it. A thousand of 128 KiB, as many as may be in flight by default, find room in a
	// container of 1 GiB.
	spare, mostSpare = 256, 2
	// much is what is taken at once that waits for a collection, if one is due.
	much = 1 << 20
	// garbageLimit is the share of what Go may take up to which there is garbage, in per cent.
	garbageLimit = 85
)

// GoLimit is how much of the memory that a process may take is for Go, see [debug.SetMemoryLimit].
func GoLimit(process int64) int64 { return max(1, process-unseen) }

// Action is what is done when memory is scarce.
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

// messages are what the log says of each action.
var messages = [numActions]string{
	ShrinkResponses: "memory is scarce: cached responses are evicted",
	ShrinkPages:     "memory is scarce: cached pages are evicted",
	RejectWork:      "memory is scarce: requests are rejected",
}

// Budget is the memory of a process. A nil Budget has no limit, and counts nothing.
type Budget struct {
	limit, most, calm int64 // bytes: of the process, that may be counted, and below which actions end
	goLimit           int64 // bytes that Go may take
	full              int64 // bytes that may be counted with the garbage
	log               *slog.Logger

	counted, garbage atomic.Int64
	actions          [numActions]action

	mu       sync.Mutex // of accounts and observed
	accounts []*Account

	reclaiming, collecting, extending sync.Mutex
}

// action is one of the actions.
type action struct {
	active atomic.Bool
	taken  atomic.Uint64
	of     *Account
	shrink func(bytes int64) (freed int64)
}

// kept is the share of what may be counted, one in so many, that an action leaves its cache.
var kept = [numActions]int64{ShrinkResponses: 16, ShrinkPages: 8}

// NewBudget makes the budget of a process that may take so many bytes, and so many of them in Go. A limit of 0 is
// none: everything is counted, and nothing done.
func NewBudget(limit, goLimit int64, log *slog.Logger) *Budget {
	b := &Budget{limit: limit, most: math.MaxInt64 / 2, goLimit: math.MaxInt64 / 2, full: math.MaxInt64, log: log}
	if limit > 0 {
		b.most = goLimit / 100 * threshold
		b.goLimit = goLimit
		b.full = goLimit / 100 * garbageLimit
		b.calm = b.most / 10 * 9
	}
	return b
}

// Limit is how many bytes the process may take; 0 is any number.
func (b *Budget) Limit() int64 {
	if b == nil {
		return 0
	}
	return b.limit
}

// Shrinks names what drops so many bytes of the cache with this account, as far as it has them, and returns how many it
// has dropped. It is called for one caller at a time, who may be any that adds to an account but for [Account.Add].
func (b *Budget) Shrinks(a Action, of *Account, shrink func(bytes int64) (freed int64)) {
	if b != nil {
		b.actions[a].of, b.actions[a].shrink = of, shrink
	}
}

// Taken is how often an action was taken.
func (b *Budget) Taken(a Action) uint64 { return b.actions[a].taken.Load() }

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

// Account is a part of what is counted.
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

// Add counts bytes that are there, whether there is room for them or not; fewer, if the number is negative. It may be
// called with any lock held: room is made by the next that needs some, or by Settle.
func (a *Account) Add(bytes int64) {
	if a == nil || bytes == 0 {
		return
	}
	b := a.budget
	a.used.Add(bytes)
	sum := b.counted.Add(bytes)
	if bytes > 0 {
		return
	}
	b.garbage.Add(-bytes)
	if sum < b.calm {
		b.calmed()
	}
}

// Discard notes bytes that have become garbage and were never counted, or still are.
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

// Take counts bytes of what has begun, and makes room for them as far as caches have it.
func (a *Account) Take(bytes int64) {
	a.Add(bytes)
	a.Settle()
	a.collect(bytes)
}

// Settle makes room for what was added, as far as caches have it.
func (a *Account) Settle() {
	if a != nil && a.budget.counted.Load() > a.budget.most {
		a.budget.reclaim(a.budget.most)
	}
}

// Release takes back what was counted.
func (a *Account) Release(bytes int64) { a.Add(-bytes) }

// HasRoom reports whether so many bytes more may be counted as things are.
func (a *Account) HasRoom(bytes int64) bool {
	return a == nil || a.budget.counted.Load()+bytes <= a.budget.most
}

// Reserve counts the bytes of what is about to begin, if there is room for them or caches can make some. What is the
// only one of its account needs none, as long as the others have not more than they may: else what is larger than all
// that is ever free would never begin. What is large must leave room for what is small, see spare.
func (a *Account) Reserve(bytes int64) bool {
	if a.TryReserve(bytes) {
		return true
	}
	a.budget.take(RejectWork)
	return false
}

// TryReserve is Reserve for what waits where there is no room, and is not rejected.
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
	b.reclaim(most - bytes)
	if a.add(bytes, most) || a.addAlone(0, bytes) {
		a.collect(bytes)
		return true
	}
	return false
}

// Extend is Reserve for what a request takes that has begun and holds so many bytes already. Where there is no room,
// the request releases what it holds, before the next that found no room is answered: of several that grow together
// the last goes on, however many of them meet at the limit at once. A request that has the only bytes of its account
// needs no room, as for Reserve.
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

// extendOrRelease is what Extend does where there is no room: one request at a time.
func (a *Account) extendOrRelease(held, bytes, most int64) bool {
	b := a.budget
	b.extending.Lock()
	defer b.extending.Unlock()
	b.reclaim(most - bytes)
	if a.add(bytes, most) || a.addAlone(held, bytes) {
		return true
	}
	a.Release(held)
	return false
}

// Keep is Reserve for bytes that exist already and were added to the account: it reports whether they may stay. If not,
// it calls release, which takes them from the account, before the next caller is answered: of several that are added at
// once the last one finds the room of the others.
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
	b.reclaim(most)
	counted := b.counted.Load()
	if counted <= most || a.Used() == bytes && counted-bytes <= b.most {
		return true
	}
	release()
	b.reclaim(b.most) // what was in use may be in a cache now
	b.take(RejectWork)
	return false
}

// mostFor is how many bytes may be counted with those of a request that takes so many.
func (b *Budget) mostFor(bytes int64) int64 {
	free := b.goLimit / mostSpare
	if bytes < free/spare {
		free = spare * bytes
	}
	return b.goLimit - free
}

// add counts bytes if no more than most are counted then. Those that there is no room for are not counted even for a
// moment: small reservations would be rejected beside large ones that are rejected.
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

// addAlone counts bytes of a request that holds all that its account has, if the others have not more than they may.
func (a *Account) addAlone(held, bytes int64) bool {
	if a.budget.counted.Load()-held > a.budget.most || !a.used.CompareAndSwap(held, held+bytes) {
		return false
	}
	a.budget.counted.Add(bytes)
	return true
}

// collect has garbage collected before so many bytes are taken, if there is too much of it.
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
	if due() { // else it was another's turn
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
		action := &b.actions[a]
		spare := action.of.Used() - b.most/kept[a]
		if action.shrink != nil && spare > 0 && action.shrink(min(over, spare)) > 0 {
			b.take(a)
		}
	}
}

// take notes that an action was taken.
func (b *Budget) take(a Action) {
	b.actions[a].taken.Add(1)
	if b.actions[a].active.CompareAndSwap(false, true) {
		b.log.Warn(messages[a], "countedBytes", b.counted.Load(), "limitBytes", b.limit)
	}
}

// calmed ends the actions.
func (b *Budget) calmed() {
	for a := range numActions {
		if b.actions[a].active.Load() && b.actions[a].active.CompareAndSwap(true, false) {
			b.log.Info("memory is available again", "ended", a.String(), "countedBytes", b.counted.Load())
		}
	}
}
