package attempt

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"revox-graphql/upstream"
)

// slotsModel drives slots from one goroutine, and keeps what it needs to check them.
type slotsModel struct {
	*slots
	tenants []*Tenant
	came    []*waiter                             // waiters, as far as the model knows, in the order of arrival
	holding []*waiter                             // waiters that have a slot
	queued  map[*waiter]int                       // the number of each waiter's arrival in its queue
	passed  map[upstream.Tenant][]upstream.Tenant // the tenants that got a slot since this one could have had one
	numbers int
}

// enterOne lets a request of a tenant arrive.
func (m *slotsModel) enterOne(t *rapid.T) {
	tenant := rapid.SampledFrom(m.tenants).Draw(t, "tenant")
	able := m.able()
	w := m.enter(tenant, rapid.Bool().Draw(t, "refresh"))
	m.came = append(m.came, w)
	m.numbers++
	m.queued[w] = m.numbers
	m.settle(t, able)
}

// able returns the tenants with a waiter that may have a slot as soon as one is free.
func (m *slotsModel) able() []upstream.Tenant {
	var able []upstream.Tenant
	for _, sh := range m.shares {
		if m.first(sh) != nil {
			able = append(able, sh.tenant.id)
		}
	}
	return able
}

// isDecided reports whether a waiter has a slot, or is rejected.
func (w *waiter) isDecided() bool {
	select {
	case <-w.decided:
		return true
	default:
		return false
	}
}

// settle checks which waiters are decided, and what must hold after each step. The tenants that were able before the
// step have waited during all of it.
func (m *slotsModel) settle(t *rapid.T, able []upstream.Tenant) {
	still := m.able()
	for other := range m.passed {
		if !slices.Contains(able, other) || !slices.Contains(still, other) {
			delete(m.passed, other) // this tenant did not wait all the time
		}
	}
	for _, w := range slices.Clone(m.came) {
		if !w.isDecided() {
			continue
		}
		at := slices.Index(m.came, w)
		m.came = slices.Delete(m.came, at, at+1)
		if w.rejected {
			m.judgeRefusal(t, w)
			continue
		}
		m.holding = append(m.holding, w)
		for _, other := range m.came {
			first := other.share == w.share && other.class == w.class && m.queued[other] < m.queued[w]
			if first && !other.isDecided() { // one step may decide both
				t.Fatalf("%v was served before a request that came earlier", w.share.tenant.id)
			}
		}
		m.judgeTurn(t, w, able)
	}
	m.judge(t)
}

// judgeTurn checks that no tenant gets two slots while another one that could have a slot gets none.
func (m *slotsModel) judgeTurn(t *rapid.T, w *waiter, able []upstream.Tenant) {
	id := w.share.tenant.id
	delete(m.passed, id)
	still := m.able()
	for _, other := range able {
		if other == id || !slices.Contains(still, other) {
			continue
		}
		if slices.Contains(m.passed[other], id) {
			t.Fatalf("%v got two slots while %v waited", id, other)
		}
		m.passed[other] = append(m.passed[other], id)
	}
}

// judgeRefusal checks that no queue is longer than that of the rejected waiter, and that this waiter came last to its
// queue.
func (m *slotsModel) judgeRefusal(t *rapid.T, w *waiter) {
	mine := len(w.share.queues[w.class]) + 1
	longest := 0
	for _, sh := range m.shares {
		if m.isUnproven(w.share) && !m.isUnproven(sh) {
			continue // the waiter may have been rejected for the unproven tenants' bound
		}
		longest = max(longest, len(sh.queues[urgent]), len(sh.queues[refresh]))
	}
	if mine < longest {
		t.Fatalf("a waiter of a queue of %d was rejected, and %d wait in another queue", mine, longest)
	}
	for _, other := range m.came {
		if other.share == w.share && other.class == w.class && m.queued[other] > m.queued[w] {
			t.Fatal("a waiter was rejected, and one that came later was not")
		}
	}
}

// unprovenWaiting returns how many requests of unproven tenants wait.
func (m *slotsModel) unprovenWaiting() (n int) {
	for _, w := range m.came {
		if m.isUnproven(w.share) {
			n++
		}
	}
	return n
}

// judge checks the bounds, and that no slot is free while a request may have it.
func (m *slotsModel) judge(t *rapid.T) {
	taken, refreshing, unproven := map[upstream.Tenant]int{}, map[upstream.Tenant]int{}, 0
	for _, w := range m.holding {
		taken[w.share.tenant.id]++
		if w.class == refresh {
			refreshing[w.share.tenant.id]++
		}
		if w.unproven {
			unproven++
		}
	}
	unprovenWaiting := m.unprovenWaiting()
	switch now, waiting := m.load(); {
	case now != len(m.holding) || waiting != len(m.came):
		t.Fatalf("%d taken, %d waiting; want %d, %d", now, waiting, len(m.holding), len(m.came))
	case now > m.opts.all || waiting > m.opts.waiting:
		t.Fatalf("%d taken, %d waiting", now, waiting)
	case m.opts.unproven && unproven > max(1, m.opts.all/upstream.UnprovenShare):
		t.Fatalf("%d slots of unproven tenants", unproven)
	case m.opts.unproven && unprovenWaiting > max(1, m.opts.waiting/upstream.UnprovenShare):
		t.Fatalf("%d of unproven tenants wait", unprovenWaiting)
	case now < m.opts.all && len(m.able()) > 0:
		t.Fatalf("%d of %d slots are taken, and %d may have one", now, m.opts.all, len(m.able()))
	}
	for _, tenant := range m.tenants {
		if n := taken[tenant.id]; n > m.opts.tenant || refreshing[tenant.id] > max(1, m.opts.tenant/refreshShare) {
			t.Fatalf("a tenant has %d slots, %d for refreshes", n, refreshing[tenant.id])
		}
	}
	if len(m.holding)+len(m.came) == 0 && len(m.shares)+len(m.rotation) > 0 {
		t.Fatalf("left behind: %d shares, %d in rotation", len(m.shares), len(m.rotation))
	}
}

// In any order of arrivals and departures: the bounds hold, no slot is free while a request may have it, tenants take
// turns, each queue is first come, first served, and nothing is left behind.
func TestSlotsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.IntRange(1, 20).Draw(t, "slots")
		m := &slotsModel{
			slots: newSlots(slotOptions{
				all: all, tenant: rapid.IntRange(1, all).Draw(t, "of one tenant"),
				waiting: rapid.IntRange(0, 20).Draw(t, "waiters"), unproven: rapid.Bool().Draw(t, "unproven share"),
			}),
			queued: map[*waiter]int{}, passed: map[upstream.Tenant][]upstream.Tenant{},
		}
		for i := range rapid.IntRange(1, 6).Draw(t, "tenants") {
			tenant := &Tenant{id: upstream.Tenant{byte(i)}}
			tenant.proven.Store(rapid.Bool().Draw(t, "proven"))
			m.tenants = append(m.tenants, tenant)
		}
		some := func(of []*waiter) *waiter {
			if len(of) == 0 {
				return nil
			}
			return rapid.SampledFrom(of).Draw(t, "waiter")
		}
		t.Repeat(map[string]func(*rapid.T){
			"enter":       m.enterOne,
			"enter again": m.enterOne,
			"free": func(t *rapid.T) {
				w, able := some(m.holding), m.able()
				if w == nil {
					return
				}
				m.holding = slices.DeleteFunc(m.holding, func(other *waiter) bool { return other == w })
				m.free(w)
				m.settle(t, able)
			},
			"give up": func(t *rapid.T) {
				w, able := some(m.came), m.able()
				if w == nil {
					return
				}
				m.came = slices.DeleteFunc(m.came, func(other *waiter) bool { return other == w })
				if !m.giveUp(w) {
					t.Fatal("a waiting request did not wait")
				}
				m.settle(t, able)
			},
			"promote": func(t *rapid.T) {
				w := some(m.came)
				if w == nil {
					return
				}
				m.numbers++
				m.queued[w] = m.numbers
				m.promote(w)
				clear(m.passed) // the request may have been first in the other queue
				m.settle(t, nil)
			},
			"prove": func(t *rapid.T) {
				tenant := rapid.SampledFrom(m.tenants).Draw(t, "tenant")
				tenant.proven.Store(true)
				m.dispatch() // as happens when the request that has proven the tenant frees its slot
				m.settle(t, nil)
			},
		})
	})
}

// The order of service. The name of a request is the letter of its tenant, in lower case for a refresh.
func TestSlotsOrder(t *testing.T) {
	tests := map[string]struct {
		opts   slotOptions
		come   string // arrivals, one after the other, while X has the one slot
		want   string // the requests in the order in which they get the slot
		refuse string
	}{
		"one tenant":                {come: "AAA", want: "AAA"},
		"turns":                     {come: "AAAABBC", want: "ABCABAA"},
		"refreshes take turns":      {come: "aaaaAAB", want: "ABaAaaa"},
		"one refresh among many":    {come: "AAAAa", want: "AaAAA"},
		"the longest queue gives":   {opts: slotOptions{waiting: 5}, come: "AAAAABCD", want: "ABCDA", refuse: "AAA"},
		"a queue as long as others": {opts: slotOptions{waiting: 4}, come: "AABBC", want: "ABCB", refuse: "A"},
		"as long as its own":        {opts: slotOptions{waiting: 4}, come: "AABBB", want: "ABAB", refuse: "B"},
		"refreshes give first":      {opts: slotOptions{waiting: 4}, come: "aaaaAAB", want: "ABaA", refuse: "aaa"},
		"unproven, each may wait": {
			opts: slotOptions{waiting: 16, unproven: true}, come: "UVWAA", want: "UVAA", refuse: "W",
		},
		"unproven tenants alone":     {opts: slotOptions{waiting: 16, unproven: true}, come: "UUU", want: "UU", refuse: "U"},
		"unproven, the longer gives": {opts: slotOptions{waiting: 16, unproven: true}, come: "UUV", want: "UV", refuse: "U"},
		"no request may wait":        {opts: slotOptions{waiting: -1}, come: "AB", refuse: "AB"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			opts := test.opts
			opts.all, opts.tenant = 1, 1
			if opts.waiting == 0 {
				opts.waiting = 100
			}
			s := newSlots(opts)
			tenants := map[rune]*Tenant{}
			enter := func(name rune) *waiter {
				id := name &^ 0x20 // a capital letter
				if tenants[id] == nil {
					tenants[id] = &Tenant{id: upstream.Tenant{byte(id)}}
					tenants[id].proven.Store(id < 'U' || id == 'X')
				}
				return s.enter(tenants[id], name != id)
			}
			slot := enter('X')
			names := map[*waiter]rune{}
			for _, name := range test.come {
				names[enter(name)] = name
			}
			refused, served := "", ""
			for w, name := range names {
				if w.rejected {
					refused += string(name)
					delete(names, w)
				}
			}
			for len(names) > 0 {
				s.free(slot)
				slot = nil
				for w := range names {
					select {
					case <-w.decided:
						slot = w
					default:
					}
				}
				if slot == nil {
					t.Fatalf("%d wait, and none has the slot", len(names))
				}
				served += string(names[slot])
				delete(names, slot)
			}
			if letters := []rune(refused); served != test.want || !sameLetters(letters, []rune(test.refuse)) {
				t.Errorf("served %s, refused %s", served, refused)
			}
		})
	}
}

func sameLetters(a, b []rune) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// Refreshes have a quarter of the tenant's slots until they become urgent.
func TestRefreshesHaveAShare(t *testing.T) {
	s := newSlots(slotOptions{all: 32, tenant: 16, waiting: 100})
	one := &Tenant{}
	var waiters []*waiter
	for range 10 {
		waiters = append(waiters, s.enter(one, true))
	}
	want := func(taken, waiting int) {
		t.Helper()
		if now, wait := s.load(); now != taken || wait != waiting {
			t.Errorf("%d taken, %d waiting; want %d, %d", now, wait, taken, waiting)
		}
	}
	want(4, 6)
	s.promote(waiters[9])
	want(5, 5)
	s.promote(waiters[9]) // it has a slot already
	want(5, 5)
	s.free(waiters[9])
	want(4, 5)
	s.free(waiters[0])
	want(4, 4)
}
