package export

import (
	"bytes"
	"hash/maphash"

	"github.com/go-json-experiment/json/jsontext"
)

// ids notices calls that come twice, if their ids are selected. A hash of each id is kept. It has 64 bits: of forty
// million walks of a million calls, one takes two calls for one.
//
// It knows the calls of one run of the program only. It could read the ids of earlier runs from the lines, but not all
// lines have them: the columns may leave the id out. A call that changes places while no run is under way is noticed by
// the gateway where its neighbours are among those that the cursor knows.
type ids struct {
	name string // of the id in a call; empty where it is not selected
	seed maphash.Seed
	seen map[uint64]struct{}
}

func newIDs(name string) *ids {
	return &ids{name: name, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
}

// twice counts the calls that have come before.
func (s *ids) twice(calls []jsontext.Value) (n int) {
	if s.name == "" {
		return 0
	}
	for _, call := range calls {
		id := member(call, s.name)
		if len(id) == 0 {
			continue
		}
		hash := maphash.Bytes(s.seed, id)
		if _, before := s.seen[hash]; before {
			n++
		}
		s.seen[hash] = struct{}{}
	}
	return n
}

// member is a value of an object, and nil where the object does not have it. It reads no further than to the value.
func member(object jsontext.Value, name string) jsontext.Value {
	d := jsontext.NewDecoder(bytes.NewReader(object), asItCame())
	if open, err := d.ReadToken(); err != nil || open.Kind() != '{' {
		return nil
	}
	for d.PeekKind() == '"' {
		key, err := d.ReadToken()
		if err != nil {
			return nil
		}
		if key.String() == name {
			value, err := d.ReadValue()
			if err != nil {
				return nil
			}
			return value
		}
		if err := d.SkipValue(); err != nil {
			return nil
		}
	}
	return nil
}
