package fake_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"revox-graphql/upstream/fake"
)

// TestOrder: the rows of one page of a list of which some calls have been moved.
func TestOrder(t *testing.T) {
	// The places are those of the list before anything was moved. Of its 16 calls the first three are queued.
	const calls = 16
	tests := []struct {
		name  string
		order string
		moves [][2]int // the call at the first place goes to the second one
		twice []int
		want  []int
	}{
		{name: "newest first", want: span(0, calls)},
		{
			name: "newest first, moved", moves: [][2]int{{0, 2}, {9, 0}},
			want: []int{9, 1, 2, 0, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15},
		},
		{name: "reversed", order: "reversed", want: []int{15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		{
			name: "reversed, moved", order: "reversed", moves: [][2]int{{0, 2}},
			want: []int{15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 0, 2, 1},
		},
		{name: "queued first", order: "queued-first", want: span(0, calls)},
		{
			name: "queued first, from its place", order: "queued-first", moves: [][2]int{{1, 9}, {0, 12}, {15, 3}},
			want: []int{2, 1, 0, 3, 4, 15, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14},
		},
		{
			// Call 6 arrived before call 5 and was dialled after it; so it is with calls 14 and 13.
			name: "started, moved", order: "started", moves: [][2]int{{0, 9}, {5, 12}},
			want: []int{0, 1, 2, 3, 4, 6, 5, 7, 8, 9, 10, 11, 12, 14, 13, 15},
		},
		{
			// Calls 6 and 13 have ended lately.
			name: "updated, moved", order: "updated", moves: [][2]int{{0, 9}, {5, 12}},
			want: []int{0, 1, 2, 6, 4, 3, 5, 7, 8, 13, 9, 10, 11, 12, 14, 15},
		},
		{name: "listed twice", twice: []int{3, 0, 5, 3}, want: append(span(0, calls), 3, 0, 5, 3)},
		{
			name: "listed twice, reversed", order: "reversed", twice: []int{3},
			want: []int{15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 3},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := fake.New(fake.Config{Seed: 1, Calls: calls - 2, Now: still})
			u.Insert(2)
			list := u.IDs()
			for _, move := range tt.moves {
				if !u.Move(list[move[0]], move[1]) {
					t.Fatalf("%v: not moved", move)
				}
			}
			u.Behave(func(b *fake.Behaviour) {
				b.Order = tt.order
				b.ListTwice = []string{"nobody"}
				for _, place := range tt.twice {
					b.ListTwice = append(b.ListTwice, list[place])
				}
			})
			get := serve(t, u)
			if got := get("page=0&page_size=50").places(t, list); !slices.Equal(got, tt.want) {
				t.Errorf("rows %v, expected %v", got, tt.want)
			}
			if got := get("page=1&page_size=5").places(t, list); !slices.Equal(got, tt.want[5:10]) {
				t.Errorf("page 1: rows %v, expected %v", got, tt.want[5:10])
			}
		})
	}
}

// TestOrderByTime: in the orders by time the times never increase from row to row.
func TestOrderByTime(t *testing.T) {
	started := func(r row) *time.Time { return r.StartedAt }
	updated := func(r row) *time.Time {
		last := r.StartedAt
		for _, at := range []*time.Time{r.AnsweredAt, r.EndedAt} {
			if at != nil {
				last = at
			}
		}
		// A call whose times are rendered without milliseconds is placed by the time with milliseconds.
		if last != nil && last.Nanosecond() == 0 {
			return nil
		}
		return last
	}
	tests := []struct {
		name  string
		order string
		at    func(row) *time.Time
		holds bool
	}{
		{name: "started by start", order: "started", at: started, holds: true},
		{name: "newest first by start", order: "", at: started, holds: false},
		{name: "updated by start", order: "updated", at: started, holds: false},
		{name: "updated by change", order: "updated", at: updated, holds: true},
		{name: "newest first by change", order: "", at: updated, holds: false},
		{name: "started by change", order: "started", at: updated, holds: false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := &manual{at: moment}
			u := fake.New(fake.Config{Seed: 1, Calls: 1_000, Now: clock.now})
			u.Insert(300) // all at once: only the times of their phases tell them apart
			clock.add(20 * time.Second)
			whole := u.IDs()
			u.Behave(func(b *fake.Behaviour) { b.Order = tt.order })
			get := serve(t, u)
			var last *time.Time
			var rows int
			holds := true
			for _, number := range []string{"0", "1", "2"} {
				var body struct {
					Calls []row `json:"calls"`
				}
				strict(t, get("page_size=500&page="+number).body, &body)
				rows += len(body.Calls)
				for _, r := range body.Calls {
					at := tt.at(r)
					if at == nil {
						continue
					}
					holds = holds && (last == nil || !at.After(*last))
					last = at
				}
			}
			if holds != tt.holds {
				t.Errorf("in order: %v, expected %v", holds, tt.holds)
			}
			if rows != len(whole) || !sameMembers(u.IDs(), whole) {
				t.Errorf("%d rows of %d, or other ones", rows, len(whole))
			}
		})
	}
}

// TestOrderWhileCallsLive moves the clock on by seconds, and compares each list with the one before it.
func TestOrderWhileCallsLive(t *testing.T) {
	tests := []struct {
		name  string
		order string
		// expect returns the list that follows before. changed has the calls with another status, arrival the list in the
		// order of arrival, and status the present status of each call.
		expect func(before, arrival []string, changed map[string]bool, status map[string]string) (head, rest []string)
	}{
		{
			name: "a call that changes goes to the head", order: "updated",
			expect: func(before, _ []string, changed map[string]bool, _ map[string]string) (head, rest []string) {
				return split(before, func(id string) bool { return changed[id] })
			},
		},
		{
			name: "a call that starts moves down", order: "queued-first",
			expect: func(_, arrival []string, _ map[string]bool, status map[string]string) (head, rest []string) {
				return split(arrival, func(id string) bool { return status[id] == "queued" })
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := &manual{at: moment}
			u := fake.New(fake.Config{Seed: 9, Calls: 5, Now: clock.now})
			u.Insert(25)
			arrival := u.IDs()
			u.Behave(func(b *fake.Behaviour) { b.Order = tt.order })
			look := func() (list []string, status map[string]string) {
				status = map[string]string{}
				for _, r := range page(t, u, 0, 50, "") {
					list = append(list, r.ID)
					status[r.ID] = r.Status
				}
				return list, status
			}
			before, was := look()
			moved := 0
			for range 240 {
				clock.add(time.Second)
				list, status := look()
				changed := map[string]bool{}
				for id := range status {
					changed[id] = status[id] != was[id]
				}
				head, rest := tt.expect(before, arrival, changed, status)
				if !sameMembers(list[:len(head)], head) || !slices.Equal(list[len(head):], rest) {
					t.Fatalf("after %v\ngot %v,\nexpected %v,\nthen %v", clock.now().Sub(moment), list, head, rest)
				}
				if !slices.Equal(u.IDs(), list) {
					t.Fatal("IDs is not the list that is served")
				}
				if !slices.Equal(list, before) {
					moved++
				}
				before, was = list, status
			}
			if moved < 5 {
				t.Errorf("the list changed %d times", moved)
			}
		})
	}
}

// split returns the ids that are chosen and the others, both as they stand.
func split(ids []string, chosen func(string) bool) (in, out []string) {
	for _, id := range ids {
		if chosen(id) {
			in = append(in, id)
		} else {
			out = append(out, id)
		}
	}
	return in, out
}

func sameMembers(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// TestPagesAreTheListInAnyOrder: the pages together are what IDs returns, with and without a filter.
func TestPagesAreTheListInAnyOrder(t *testing.T) {
	for _, order := range []string{"", "reversed", "queued-first", "started", "updated"} {
		for _, statuses := range [][]string{nil, {"completed"}, {"errored", "queued_for_calling", "initializing"}} {
			t.Run(order+" "+strings.Join(statuses, ","), func(t *testing.T) {
				u := fake.New(fake.Config{Seed: 3, Calls: 157, Now: still})
				twice := u.IDs("completed")[3:5]
				u.Move(twice[0], 99)
				u.Behave(func(b *fake.Behaviour) { b.Order, b.ListTwice = order, twice })
				u.Insert(2) // after the order was set
				more := ""
				if statuses != nil {
					more = "&statuses=" + strings.Join(statuses, ",")
				}
				want := u.IDs(statuses...)
				var got []string
				for number := range len(want)/20 + 2 {
					got = append(got, ids(page(t, u, number, 20, more))...)
				}
				if !slices.Equal(got, want) {
					t.Errorf("pages give %d calls, IDs %d:\n%v\n%v", len(got), len(want), got, want)
				}
				if len(slices.Compact(slices.Sorted(slices.Values(want)))) == len(want) && len(statuses) < 2 {
					t.Error("no call is listed twice")
				}
			})
		}
	}
}

// TestOrderFollowsTheList: a list that was sorted is sorted again when calls come and go while the clock stands still.
func TestOrderFollowsTheList(t *testing.T) {
	u := fake.New(fake.Config{Seed: 5, Calls: 30, Now: still})
	arrival := u.IDs()
	oldest := arrival[29]
	u.Behave(func(b *fake.Behaviour) { b.Order, b.ListTwice = "reversed", []string{arrival[4]} })
	if got := u.IDs(); got[0] != oldest || len(got) != 31 {
		t.Fatalf("at first: %v", got)
	}
	fresh := u.Insert(1)
	if got := u.IDs(); got[30] != fresh[0] || got[31] != arrival[4] {
		t.Errorf("after a call arrived: %v", got)
	}
	if n := u.Remove(oldest, arrival[4]); n != 2 {
		t.Errorf("Remove says %d", n)
	}
	if got := u.IDs(); got[0] != arrival[28] || len(got) != 29 {
		t.Errorf("after two calls left: %v", got)
	}
	u.Behave(func(b *fake.Behaviour) { b.ListTwice = nil })
	if got := u.IDs(); got[0] != arrival[28] || len(got) != 29 {
		t.Errorf("nothing twice: %v", got)
	}
	u.Behave(func(b *fake.Behaviour) { b.Order = "started" })
	if got := u.IDs(); got[0] != fresh[0] || len(got) != 29 {
		t.Errorf("another order: %v", got)
	}
	u.SetRows([]byte(`{"id":"z"}`))
	u.Behave(func(b *fake.Behaviour) { b.Order = "updated" })
	fresh = u.Insert(2)
	if got := u.IDs(); !slices.Equal(got, append(fresh, "z")) {
		t.Errorf("rows and two calls: %v", got)
	}
}

func TestMove(t *testing.T) {
	tests := []struct {
		name string
		from int // place before; -1: an id of no call
		to   int
		want []int // nil: nothing is moved
	}{
		{name: "to the head", from: 4, to: 0, want: []int{4, 0, 1, 2, 3, 5}},
		{name: "to the end", from: 1, to: 5, want: []int{0, 2, 3, 4, 5, 1}},
		{name: "up", from: 4, to: 2, want: []int{0, 1, 4, 2, 3, 5}},
		{name: "down", from: 0, to: 3, want: []int{1, 2, 3, 0, 4, 5}},
		{name: "nowhere", from: 2, to: 2, want: []int{0, 1, 2, 3, 4, 5}},
		{name: "before the head", from: 2, to: -1},
		{name: "past the end", from: 2, to: 6},
		{name: "nobody", from: -1, to: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := fake.New(fake.Config{Seed: 1, Calls: 6, Now: still})
			list := u.IDs()
			before := page(t, u, 0, 6, "")
			id := "nobody"
			if tt.from >= 0 {
				id = list[tt.from]
			}
			want := tt.want
			if want == nil {
				want = span(0, 6)
			}
			if moved := u.Move(id, tt.to); moved != (tt.want != nil) {
				t.Errorf("Move says %v", moved)
			}
			if got := serve(t, u)("page=0&page_size=9").places(t, list); !slices.Equal(got, want) {
				t.Errorf("rows %v, expected %v", got, want)
			}
			for place, r := range page(t, u, 0, 6, "") {
				if was := before[want[place]]; was.size != r.size || was.Status != r.Status {
					t.Errorf("%s is another: %s, %d bytes; was %s, %d bytes", r.ID, r.Status, r.size, was.Status, was.size)
				}
			}
			fresh := u.Insert(2)
			if got := u.IDs(); !slices.Equal(got[:2], fresh) || got[2] != list[want[0]] {
				t.Errorf("after two calls arrived: %v", got)
			}
		})
	}
}

// TestMoveWithRows: rows stay behind the calls.
func TestMoveWithRows(t *testing.T) {
	u := fake.New(fake.Config{Seed: 1, Now: still})
	u.SetRows(json.RawMessage(`{"id":"y"}`), json.RawMessage(`{"id":"z"}`))
	fresh := u.Insert(2)
	if !u.Move(fresh[0], 1) || u.Move(fresh[0], 2) || u.Move("y", 0) {
		t.Error("a call goes where it cannot, or a row goes")
	}
	if got := u.IDs(); !slices.Equal(got, []string{fresh[1], fresh[0], "y", "z"}) {
		t.Errorf("%v", got)
	}
}

func TestBehavePanics(t *testing.T) {
	tests := []struct {
		name   string
		change func(*fake.Behaviour)
		panics bool
	}{
		{name: "no order", change: func(b *fake.Behaviour) { b.Order = "random" }, panics: true},
		{name: "no end", change: func(b *fake.Behaviour) { b.PastEnd = "418" }, panics: true},
		{name: "an order and an end", change: func(b *fake.Behaviour) { b.Order, b.PastEnd = "updated", "null" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := fake.New(fake.Config{Seed: 1, Calls: 6, Now: still})
			defer func() {
				if panics := recover() != nil; panics != tt.panics {
					t.Errorf("panics: %v", panics)
				}
				// The switches are as before, and can be changed.
				u.Behave(func(b *fake.Behaviour) { b.MaxPageSize = 2 })
				if got := page(t, u, 0, 6, ""); len(got) != 2 {
					t.Errorf("%d rows", len(got))
				}
			}()
			u.Behave(tt.change)
		})
	}
}
