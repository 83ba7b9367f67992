package fake

import (
	"slices"
	"time"

	"revox-graphql/upstream/fake/dice"
)

// headAges are the ages of the newest calls, in seconds: some are queued, some ringing, some ongoing. The ages of the
// other calls are random.
var headAges = []float64{
	0.4, 1.1, 1.8, 2.7, 3.6, 9.2, 9.6, 12.5, 15, 36, 47, 64, 85, 110, 140, 175, 215, 260, 310, 370,
}

// busyGap is the mean time between two calls during office hours. It spreads 20,000 calls over four weeks.
const busyGap = 44 * time.Second

// generate makes the first list: n calls, the newest some moments ago.
func (u *Upstream) generate(n int) {
	now := u.now()
	calls := make([]call, n)
	d := dice.New(u.seed, uint64(orders)<<50)
	// Of a short list only the last eighth is new, so that most of it is over.
	head := min(len(headAges), (n+7)/8)
	age := time.Duration(0)
	for i := range n {
		if i < head {
			age = time.Duration(headAges[i*len(headAges)/head] * float64(time.Second))
		} else {
			age += time.Duration(d.Exponential() * float64(busyGap) * quiet(now.Add(-age)))
		}
		calls[i] = call{arrived: now.Add(-age).UnixMilli(), serial: uint32(n - 1 - i)}
	}
	s := u.scratch.Get().(*scratch) // the pool holds nothing else
	defer u.scratch.Put(s)
	for i := range calls {
		if now.UnixMilli()-calls[i].arrived > maxLife.Milliseconds() {
			break
		}
		calls[i].life = u.life(&s.conversation, calls[i])
	}
	slices.Reverse(calls)
	u.next = uint32(n)
	u.list.Store(&list{calls: calls})
}

// quiet returns by which factor calls are further apart at a time than in office hours.
func quiet(at time.Time) float64 {
	at = at.UTC()
	switch hour := at.Hour(); {
	case hour < 6 || hour >= 21:
		return 15
	case at.Weekday() == time.Sunday:
		return 8
	case at.Weekday() == time.Saturday:
		return 3
	case hour < 8 || hour >= 18:
		return 3
	default:
		return 1
	}
}
