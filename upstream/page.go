package upstream

import (
	"time"
	"unsafe"

	"revox-graphql/internal/idhash"
)

// Page is one response of upstream: a slice of the list at one moment. It is immutable and shared.
type Page struct {
	// Number counts from 0.
	Number int
	// Size is the page size that was requested, in rows.
	Size int
	// Rows are in the list's order, newest first as a rule; fewer than Size only where the list ends.
	Rows []Row
	// AskedAt is when the request was sent: the page is the list at that moment or a little later.
	AskedAt time.Time
	// Bytes is the memory that the page takes, with an entry for each call in an index of ids.
	Bytes int
	// Stale says that the page is older than a page in memory should be, and served because upstream is failing.
	Stale bool
	// Limited says that upstream rejected the request with 429 before it sent the page.
	Limited bool

	weight  [2]int // of a call and its transcript on average, in bytes
	text    string // the response, and after it what is not written there as it should be
	entries []entry
	tools   []tool
}

// json is the value that lies there.
func (p *Page) json(s span) string {
	if s == (span{}) {
		return "null"
	}
	return p.text[s.start:s.end]
}

// indexed is what a call takes in an index of ids, in bytes: a key, a slice and its element in a map that is half full.
const indexed = 80

// size counts the memory that the page takes with an index of so many calls.
func (p *Page) size(calls int) int {
	return int(unsafe.Sizeof(*p)) + len(p.text) +
		len(p.Rows)*int(unsafe.Sizeof(Row{})) + calls*(int(unsafe.Sizeof(Call{}))+indexed) +
		len(p.entries)*int(unsafe.Sizeof(entry{})) + len(p.tools)*int(unsafe.Sizeof(tool{}))
}

// Row is one element of a page: a call, or why it could not be read. It takes its place in the list either way.
type Row struct {
	Call    *Call
	Problem string
	Started int64       // when the call started, in milliseconds since 1970; 0 where that is not known
	Hash    idhash.Hash // of the call's id, see [RowOf]; 0 without a call
}

// RowOf is the row of a call that started then, see [Row.Started].
func RowOf(call *Call, started int64) Row {
	return Row{Call: call, Started: started, Hash: idhash.Of(call.ID)}
}

// Offset is the place of the first row in the whole list, from 0.
func (p *Page) Offset() int { return p.Number * p.Size }

// End is the place after the last row in the whole list.
func (p *Page) End() int { return p.Offset() + len(p.Rows) }

// Last reports whether the page proves where the list ends: it has fewer rows than were requested. An empty page proves
// only that the list ends at Offset or before.
func (p *Page) Last() bool { return len(p.Rows) < p.Size }

// Covers reports whether the page has all rows of [lo, hi) that the list had at its moment.
func (p *Page) Covers(lo, hi int) bool {
	return p.Offset() <= lo && (p.Last() || hi <= p.End())
}

// Find returns the call with this id, nil when the page does not have it.
func (p *Page) Find(id string) *Call {
	for _, row := range p.Rows {
		if row.Call != nil && row.Call.ID == id {
			return row.Call
		}
	}
	return nil
}

// EmptyPage is a page without rows.
func EmptyPage(number, size int, askedAt time.Time) *Page {
	page := &Page{Number: number, Size: size, AskedAt: askedAt}
	page.Bytes = page.size(0)
	return page
}

// Weight is how many bytes a call of the page has on average when it is written whole, and its transcript; 0 and 0 on a
// page without calls. Names of fields are counted for transcripts, of which they are a part that matters.
func (p *Page) Weight() (call, transcript int) { return p.weight[0], p.weight[1] }

// entryNames is about what the names of an entry's fields take.
const entryNames = 64

// weigh works out the weight.
func (p *Page) weigh() {
	if len(p.Rows) == 0 {
		return
	}
	said := 0
	for i := range p.entries {
		said += int(p.entries[i].content.end - p.entries[i].content.start)
	}
	for i := range p.tools {
		for _, s := range []span{p.tools[i].name, p.tools[i].arguments} {
			said += int(s.end - s.start)
		}
	}
	n := len(p.Rows)
	p.weight = [2]int{max(1, (len(p.text)-said)/n), (said + entryNames*len(p.entries)) / n}
}
