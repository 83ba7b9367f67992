// Package upstream is what the gateway knows of the Revox REST endpoint GET /call: its calls and pages, its errors, and
// [Lister], the one interface to it.
//
// The endpoint lists call attempts in numbered pages. It has no total, no link to the next page, and no look-up by id.
// Package rest implements [Lister] over HTTP, and package pagecache decorates it.
//
// [ParsePage] reads one response (decode.go, rows.go; scan.go is the scanner of JSON) into a [Page] of calls (page.go,
// call.go). enums.go, text.go and time.go read single values, and unrecognized.go reports fields and values that the
// documentation does not have.
//
// Types here use Revox's own terms: enum values are spelled as upstream spells them.
package upstream

import (
	"context"
	"time"
)

// Lister lists calls one page at a time.
type Lister interface {
	// ListCalls returns a page that holds at least the requested rows, as far as the list has them. It may be a larger
	// page than the requested one (see [Page.Offset]), never a smaller one. Errors are of type [*Error],
	// [*PageSizeError] where pages of another size must be requested, [*RequestBudgetError] where the budget is spent,
	// or the context's when it has ended. It is safe for concurrent use.
	ListCalls(ctx context.Context, opts ListCallsOptions) (*Page, error)
}

// Finder knows some calls without asking upstream.
type Finder interface {
	// FindCall returns the call as the tenant last saw it, not before the given time, and the page that has it; nil
	// when it was not seen recently. While upstream fails that may be longer ago, and then the page is stale.
	FindCall(tenant Tenant, id string, notBefore time.Time) (*Call, *Page)
}

// Holder counts the pages that requests use, so that they stay within the memory of the process. It is safe for
// concurrent use.
type Holder interface {
	// Hold counts a page for a request that uses it for longer than it takes to read the next one. It reports whether
	// there is memory for that; if not, the request must not use the page any longer.
	Hold(page *Page) bool
	// Release ends a Hold that was true.
	Release(page *Page)
}

// List names one list of calls: with which credential it is read, and how it is filtered.
type List struct {
	Credential Credential
	Statuses   OrderStatuses
}

// ListKey identifies a list wherever something is kept about it: nothing crosses from one credential to another, and no
// API key is kept.
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
	// From and To, where To is not 0, are the rows [From, To) of the list that are needed: a page in memory that holds
	// these is enough, and the whole page is only requested where there is none.
	From, To int
	// NotBefore rejects a page that was requested earlier; the zero time accepts any fresh page. A walk sets it to the
	// time of the page from which it started, so that it never reads an older list than it has already seen.
	NotBefore time.Time
	// Deadline is when the client gives up; the zero time is never. A page in memory is returned even after it.
	Deadline time.Time
	// Budget bounds the requests to upstream; nil is endless.
	Budget *RequestBudget
	// Refresh says that a page in memory would do, and is to be read again: requests without a page go first.
	Refresh bool
	// Urgent, if it is not nil, is closed when a Refresh is one no longer.
	Urgent <-chan struct{}
	// Waiters, if it is not nil, ends when no client waits for the page any more. From then on, the Lister waits only
	// for upstream's responses: it finishes the request in flight, and sends the others that the page takes, but none
	// that would have to wait for its turn, and no retry. When ctx ends, ListCalls ends at once.
	Waiters context.Context //nolint:containedctx // it is not that of the call
}

// FirstPage is the number that upstream gives to its first page. The documentation says both 0 and 1.
type FirstPage int

// The numbers of the first page. FirstPageAuto finds it out at first use, mostly with three requests for a few
// rows.
const (
	FirstPageAuto FirstPage = -1
	FirstPageZero FirstPage = 0
	FirstPageOne  FirstPage = 1
)

// ProbeRows is the size of the pages with which package verify finds out the number of the first page, in rows. Pages
// of this size are then known to be served as they are requested, so it is also a good size to find out whether a row
// exists.
const ProbeRows = 4

// FarPage is the number of a page that no list has: the response shows whether upstream serves a page again past the
// end.
const FarPage = 100_000_000
