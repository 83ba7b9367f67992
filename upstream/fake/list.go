package fake

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"revox-graphql/upstream/fake/dice"
)

// list is one state of the list. It is never changed, except that Insert appends to its array, as the package comment
// explains.
type list struct {
	calls []call            // the oldest first, except after Move; so a new call is appended
	rows  []json.RawMessage // served verbatim after the calls, in this order
}

func (l *list) len() int { return len(l.calls) + len(l.rows) }

// IDs returns the ids of the list as it is served, of all calls or of those whose order has one of these statuses. IDs
// applies Order and ListTwice, and no other switch. The id of a row of SetRows is its "id" if that is a string, else
// "".
func (u *Upstream) IDs(statuses ...string) []string {
	var set orderSet
	for _, name := range statuses {
		if status, ok := orderNamed(name); ok {
			set |= 1 << status
		}
	}
	v := u.look(u.behaviour.Load())
	all := len(statuses) == 0 || len(v.rows) > 0
	ids := make([]string, 0, v.len())
	for i := range v.calls {
		if c := v.call(i); all || set.has(c.order(u.seed, v.now)) {
			ids = append(ids, string(appendID(nil, u.seed, c.serial)))
		}
	}
	for _, row := range v.rows {
		ids = append(ids, rowID(row))
	}
	return ids
}

// Insert adds n new calls at the head of the list, and returns their ids, newest first. They arrive now.
func (u *Upstream) Insert(n int) []string {
	u.writer.Lock()
	defer u.writer.Unlock()
	s := u.scratch.Get().(*scratch) // the pool holds nothing else
	defer u.scratch.Put(s)

	l, now := *u.list.Load(), u.now().UnixMilli()
	ids := make([]string, 0, max(n, 0))
	for range n {
		c := call{arrived: now, serial: u.next}
		c.life = u.life(&s.conversation, c)
		u.next++
		l.calls = append(l.calls, c)
		ids = append(ids, string(appendID(nil, u.seed, c.serial)))
	}
	u.list.Store(&l)
	slices.Reverse(ids)
	return ids
}

// Remove takes calls out of the list and returns how many were in it.
func (u *Upstream) Remove(ids ...string) int {
	gone := make(map[string]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	u.writer.Lock()
	defer u.writer.Unlock()
	l := u.list.Load()
	left := list{calls: make([]call, 0, len(l.calls)), rows: make([]json.RawMessage, 0, len(l.rows))}
	var id []byte
	for _, c := range l.calls {
		id = appendID(id[:0], u.seed, c.serial)
		if !gone[string(id)] {
			left.calls = append(left.calls, c)
		}
	}
	for _, row := range l.rows {
		if !gone[rowID(row)] {
			left.rows = append(left.rows, row)
		}
	}
	u.list.Store(&left)
	return l.len() - left.len()
}

// Len returns how many calls and rows of SetRows the list has, without any switch.
func (u *Upstream) Len() int { return u.list.Load().len() }

// RemoveAt takes the call at a place out of the list. Places are those of Move. It returns false where there is no such
// call. Unlike Remove, it compares no ids, so many calls can leave a long list.
func (u *Upstream) RemoveAt(place int) bool {
	u.writer.Lock()
	defer u.writer.Unlock()
	l := u.list.Load()
	i := len(l.calls) - 1 - place
	if place < 0 || i < 0 {
		return false
	}
	u.list.Store(&list{calls: slices.Concat(l.calls[:i], l.calls[i+1:]), rows: l.rows})
	return true
}

// Move moves a call to another place of the list. The head has place 0. The calls between the two places move up or
// down by one. So a test can change the order of single calls while the clock stands still. Places are those of the
// Order "". "reversed" and "queued-first" follow from it; "started" and "updated" ignore it. Move returns false, and
// changes nothing, when no call has the id or the list of calls has no such place. It cannot move a row of SetRows.
func (u *Upstream) Move(id string, to int) bool {
	u.writer.Lock()
	defer u.writer.Unlock()
	l := u.list.Load()
	from := slices.IndexFunc(l.calls, func(c call) bool { return string(appendID(nil, u.seed, c.serial)) == id })
	if from < 0 || to < 0 || to >= len(l.calls) {
		return false
	}
	calls := slices.Delete(slices.Clone(l.calls), from, from+1)
	calls = slices.Insert(calls, len(calls)-to, l.calls[from])
	u.list.Store(&list{calls: calls, rows: l.rows})
	return true
}

// settle computes the life of each call that was over before the fake began.
func (u *Upstream) settle() {
	u.writer.Lock()
	defer u.writer.Unlock()
	l := u.list.Load()
	if !slices.ContainsFunc(l.calls, func(c call) bool { return c.life == settled }) {
		return
	}
	s := u.scratch.Get().(*scratch) // the pool holds nothing else
	defer u.scratch.Put(s)
	calls := slices.Clone(l.calls)
	for i, c := range calls {
		if c.life == settled {
			calls[i].life = u.life(&s.conversation, c)
		}
	}
	u.list.Store(&list{calls: calls, rows: l.rows})
}

// SetRows replaces the list by these rows, which are served verbatim in this order: for rows that no correct endpoint
// would send. As long as there are any, filters by status are not applied. Calls that arrive later stand before them.
func (u *Upstream) SetRows(rows ...json.RawMessage) {
	l := &list{rows: make([]json.RawMessage, len(rows))}
	for i, row := range rows {
		l.rows[i] = bytes.Clone(row)
	}
	u.writer.Lock()
	defer u.writer.Unlock()
	u.list.Store(l)
}

// Run adds new calls at random moments, perMinute on average, until ctx is done. It blocks until then.
func (u *Upstream) Run(ctx context.Context, perMinute float64) {
	if !(perMinute > 0) { // also when it is not a number
		<-ctx.Done()
		return
	}
	moments := dice.New(u.seed, math.MaxUint32)
	for {
		gap := moments.Exponential() * float64(time.Minute) / perMinute
		// At least a millisecond, or a very high rate would be a busy loop; at most an hour, or a very low rate would
		// overflow.
		if !pause(ctx, time.Duration(min(max(gap, float64(time.Millisecond)), float64(time.Hour)))) {
			return
		}
		u.Insert(1)
	}
}

// rowID returns the id of a verbatim row, or "" if that is not a string.
func rowID(row json.RawMessage) string {
	var fields map[string]json.RawMessage
	var id string
	if json.Unmarshal(row, &fields) != nil || json.Unmarshal(fields["id"], &id) != nil {
		return ""
	}
	return id
}
