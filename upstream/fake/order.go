package fake

import (
	"cmp"
	"slices"
)

// ordered is a sorted list. It stays valid while the list, the switches and the clock stay the same.
type ordered struct {
	list      *list
	behaviour *Behaviour
	now       int64
	calls     []call // the head last, as in the list
}

// order returns the calls of the list in the order of the switches, the head last. Without such switches it returns
// the list's own array. Otherwise it sorts the whole list, and keeps the result for the next request.
func (u *Upstream) order(b *Behaviour, l *list, now int64) []call {
	if b.Order == "" && len(b.ListTwice) == 0 {
		return l.calls
	}
	if o := u.ordered.Load(); o != nil && o.list == l && o.behaviour == b && o.now == now {
		return o.calls
	}
	calls := slices.Clone(l.calls)
	switch b.Order {
	case "reversed":
		slices.Reverse(calls)
	case "queued-first":
		u.sortBy(calls, func(c call, p *plan) int64 {
			if c.phase(p, now) == queued {
				return 1
			}
			return 0
		})
	case "started":
		sortBySerial(calls)
		u.sortBy(calls, func(c call, p *plan) int64 { return c.started(u.seed, p, now) })
	case "updated":
		sortBySerial(calls)
		u.sortBy(calls, func(c call, p *plan) int64 { return c.updated(p, now) })
	}
	calls = slices.Insert(calls, 0, u.twice(l, b.ListTwice)...)
	u.ordered.Store(&ordered{list: l, behaviour: b, now: now, calls: calls})
	return calls
}

func sortBySerial(calls []call) {
	slices.SortFunc(calls, func(a, b call) int { return cmp.Compare(a.serial, b.serial) })
}

// sortBy sorts the calls by key, the greatest last. Calls with the same key keep their order.
func (u *Upstream) sortBy(calls []call, key func(call, *plan) int64) {
	type keyed struct {
		call
		key int64
	}
	with := make([]keyed, len(calls))
	for i, c := range calls {
		p := planOf(u.seed, c.serial)
		with[i] = keyed{call: c, key: key(c, &p)}
	}
	slices.SortStableFunc(with, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	for i := range with {
		calls[i] = with[i].call
	}
}

// started returns started_at as it is rendered at now, or the time of arrival if that is null.
func (c call) started(seed uint64, p *plan, now int64) int64 {
	if !p.dialled(c.phase(p, now)) {
		return c.arrived
	}
	at := c.arrived + p.wait
	if traitsOf(seed, c.serial).wholeSeconds {
		at -= at % 1_000
	}
	return at
}

// updated returns when the status of the call last changed before now. The life of the call must be known.
func (c call) updated(p *plan, now int64) int64 {
	switch c.phase(p, now) {
	case queued:
		return c.arrived
	case ringing:
		return c.arrived + p.wait
	case ongoing:
		return c.arrived + p.wait + p.ring
	default:
		return c.arrived + int64(c.life)
	}
}

// twice returns the calls with these ids, the last one first. It ignores an id that no call in the list has.
func (u *Upstream) twice(l *list, ids []string) []call {
	if len(ids) == 0 {
		return nil
	}
	known := make(map[string]call, len(l.calls))
	for _, c := range l.calls {
		known[string(appendID(nil, u.seed, c.serial))] = c
	}
	var calls []call
	for _, id := range slices.Backward(ids) {
		if c, ok := known[id]; ok {
			calls = append(calls, c)
		}
	}
	return calls
}

// behind returns the calls without the n calls of the list that arrived last.
func behind(calls []call, l *list, n int) []call {
	if n <= 0 {
		return calls
	}
	if n >= len(l.calls) {
		return nil
	}
	serials := make([]uint32, len(l.calls))
	for i, c := range l.calls {
		serials[i] = c.serial
	}
	slices.Sort(serials)
	first := serials[len(serials)-n] // of those to leave out
	return slices.DeleteFunc(slices.Clone(calls), func(c call) bool { return c.serial >= first })
}
