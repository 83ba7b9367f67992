package export

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"hash/maphash"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// ids detects calls that come twice, if their ids are selected. It keeps a 64-bit hash of each id: in one of forty
// million walks of a million calls, two calls have the same hash.
//
// It reads the ids of earlier runs from their lines. If the lines have no ids, only the gateway detects a call that
// moves between two runs, and only near the cursor.
type ids struct {
	name string // of the id in a call; empty if it is not selected
	seed maphash.Seed
	seen map[uint64]struct{}
	// begun says that learn has read the beginning of the output, which may be a header.
	begun bool
}

func newIDs(name string) *ids {
	return &ids{name: name, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
}

// twice counts the calls that came before.
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

// add keeps an id, and reports whether it came before.
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

// learn reads the ids of lines, up to the first line that cannot be read. Further lines may follow in another call.
func (s *ids) learn(lines io.Reader, r *rows) {
	column := slices.Index(r.Columns, s.name)
	switch {
	case s.name == "" || column < 0 && len(r.Columns) > 0:
	case r.Format == CSV:
		buffered := bufio.NewReader(lines)
		if mark, _ := buffered.Peek(len(byteOrderMark)); r.BOM && !s.begun && string(mark) == byteOrderMark {
			_, _ = buffered.Discard(len(mark)) // which is in the buffer
		}
		records := csv.NewReader(buffered)
		records.ReuseRecord, records.FieldsPerRecord = true, len(r.paths)
		for {
			record, err := records.Read()
			if err != nil {
				return
			}
			if s.begun || !r.Header {
				s.addCell(record[column])
			}
			s.begun = true
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

// member returns a value of an object; nil if the object does not have it. It reads no further than that value.
func member(object jsontext.Value, name string) jsontext.Value {
	d := jsontext.NewDecoder(bytes.NewBuffer(object), asItCame()) // of a buffer, it copies nothing
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
