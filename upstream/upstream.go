// Package upstream reads calls from the Revox REST endpoint GET /call.
//
// The endpoint lists call attempts in numbered pages and tells nothing else: no total, no next page, no look-up by
// id. What is documented leaves room (is the first page 0 or 1, how does an array travel, may a page size be lowered
// silently), so everything unproven is a setting of [Client] with a safe default.
//
// [Lister] is the one interface to the endpoint. [Client] implements it over HTTP; package pagecache decorates it.
// Types here speak Revox's language: enum values are spelled as upstream spells them.
package upstream

import (
	"context"
	"time"
	"unsafe"
)

// Lister lists calls one page at a time.
type Lister interface {
	// ListCalls returns a page that holds at least the rows asked for, as far as the list has them. It may be a larger
	// page than the one asked for (see [Page.Offset]), never a smaller one. Errors are of type [*Error],
	// [*PageSizeError] where pages of another size must be asked for, [*AllowanceError] where the asker may ask no
	// more, or the context's when the caller gave up. Safe for concurrent use.
	ListCalls(ctx context.Context, opts ListCallsOptions) (*Page, error)
}

// Finder knows some calls without asking upstream.
type Finder interface {
	// FindCall returns the call as the tenant last saw it, and not before the given time, and the page that has it; nil
	// when it has not been seen of late. While upstream is failing that may be longer ago, and then the page is stale.
	FindCall(tenant Tenant, id string, notBefore time.Time) (*Call, *Page)
}

// List names one list of calls: whose it is, and how it is filtered.
type List struct {
	Credential Credential
	Statuses   OrderStatuses
}

// ListKey is what stands for a list wherever something is remembered about it: nothing crosses from one credential to
// another, and no key is kept.
type ListKey struct {
	Tenant   Tenant
	Statuses OrderStatuses
}

// Key is the list's key.
func (l List) Key() ListKey { return ListKey{l.Credential.Tenant(), l.Statuses} }

// ListCallsOptions says which rows are wanted: those from Page*PageSize on, PageSize of them.
type ListCallsOptions struct {
	List
	// Page counts from 0, whatever upstream counts from.
	Page int
	// PageSize is at least 1.
	PageSize int
	// From and To, where To is not 0, narrow down what is needed at once to the rows [From, To) of the list: a page in
	// memory that holds these will do, and the whole page is only asked for where there is none.
	From, To int
	// NotBefore refuses an answer that was asked for earlier; the zero time takes any that is fresh. A walk gives the
	// time of the answer it started from, so that it never meets an older list than it has already seen.
	NotBefore time.Time
	// Deadline is when the asker gives up; the zero time is never. What lies ready comes even then.
	Deadline time.Time
	// Allowance is what the asker may still ask upstream; nil is anything.
	Allowance *Allowance
	// Refresh says that there is a page that would do, and that the asker wants another: others go first.
	Refresh bool
	// Urgent, if it is not nil, is closed when a Refresh is one no longer.
	Urgent <-chan struct{}
	// Waiters, if it is not nil, ends when nobody waits for the page any more. What has not been sent by then is
	// given up; what has been is finished, and the page returned if nothing has to be waited for. When ctx ends, all
	// ends at once.
	Waiters context.Context //nolint:containedctx // it is not that of the call
}

// Page is one answer of upstream: a slice of the list at one moment. It is immutable and shared.
type Page struct {
	// Number counts from 0.
	Number int
	// Size is the page size that was asked for, in rows.
	Size int
	// Rows are in the list's order, newest first as a rule; fewer than Size only where the list ends.
	Rows []Row
	// AskedAt is when the request was sent: the page is the list at that moment or a little later.
	AskedAt time.Time
	// Bytes is the memory that the page takes, with a place for each call in an index of ids.
	Bytes int
	// Stale says that the page is older than a page in memory should be, and served because upstream is failing.
	Stale bool

	weight  [2]int // of a call and its transcript on average, in bytes
	text    string // the answer, and behind it what is not written there as it should be
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
	Started int64 // when the call started, in milliseconds since 1970; 0 where that is not known
}

// Offset is the place of the first row in the whole list, from 0.
func (p *Page) Offset() int { return p.Number * p.Size }

// End is the place after the last row in the whole list.
func (p *Page) End() int { return p.Offset() + len(p.Rows) }

// Last reports whether the page proves where the list ends: it has fewer rows than were asked for. An empty page proves
// only that the list ends at Offset or before.
func (p *Page) Last() bool { return len(p.Rows) < p.Size }

// Covers reports whether the page answers for all rows of [lo, hi) that the list had at its moment.
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
