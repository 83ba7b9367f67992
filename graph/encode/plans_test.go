package encode

import "testing"

// The cache of plans is bounded, by their number and their bytes, and keeps those used last.
func TestPlansAreBounded(t *testing.T) {
	grown := 0
	p := NewPlans(func(bytes int64) { grown += int(bytes) })
	key := func(i int) planKey { return planKey{booleans: uint64(i)} }
	has := func(i int) bool {
		_, ok := p.cache.Get(key(i))
		return ok
	}
	for i := range 2 * maxPlans {
		p.cache.Put(key(i), &Plan{size: 100}, 100)
		has(0) // so plan 0 is recently used
	}
	if n := p.cache.Len(); n != maxPlans || grown != 100*maxPlans || p.Bytes() != grown {
		t.Errorf("%d plans of %d bytes, counted as %d", n, p.Bytes(), grown)
	}
	if !has(0) || has(1) || !has(2*maxPlans-1) {
		t.Error("a plan other than the least recently used one was evicted")
	}
	p.cache.Put(key(-1), &Plan{}, maxPlanBytes+1)
	if grown != 100*maxPlans || has(-1) {
		t.Error("a plan of too many bytes was kept")
	}
	p.cache.Put(key(-2), &Plan{}, maxPlanBytes)
	if grown != maxPlanBytes || p.cache.Len() != 1 {
		t.Errorf("%d plans of %d bytes", p.cache.Len(), grown)
	}
}
