package pagination

import (
	"context"
	"testing"
	"time"

	"revox-graphql/upstream"
)

// noted is a memory without calls that counts what it is asked, and tells.
type noted struct {
	asked []string
	told  func()
}

func (n *noted) FindCall(_ upstream.Tenant, id string, _ time.Time) (*upstream.Call, *upstream.Page) {
	n.asked = append(n.asked, id)
	n.told()
	return nil, nil
}

// Looking up ends when the client has gone, and no id is looked up twice.
func TestLookingUpEndsWithItsClient(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	known := &noted{}
	known.told = func() {
		if len(known.asked) == 2 {
			cancel()
		}
	}
	_, err := (&Reader{}).LookUp(ctx, known, []string{"a", "a", "", "b", "a", "c", "d"}, 20)
	if err == nil || len(known.asked) != 2 || known.asked[1] != "b" {
		t.Errorf("%v, %v", known.asked, err)
	}
}
