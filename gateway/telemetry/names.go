package telemetry

import "sync"

// names are those from outside that have a label of their own: the first so many. It is safe for concurrent use.
type names[K comparable] struct {
	most int

	mu   sync.RWMutex
	seen map[K]bool
}

func newNames[K comparable](most int) *names[K] { return &names[K]{most: most, seen: map[K]bool{}} }

// has reports whether a name has a label.
func (n *names[K]) has(name K) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.seen[name]
}

// admit gives a name a label, if there is one left: ok says that it has one, and first that it is new.
func (n *names[K]) admit(name K) (ok, first bool) {
	if n.has(name) {
		return true, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen[name] {
		return true, false
	}
	if len(n.seen) == n.most {
		return false, true
	}
	n.seen[name] = true
	return true, true
}
