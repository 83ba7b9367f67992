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
	Budget *RequestBudget
	// Refresh says that there is a page that would do, and that the asker wants another: others go first.
	Refresh bool
	// Urgent, if it is not nil, is closed when a Refresh is one no longer.
	Urgent <-chan struct{}
	// Waiters, if it is not nil, ends when nobody waits for the page any more. What has not been sent by then is
	// given up; what has been is finished, and the page returned if nothing has to be waited for. When ctx ends, all
	// ends at once.
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

// ProbeRows is the size of the page whose rows are looked for in the first page. A list that moves by half as many
// rows between two requests is told apart still. That pages of this size are served as they are asked for is then
// known, so it is a good size to ask whether a row exists, too.
const ProbeRows = 4

// FarPage is the number of a page that no list has. What comes for it shows whether upstream serves a page again past
// the end.
const FarPage = 100_000_000
