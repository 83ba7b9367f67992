package telemetry

import "sync"

// names are the names from outside that have labels of their own: the first ones, up to a limit. Its methods are safe
// for concurrent use.
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

// admit gives a name a label, if the limit allows that. ok reports whether the name has a label, and first whether it
// had none before.
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
