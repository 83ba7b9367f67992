package pagination

import (
	"iter"
	"sync"
	"time"
	"weak"

	"revox-graphql/upstream"
)

// Memory reports which pages a request would get from memory now.
type Memory interface {
	upstream.Finder
	// Page is the page in memory that ListCalls would return without asking upstream; nil if it would ask.
	Page(opts upstream.ListCallsOptions) *upstream.Page
}

// Reads records what was read for one request; nil records nothing. It may be used concurrently, because root fields
// are resolved side by side. Its results are complete when the request's readers have returned.
type Reads struct {
	mu     sync.Mutex
	pages  []pageRead
	calls  []callRead
	oldest time.Time // when the oldest page was requested; zero where none was read
	stale  time.Time // when the oldest stale page was requested; zero where none was read

	walked    bool // a cursor was followed
	drift     int  // rows by which its call had moved
	reordered bool // calls were seen to have changed places
	doubtful  bool // a cursor was followed to a place that is likely, and not proven
}

type pageRead struct {
	opts upstream.ListCallsOptions
	page weak.Pointer[upstream.Page]
}

type callRead struct {
	tenant    upstream.Tenant
	id        string
	notBefore time.Time
	page      weak.Pointer[upstream.Page] // that has the call; of no page, where none has
}

func (d *Reads) readPage(opts upstream.ListCallsOptions, page *upstream.Page) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	// The response cache outlives the request: it keeps neither the request's budget nor an API key.
	opts.Budget, opts.Credential = nil, opts.Credential.Keyless()
	d.pages = append(d.pages, pageRead{opts, weak.Make(page)})
	d.readAt(page)
}

// Pages are the pages that were read and are still in memory, and the lists that they are of.
func (d *Reads) Pages() iter.Seq2[*upstream.Page, upstream.ListKey] {
	return func(yield func(*upstream.Page, upstream.ListKey) bool) {
		d.mu.Lock()
		defer d.mu.Unlock()
		for i := range d.pages {
			page := d.pages[i].page.Value()
			if page != nil && !yield(page, d.pages[i].opts.Key()) {
				return
			}
		}
	}
}

// readCall records a look-up, and the page that has the call, if one has.
func (d *Reads) readCall(read callRead, page *upstream.Page) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	read.page = weak.Make(page)
	d.calls = append(d.calls, read)
	d.readAt(page)
}

// readAt records how old a page is, if there is one.
func (d *Reads) readAt(page *upstream.Page) {
	if page == nil {
		return
	}
	d.since(page.AskedAt)
	if page.Stale && (d.stale.IsZero() || page.AskedAt.Before(d.stale)) {
		d.stale = page.AskedAt
	}
}

// since records when a page was requested. The caller holds the lock.
func (d *Reads) since(asked time.Time) {
	if d.oldest.IsZero() || asked.Before(d.oldest) {
		d.oldest = asked
	}
}

// readSince records the time of the oldest page that an earlier request has read.
func (d *Reads) readSince(asked time.Time) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since(asked)
}

// Age returns the age of the oldest page that was read; 0 if none was.
func (d *Reads) Age() time.Duration {
	if d.oldest.IsZero() {
		return 0
	}
	return max(0, time.Since(d.oldest))
}

// moved records that a cursor's call has moved by so many rows.
func (d *Reads) moved(rows int) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.walked = true
	if max(rows, -rows) > max(d.drift, -d.drift) {
		d.drift = rows
	}
}

// judged records what a search has found: calls that have changed places, or a place that is likely and not proven.
func (d *Reads) judged(reordered, doubtful bool) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reordered, d.doubtful = d.reordered || reordered, d.doubtful || doubtful
}

// Count returns the number of look-ups, and so the cost of [Reads.Holds].
func (d *Reads) Count() int { return len(d.pages) + len(d.calls) }

// Stale returns the age of the oldest stale page that was read, at least one second; 0 if none was.
func (d *Reads) Stale() time.Duration {
	if d.stale.IsZero() {
		return 0
	}
	return max(time.Second, time.Since(d.stale))
}

// Drift returns the number of rows by which the call of a cursor had moved since the cursor was made, downwards if
// positive; of several cursors, the largest. followed is false if there was no cursor.
func (d *Reads) Drift() (rows int, followed bool) { return d.drift, d.walked }

// Reordered reports whether calls near a cursor have changed places, as far as the responses showed.
func (d *Reads) Reordered() bool { return d.reordered }

// Holds reports whether every look-up would find the same page now as then. Weak pointers to two pages differ, even
// after one of the pages has left the memory.
func (d *Reads) Holds(memory Memory) bool {
	for _, read := range d.pages {
		if page := memory.Page(read.opts); page == nil || weak.Make(page) != read.page {
			return false
		}
	}
	for _, read := range d.calls {
		if _, page := memory.FindCall(read.tenant, read.id, read.notBefore); weak.Make(page) != read.page {
			return false
		}
	}
	return true
}
