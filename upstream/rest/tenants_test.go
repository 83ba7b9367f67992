package rest

import (
	"testing"

	"revox-graphql/upstream"
)

// A key that upstream has accepted takes no room among those that it has not, and is found in both states.
func TestProvenTenantsLeaveTheUnproven(t *testing.T) {
	ts := newTenants(&Options{AnyKey: true, Observer: upstream.Unobserved{}})
	credential := upstream.NewCredential("key")
	tenant := ts.of(credential)
	if ts.find(tenant.id) != tenant || ts.unproven.Len() != 1 || ts.known.Len() != 0 {
		t.Errorf("before: %d are unproven, %d are proven", ts.unproven.Len(), ts.known.Len())
	}
	ts.prove(tenant)
	if ts.find(tenant.id) != tenant || ts.of(credential) != tenant || ts.unproven.Len() != 0 || ts.known.Len() != 1 {
		t.Errorf("after: %d are unproven, %d are proven", ts.unproven.Len(), ts.known.Len())
	}
}
