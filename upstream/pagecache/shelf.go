package pagecache

import (
	"hash/maphash"
	"slices"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"revox-graphql/upstream"
)

// shelf is one tenant's pages, and what is known of the tenant. Each page is also among the pages of all, and leaves
// with it.
type shelf struct {
	pages   *simplelru.LRU[key, *upstream.Page]
	bytes   int
	starts  map[stretch][]*upstream.Page
	holding map[uint64][]*upstream.Page // by the hash of each id, the pages that have a call with it
	seed    maphash.Seed                // of the hashes
	largest int                         // the largest page size seen, in rows

	failing  bool      // the last flight to land failed
	failedAt time.Time // when it did

	pausedUntil time.Time // nothing is refreshed in the background before

	// A refusal of the credential hides the pages at once, as it may have been revoked. It takes a second one to drop
	// them: gateways and identity providers in front of an API answer 401 for a moment, too, when they restart.
	hidden    bool      // the last thing that upstream has told is that it refuses the credential
	refusedAt time.Time // when it first did since it last took the credential; zero is never

	// tooLarge are lists of which a flight has brought too large an answer. It may have been a flight in the background,
	// so that nobody was told.
	tooLarge map[upstream.OrderStatuses]tooLarge
}

// refusedKept is how long pages of a refused credential are kept, hidden, for upstream to take it again.
const refusedKept = time.Minute

// tooLarge is how many rows of a list may be asked for at once.
type tooLarge struct {
	most  int
	until time.Time // then more may be tried again
}

// tooLargeLasts is how long it is believed that a list's answers are too large: it may have been a few long calls.
const tooLargeLasts = 10 * time.Minute

// most is how many rows of a list may be asked for at once; ok is false where there is no such limit.
func (s *shelf) most(statuses upstream.OrderStatuses, now time.Time) (rows int, ok bool) {
	limit, ok := s.tooLarge[statuses]
	return limit.most, ok && now.Before(limit.until)
}

// stretch is a run of stretchRows places of a list. Each page is found under the one in which it starts, so that a
// look-up reads a few candidates however many pages there are.
type stretch struct {
	statuses upstream.OrderStatuses
	index    int
}

const stretchRows = 256

func (k key) stretch() stretch { return stretch{k.list.Statuses, k.number * k.size / stretchRows} }

func newShelf() *shelf {
	pages, _ := simplelru.NewLRU[key, *upstream.Page](maxPages, nil) // its one error is a size below 1
	return &shelf{
		pages: pages, starts: map[stretch][]*upstream.Page{},
		holding: map[uint64][]*upstream.Page{}, seed: maphash.MakeSeed(),
		tooLarge: map[upstream.OrderStatuses]tooLarge{},
	}
}

// put stores a page that is not there yet.
func (s *shelf) put(k key, page *upstream.Page) {
	s.pages.Add(k, page)
	s.bytes += page.Bytes
	s.starts[k.stretch()] = append(s.starts[k.stretch()], page)
	for _, row := range page.Rows {
		if row.Call != nil {
			id := s.hash(row.Call.ID)
			s.holding[id] = append(s.holding[id], page)
		}
	}
	s.largest = max(s.largest, k.size)
}

// take removes a page.
func (s *shelf) take(k key, page *upstream.Page) {
	s.pages.Remove(k)
	s.bytes -= page.Bytes
	drop(s.starts, k.stretch(), page)
	for _, row := range page.Rows {
		if row.Call != nil {
			drop(s.holding, s.hash(row.Call.ID), page)
		}
	}
	if s.pages.Len() == 0 {
		s.largest = 0
	}
}

// drop removes a page from those under a key.
func drop[K comparable](pages map[K][]*upstream.Page, at K, page *upstream.Page) {
	rest := slices.DeleteFunc(pages[at], func(other *upstream.Page) bool { return other == page })
	if len(rest) == 0 {
		delete(pages, at)
	} else {
		pages[at] = rest
	}
}

// hash is what an id is found under. The id itself would keep the text of its page in memory.
func (s *shelf) hash(id string) uint64 { return maphash.String(s.seed, id) }
