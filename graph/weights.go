package graph

import (
	"strings"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"revox-graphql/graph/document"
	"revox-graphql/graph/pagination"
	"revox-graphql/upstream"
)

// weights tell how many bytes of a response a call and its transcript have on average, for each list: calls of an hour
// differ from calls that end at once. They are learned from the pages that are read.
type weights struct {
	mu    sync.Mutex
	known *simplelru.LRU[upstream.ListKey, weight]
}

// weight is what one call has on average, in bytes.
type weight struct{ call, transcript float64 }

const (
	// maxWeights bounds the lists that are told apart.
	maxWeights = 4096
	// weightShare is how much of a weight one page decides: the eighth is TCP's for round-trip times (RFC 6298).
	weightShare = 1. / 8
)

// firstWeight is what is expected where nothing was read yet: about what the calls in the documentation have.
var firstWeight = weight{call: 1 << 10, transcript: 8 << 10}

func newWeights() *weights {
	known, _ := simplelru.NewLRU[upstream.ListKey, weight](maxWeights, nil) // its one error is a size below 1
	return &weights{known: known}
}

// of is the weight of a list's calls: where nothing is known of it that of all calls, and then firstWeight.
func (w *weights) of(list upstream.ListKey) weight {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range []upstream.ListKey{list, {Tenant: list.Tenant}} {
		if known, ok := w.known.Get(key); ok {
			return known
		}
	}
	return firstWeight
}

// learn takes the pages into account that were read for one request.
func (w *weights) learn(reads *pagination.Reads) {
	for page, list := range reads.Pages() {
		call, transcript := page.Weight()
		if call == 0 {
			continue
		}
		w.mu.Lock()
		now, known := w.known.Get(list)
		if !known {
			now = weight{float64(call), float64(transcript)}
		}
		now.call += (float64(call) - now.call) * weightShare
		now.transcript += (float64(transcript) - now.transcript) * weightShare
		w.known.Add(list, now)
		w.mu.Unlock()
	}
}

// estimate is about how many bytes the response to a request has, by the number of its calls and transcripts.
func (w *weights) estimate(operation *document.Operation, variables map[string]any, tenant upstream.Tenant) int {
	all := upstream.ListKey{Tenant: tenant}
	bytes := int(float64(operation.Fixed()) * w.of(all).call) // look-ups, mostly, and what is no call
	parts := operation.Parts()
	for i := range parts {
		list := upstream.ListKey{Tenant: tenant, Statuses: filterOf(parts[i].Statuses(variables))}
		bytes += w.of(list).times(&parts[i], parts[i].Count(variables))
	}
	return bytes
}

// filterOf is the filter that the names of the schema's CallOrderStatus mean.
func filterOf(names []string) upstream.OrderStatuses {
	if len(names) == 0 {
		return 0
	}
	statuses := make([]upstream.OrderStatus, len(names))
	for i, name := range names {
		statuses[i] = upstream.OrderStatus(strings.ToLower(name))
	}
	return upstream.NewOrderStatuses(statuses...)
}

// times is the weight of so many calls, as far as they are selected.
func (w weight) times(selected *document.CostPart, count int) int {
	each := float64(selected.Calls())*w.call + float64(selected.Transcripts())*w.transcript
	return int(each * float64(count))
}
