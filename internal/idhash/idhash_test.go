package idhash_test

import (
	"hash/fnv"
	"testing"

	"revox-graphql/internal/idhash"
)

// Cursors are valid after an upgrade, so the hash must never change.
func TestOf(t *testing.T) {
	for _, id := range []string{"", "a", "3a846fa9-9ef8-46f3-a124-8cd815c1c9ae", "é\x00"} {
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(id))
		if got, want := idhash.Of(id), idhash.Hash(sum.Sum64()&(1<<48-1)); got != want {
			t.Errorf("%q: %x, want %x", id, got, want)
		}
	}
	if got := idhash.Of("a"); got != 0xdc4c8601ec8c { // the published 0xaf63dc4c8601ec8c
		t.Errorf("%x", got)
	}
}
