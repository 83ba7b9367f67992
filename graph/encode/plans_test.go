package encode

import "testing"

// Plans for every value of many Boolean variables are not all remembered: those that were used last are, in few bytes.
func TestPlansAreBounded(t *testing.T) {
	p := &Plans{}
	key := func(i int) planKey { return planKey{booleans: uint64(i)} }
	grown := 0
	for i := range 2 * maxPlans {
		grown += p.add(key(i), &Plan{size: 100})
		p.get(key(0)) // and is so among those used last
	}
	if n := p.known.Len(); n != maxPlans || grown != 100*maxPlans || p.bytes != grown {
		t.Errorf("%d plans of %d bytes, counted as %d", n, p.bytes, grown)
	}
	if p.get(key(0)) == nil || p.get(key(1)) != nil || p.get(key(2*maxPlans-1)) == nil {
		t.Error("not the least recently used has left")
	}
	if p.add(key(-1), &Plan{size: maxPlanBytes + 1}) != 0 || p.get(key(-1)) != nil {
		t.Error("a plan of too many bytes was kept")
	}
	if p.add(key(-2), &Plan{size: maxPlanBytes}) != maxPlanBytes-grown || p.known.Len() != 1 {
		t.Errorf("%d plans of %d bytes", p.known.Len(), p.bytes)
	}
}
