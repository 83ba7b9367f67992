package admission

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Size is how many bytes of a response one call has on average, and its transcript.
type Size struct{ Call, Transcript float64 }

// Times returns the size of count calls, in bytes, if each is selected calls times and its transcript transcripts
// times.
func (s Size) Times(count, calls, transcripts int) int {
	return int((float64(calls)*s.Call + float64(transcripts)*s.Transcript) * float64(count))
}

// Sizes are the sizes of the calls of each list L: calls of an hour differ from calls that end at once. They are
// averages over the pages that were read. Sizes is safe for concurrent use.
type Sizes[L comparable] struct {
	mu    sync.Mutex
	known *simplelru.LRU[L, Size]
}

const (
	// maxSizes bounds the lists that are distinguished.
	maxSizes = 4096
	// sizeShare is the weight of one page in the average: one eighth, as in TCP for round-trip times (RFC 6298).
	sizeShare = 1. / 8
)

// firstSize is the expected size before any page was read: about that of the calls in Revox's documentation.
var firstSize = Size{Call: 1 << 10, Transcript: 8 << 10}

// NewSizes makes empty sizes.
func NewSizes[L comparable]() *Sizes[L] {
	known, _ := simplelru.NewLRU[L, Size](maxSizes, nil) // its one error is a size below 1
	return &Sizes[L]{known: known}
}

// Of returns the size of the first of the lists whose size is known; if there is none, about that of usual calls.
func (s *Sizes[L]) Of(lists ...L) Size {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range lists {
		if known, ok := s.known.Get(list); ok {
			return known
		}
	}
	return firstSize
}

// Learn adds a page of a list to the average: its calls and transcripts have so many bytes on average.
func (s *Sizes[L]) Learn(list L, call, transcript int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, known := s.known.Get(list)
	if !known {
		now = Size{float64(call), float64(transcript)}
	}
	now.Call += (float64(call) - now.Call) * sizeShare
	now.Transcript += (float64(transcript) - now.Transcript) * sizeShare
	s.known.Add(list, now)
}
