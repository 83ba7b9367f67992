package pagination

import (
	"context"
	"testing"
	"time"

	"revox-graphql/upstream"
)

// finder is a cache without calls that records what it is asked for.
type finder struct {
	asked  []string
	called func()
}

func (f *finder) FindCall(_ upstream.Tenant, id string, _ time.Time) (*upstream.Call, *upstream.Page) {
	f.asked = append(f.asked, id)
	f.called()
	return nil, nil
}

// Looking up ends when the client has gone, and no id is looked up twice.
func TestLookingUpEndsWithItsClient(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	known := &finder{}
	known.called = func() {
		if len(known.asked) == 2 {
			cancel()
		}
	}
	_, err := (&Reader{}).LookUp(ctx, known, []string{"a", "a", "", "b", "a", "c", "d"}, 20)
	if err == nil || len(known.asked) != 2 || known.asked[1] != "b" {
		t.Errorf("%v, %v", known.asked, err)
	}
}
