package attempt

// Sharing out the slots
//
// Slots bound how many attempts are in flight, and how many requests wait for a slot. The tenants with waiting requests
// take turns (round robin), so a tenant with a hundred waiters delays one with a single waiter by one request, not by a
// hundred. Within a tenant, requests are served first come, first served.
//
// Some requests of a tenant are less urgent: refreshes read a page again that is in memory, in the background or
// because of `Cache-Control: no-cache`. They have a queue of their own, which takes turns with the tenant's other
// queue, and at most a quarter of the tenant's slots. If they had a lower priority instead, they would never be sent
// while upstream is busy, and clients would later wait for the pages that were not refreshed in time.
//
// If too many requests wait, the newest waiter of the longest queue is rejected (longest queue drop). So long queues
// never keep out a shorter one.
//
// A client can make up any number of keys, so turns do not protect against keys that upstream has never accepted.
// Together these have an eighth of the slots, and of the waiters.
//
// Why this is not a library: golang.org/x/sync/semaphore and failsafe-go's bulkhead have one queue. Kubernetes' API
// server has fair queuing by flow, but not as a library.

import (
	"context"
	"slices"
	"sync"

	"revox-graphql/upstream"
)

// refreshShare: refreshes may take one in so many of a tenant's slots.
const refreshShare = 4

// slotOptions are the bounds of [slots].
type slotOptions struct {
	all, tenant int // slots; at least 1
	waiting     int // waiters; with 0 or less no request waits
	// unproven says that all tenants whose key upstream has never accepted have one share together.
	unproven bool
}

// slots bound how many attempts are in flight, and how many requests wait for a slot.
type slots struct {
	opts slotOptions

	mu       sync.Mutex
	taken    int
	waiting  int
	unproven int // taken by unproven tenants
	shares   map[upstream.Tenant]*tenantShare
	rotation []*tenantShare // of the tenants with waiters; the one whose turn is next comes first
}

// tenantShare has the slots and the waiters of one tenant. It exists while the tenant has a slot or a waiter.
type tenantShare struct {
	tenant     *Tenant
	taken      int
	refreshing int // taken by refreshes
	queues     [2][]*waiter
	next       class // the queue whose turn is next
}

// class is how urgent a request is.
type class int

const (
	urgent class = iota
	refresh
)

// waiter is a request that waits for a slot, or has one.
type waiter struct {
	share    *tenantShare
	class    class
	unproven bool          // its slot is one of the unproven tenants' share
	decided  chan struct{} // closed when it has a slot, or is rejected
	rejected bool
}

func newSlots(opts slotOptions) *slots {
	return &slots{opts: opts, shares: map[upstream.Tenant]*tenantShare{}}
}

// load returns how many slots are taken, and how many requests wait for one.
func (s *slots) load() (taken, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken, s.waiting
}

// take waits for a slot, which the caller must free. A request is a refresh until becomesUrgent is closed; with nil, it
// is urgent from the beginning. If ctx has ended, take still takes a free slot, but does not wait. Its error is of
// [upstream.KindOverloaded], or that of [upstream.ContextError].
func (s *slots) take(ctx context.Context, t *Tenant, becomesUrgent <-chan struct{}) (*waiter, error) {
	w := s.enter(t, becomesUrgent != nil)
	for {
		select {
		case <-w.decided:
			if w.rejected {
				return nil, upstream.Overloaded("too many requests already wait for upstream")
			}
			return w, nil
		default:
		}
		select {
		case <-w.decided:
		case <-becomesUrgent:
			becomesUrgent = nil
			s.promote(w)
		case <-ctx.Done():
			if s.giveUp(w) {
				return nil, upstream.ContextError(ctx)
			}
		}
	}
}

// enter makes a waiter, which may get a slot, or be rejected, at once.
func (s *slots) enter(t *Tenant, isRefresh bool) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shares[t.id]
	if sh == nil {
		sh = new(tenantShare)
		s.shares[t.id] = sh
	}
	sh.tenant = t
	w := &waiter{share: sh, decided: make(chan struct{})}
	if isRefresh {
		w.class = refresh
	}
	s.add(w)
	s.dispatch()
	s.shed(w)
	return w
}

func (s *slots) free(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(w, -1)
	s.forget(w.share)
	s.dispatch()
}

// promote moves a refresh to the queue of urgent requests, if it still waits.
func (s *slots) promote(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remove(w) {
		s.shares[w.share.tenant.id] = w.share
		w.class = urgent
		s.add(w)
		s.dispatch()
	}
}

// giveUp removes a request that still waits, and reports whether it did.
func (s *slots) giveUp(w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remove(w)
}

// The callers of the following functions hold the lock.

// dispatch gives free slots to the waiters whose turn it is.
func (s *slots) dispatch() {
	for s.taken < s.opts.all {
		at := slices.IndexFunc(s.rotation, func(sh *tenantShare) bool { return s.first(sh) != nil })
		if at < 0 {
			return
		}
		sh := s.rotation[at]
		w := s.first(sh)
		s.rotation = append(slices.Delete(s.rotation, at, at+1), sh)
		sh.next = 1 - w.class
		w.unproven = s.isUnproven(sh)
		s.count(w, 1)
		s.remove(w)
		close(w.decided)
	}
}

// first returns the tenant's waiter whose turn it is; nil if the tenant may have no further slot at present.
func (s *slots) first(sh *tenantShare) *waiter {
	if sh.taken >= s.opts.tenant || s.isUnproven(sh) && s.unproven >= max(1, s.opts.all/upstream.UnprovenShare) {
		return nil
	}
	for _, c := range []class{sh.next, 1 - sh.next} {
		if len(sh.queues[c]) > 0 && (c == urgent || sh.refreshing < max(1, s.opts.tenant/refreshShare)) {
			return sh.queues[c][0]
		}
	}
	return nil
}

// shed rejects a waiter if too many wait, now that another one has come.
func (s *slots) shed(came *waiter) {
	unproven := 0
	for _, sh := range s.rotation {
		if s.isUnproven(sh) {
			unproven += sh.waiting()
		}
	}
	if unproven > max(1, s.opts.waiting/upstream.UnprovenShare) && s.isUnproven(came.share) {
		s.reject(s.newest(came, s.isUnproven))
	}
	if s.waiting > max(0, s.opts.waiting) {
		s.reject(s.newest(came, func(*tenantShare) bool { return true }))
	}
}

// newest returns the newest waiter of the longest queue. Among queues of equal length, that of the waiter that came
// counts as the longest.
func (s *slots) newest(came *waiter, among func(*tenantShare) bool) *waiter {
	longest := came.share.queues[came.class]
	for _, sh := range s.rotation {
		for _, c := range []class{refresh, urgent} {
			if among(sh) && len(sh.queues[c]) > len(longest) {
				longest = sh.queues[c]
			}
		}
	}
	return longest[len(longest)-1]
}

func (s *slots) reject(w *waiter) {
	s.remove(w)
	w.rejected = true
	close(w.decided)
}

// isUnproven reports whether a tenant may only use the unproven tenants' share.
func (s *slots) isUnproven(sh *tenantShare) bool { return s.opts.unproven && !sh.tenant.proven.Load() }

// count counts a slot as taken, or with -1 as free.
func (s *slots) count(w *waiter, n int) {
	s.taken += n
	w.share.taken += n
	if w.class == refresh {
		w.share.refreshing += n
	}
	if w.unproven {
		s.unproven += n
	}
}

// add puts a waiter at the end of its queue.
func (s *slots) add(w *waiter) {
	if w.share.waiting() == 0 {
		s.rotation = append(s.rotation, w.share)
	}
	w.share.queues[w.class] = append(w.share.queues[w.class], w)
	s.waiting++
}

// remove takes a waiter out of its queue, and reports whether it was there.
func (s *slots) remove(w *waiter) bool {
	queue := w.share.queues[w.class]
	at := slices.Index(queue, w)
	if at < 0 {
		return false
	}
	w.share.queues[w.class] = slices.Delete(queue, at, at+1)
	s.waiting--
	if w.share.waiting() == 0 {
		s.rotation = slices.DeleteFunc(s.rotation, func(other *tenantShare) bool { return other == w.share })
		s.forget(w.share)
	}
	return true
}

// forget deletes a share without slots and waiters.
func (s *slots) forget(sh *tenantShare) {
	if sh.taken == 0 && sh.waiting() == 0 {
		delete(s.shares, sh.tenant.id)
	}
}

// waiting returns how many requests of the tenant wait.
func (sh *tenantShare) waiting() int { return len(sh.queues[urgent]) + len(sh.queues[refresh]) }
