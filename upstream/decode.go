package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// A response is read once, and checked as it is read. What is kept is its text and an index: where in the text
// each value of each row lies. A value becomes a Go value only when it is used, and most values are written again as
// they are. The few texts that are not upstream's own (a time in another form, an escape that is not needed, the
// unknown fields of a row) are appended to the text of the response, so that a span can point to either.
//
// Reading is tolerant, because upstream grows: a field or an enum value that this package does not know is kept, never
// an error, and a row that cannot be read costs that row. Only a response that is not the documented envelope, an
// object with a list of calls in well-formed JSON, is rejected as a whole: after a syntax error the meaning of the rest
// is unknown.
//
// What is legal JSON, if odd, is accepted: a repeated name, of which the last counts as in JavaScript, and a lone
// surrogate escape, which JavaScript writes when a text was cut inside an emoji; it reads as U+FFFD.
//
// Reading is bounded whatever the response has, in time by its bytes and in memory by a few times its bytes. Rows past
// those that were requested are counted and not read. A row that has more than any call can have is left out like one
// that cannot be read. Reading ends when the context does.

const (
	// maxFields is how many fields an object of a row may have, the repeated ones counted: 13 are documented.
	maxFields = 1000
	// maxEntries is how many entries one transcript may have: ten minutes of talk have some hundreds.
	maxEntries = 10_000
	// maxPageEntries is how many entries a page may have. Where it has more, fewer rows are requested. The index takes
	// 40 bytes an entry at most. A page of fewer rows than package rest halves cannot have as many.
	maxPageEntries = 1 << 18
	// MaxCountedRows is how many rows are counted of a response that has more than were requested. No API's smallest
	// page is as large, so they are enough to show that no page size fits.
	MaxCountedRows = 1001
	// maxPooledBytes bounds the buffers of a reader that is used again.
	maxPooledBytes = 2 << 20
)

// OmittedRow stands in a response for a row that was left out because of its size.
const OmittedRow = `"\u0000 left out, for its size"`

// span is where a JSON value lies in a page's text; zero stands for null.
type span struct{ start, end uint32 }

// ParsePage reads a response of GET /call for size rows, and returns what is unrecognized in it. It keeps nothing of
// body, and leaves the page's Number, Size and AskedAt to the caller. A page of more rows than size is only good for
// being counted: not all of them are read, and it has at most MaxCountedRows. Its error is the context's when that has
// ended, [ErrTooLarge] where fewer rows must be requested, and else says what is wrong with the response.
func ParsePage(ctx context.Context, body []byte, size int) (*Page, []UnrecognizedValue, error) {
	r := pageReaders.Get().(*pageReader)
	defer r.putBack()
	if err := r.read(ctx, body, size); err != nil {
		return nil, nil, err
	}
	return r.page(), slices.Clone(r.unrecognized), nil
}

// pageReader reads one response at a time. Its slices are used again for the next.
type pageReader struct {
	scanner
	added []byte // what is appended to the text of the response
	empty span   // ""

	rows    []rowIndex
	entries []entry
	tools   []tool

	unrecognized []UnrecognizedValue

	// of the row that is being read
	row     rowIndex
	begun   begun
	fields  int // seen so far
	unknown []member
	places  map[string]int // of the names in unknown, once there are more than fewUnknown
	odd     []byte         // what is unknown in its entries: a JSON list that is still open
}

// rowIndex is a row as far as it is known before its page has its text.
type rowIndex struct {
	Call
	problem string
}

// begun is how much there was when a row began.
type begun struct{ at, entries, tools, added int }

// member is one field of an object, as JSON. The name is canonical.
type member struct{ name, value []byte }

// byteOrderMark stands before what some servers send. RFC 8259 §8.1 lets a reader ignore it.
var byteOrderMark = []byte("\uFEFF")

var pageReaders = sync.Pool{New: func() any {
	return &pageReader{places: map[string]int{}}
}}

// putBack makes the reader ready for the next response, and keeps nothing of this one. A reader that has become large
// is dropped: large readers would add up.
func (r *pageReader) putBack() {
	r.text = nil
	clear(r.places)
	clear(r.unknown[:cap(r.unknown)])
	if cap(r.added) <= maxPooledBytes && cap(r.odd) <= maxPooledBytes &&
		cap(r.entries) <= maxPageEntries/8 && cap(r.tools) <= maxPageEntries/8 {
		pageReaders.Put(r)
	}
}

func (r *pageReader) read(ctx context.Context, body []byte, size int) error {
	body = bytes.TrimPrefix(body, byteOrderMark)
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	}
	r.scanner = scanner{text: body}
	r.added = append(r.added[:0], `""`...)
	r.empty = r.behind(0)
	r.unrecognized = r.unrecognized[:0]
	if r.peek() != '{' {
		return errors.New("the response is not a JSON object")
	}
	listed := false
	for r.enter(); r.more('}'); {
		if string(r.name()) != `"calls"` {
			r.value()
			continue
		}
		r.rows, r.entries, r.tools = r.rows[:0], r.entries[:0], r.tools[:0] // of a repeated name the last counts
		if r.peek() != '[' {
			listed = r.value()[0] == 'n' // some write null for an empty list
			continue
		}
		listed = true
		for r.enter(); r.more(']'); {
			if err := ctx.Err(); err != nil {
				return err
			}
			if r.nextRow(size); len(r.entries) > maxPageEntries {
				return ErrTooLarge
			}
		}
	}
	switch r.peek(); {
	case r.wrong:
		return syntaxError(body)
	case r.at < len(body):
		return errors.New("the response goes on after its end")
	case !listed:
		return errors.New("the response has no list of calls")
	}
	return nil
}

// syntaxError says what is wrong with a body that is not JSON, and quotes nothing of it.
func syntaxError(body []byte) error {
	decoder := jsontext.NewDecoder(
		bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	_, err := decoder.ReadValue()
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the response is not JSON at byte %d", syntactic.ByteOffset)
	}
	return errors.New("the response is cut short")
}

// page makes the page of what was read.
func (r *pageReader) page() *Page {
	var text strings.Builder
	text.Grow(len(r.text) + len(r.added))
	text.Write(r.text)
	text.Write(r.added)
	page := &Page{
		Rows:    make([]Row, len(r.rows)),
		text:    text.String(),
		entries: slices.Clone(r.entries),
		tools:   slices.Clone(r.tools),
	}
	calls := make([]Call, len(r.rows))
	seen := make(map[string]bool, len(r.rows))
	for i := range r.rows {
		call := &calls[i]
		*call = r.rows[i].Call
		call.page = page
		if started := call.moments[0]; started.known {
			page.Rows[i].Started = started.ms
		}
		if id := call.values[FieldID]; id != (span{}) {
			call.ID = Unquote(page.json(id))
		}
		switch {
		case r.rows[i].problem != "":
			page.Rows[i].Problem = r.rows[i].problem
		case call.ID == "":
			page.Rows[i].Problem = "it has no id"
		case seen[call.ID]: // a second call of this id would break every client's cache, and the walk
			page.Rows[i].Problem = "it has the id of another call"
		default:
			seen[call.ID] = true
			page.Rows[i] = RowOf(call, page.Rows[i].Started)
		}
	}
	page.Bytes = page.size(len(calls))
	page.weigh()
	return page
}
