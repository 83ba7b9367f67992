package export

import (
	"bytes"
	"encoding/csv"
	"hash/maphash"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// ids notices calls that come twice, if their ids are selected. A hash of each id is kept. It has 64 bits: of forty
// million walks of a million calls, one takes two calls for one.
//
// Those of the runs before are read from their lines, which may leave the id out. Then a call that changes places while
// no run is under way is noticed by the gateway only, where its neighbours are among those that the cursor knows.
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
		if s.add(member(call, s.name)) {
			n++
		}
	}
	return n
}

// add keeps an id, and reports whether it has come before.
func (s *ids) add(id jsontext.Value) (before bool) {
	text, err := cell(id) // as CSV has it
	if len(id) == 0 || err != nil {
		return false
	}
	return s.addCell(text)
}

func (s *ids) addCell(text string) (before bool) {
	hash := maphash.String(s.seed, text)
	_, before = s.seen[hash]
	s.seen[hash] = struct{}{}
	return before
}

// learn reads the ids of lines that have them, up to the first that cannot be read.
func (s *ids) learn(lines io.Reader, r *rows) {
	column := slices.Index(r.Columns, s.name)
	switch {
	case s.name == "" || column < 0 && len(r.Columns) > 0:
	case r.Format == CSV:
		records := csv.NewReader(lines)
		records.ReuseRecord, records.FieldsPerRecord = true, len(r.paths)
		for first := true; ; first = false {
			record, err := records.Read()
			if err != nil {
				return
			}
			if !first || !r.Header {
				s.addCell(record[column])
			}
		}
	default:
		values := jsontext.NewDecoder(lines, asItCame())
		for {
			line, err := values.ReadValue()
			if err != nil {
				return
			}
			s.add(member(line, s.name))
		}
	}
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
