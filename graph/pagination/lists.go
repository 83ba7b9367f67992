// Package pagination reads windows of upstream lists that change while a client pages through them.
//
// [New] makes the [Lists] of a process (lists.go), and [Lists.Reader] reads one list for one client request:
//
//   - [Reader.Window] reads the rows after or before a cursor (window.go), or between two cursors (between.go).
//   - [Reader.Scan] reads the list part by part for as long as its consumer wants (scan.go).
//   - [Reader.Count] counts the list (count.go), and [Reader.LookUp] finds calls by their ids (lookup.go).
//
// The essay at the top of walk.go explains how the package finds the call of a cursor in a list that has moved, and
// what makes a window exact: begin there. search.go searches for the call, span.go compares the calls of a response
// with those that a cursor knows, and timing.go uses the start times. The essay in ahead.go explains how several pages
// are read at once; limiter.go says how many.
//
// [Reads] records what a request has read (reads.go), so that a response can be cached for as long as the same pages
// would be read again.
package pagination

import (
	"context"
	"errors"
	"log/slog"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// errListUnsteady says that responses of upstream contradict one another.
var errListUnsteady = &upstream.Error{
	Kind: upstream.KindInvalidResponse, Reason: "the responses contradict one another",
}

// errPageIgnored says that upstream serves the same page for every number.
var errPageIgnored = &upstream.Error{
	Kind: upstream.KindInvalidResponse, Reason: "every page number has the same rows: is `page` ignored?",
}

// Lists reads lists through an [upstream.Lister]. It may be used concurrently.
type Lists struct {
	calls    upstream.Lister
	holder   upstream.Holder // the same, where it counts pages; else nil
	process  relay.Process
	maxSize  int                                    // rows of the largest page to ask for
	bound    int                                    // rows a list may have shifted by since a cursor was made
	cached   bool                                   // responses are cached for a while
	sizes    *lru.Cache[upstream.ListKey, limited]  // of those lists of which upstream serves not all sizes of pages
	totals   *lru.Cache[upstream.ListKey, int]      // the last known length, a hint
	drifts   *lru.Cache[upstream.ListKey, float64]  // rows per second by which calls were last seen to move down, a hint
	probed   *lru.Cache[upstream.Tenant, time.Time] // since when pages stand where their numbers say, see anchored
	limiters *lru.Cache[upstream.Tenant, *limiter]  // how many requests read ahead at once
	now      func() time.Time
	log      *slog.Logger

	concurrency int // bounds the requests of a tenant that read ahead at once
}

// limited has the known limits on the page sizes that upstream serves of a list.
type limited struct {
	relay.Sizes
	until time.Time
}

// sizesLast is how long these limits are kept: their cause may have been a few long calls, or a temporary fault.
// Finding them again takes a few requests, or none if upstream always serves smaller pages.
const sizesLast = 10 * time.Minute

// probedFor is how long the finding about upstream's responses past the end of a list is trusted: as long as package
// verify trusts its findings.
const probedFor = 10 * time.Minute

// maxLists bounds the lists (sets of statuses times credentials) about which hints are kept.
const maxLists = 1024

// Options are the settings of [Lists].
type Options struct {
	// PageSize is the largest number of rows that one upstream request may ask for; at least 20, see [relay.Cover].
	PageSize int
	// MaxShift is the number of rows by which a list may have shifted since a cursor was made, before the cursor expires.
	MaxShift int
	// Cached says that the lister caches pages, so that requesting larger pages than necessary saves later requests.
	Cached bool
	// Concurrency is how many pages may be read ahead at once for one tenant, if a read takes more than one page; below
	// 2, none is.
	Concurrency int
	Log         *slog.Logger
}

// New makes Lists that read through calls. If calls is an [upstream.Holder] too, pages that are read ahead are counted
// in the memory budget.
func New(calls upstream.Lister, opts Options) *Lists {
	sizes, _ := lru.New[upstream.ListKey, limited](maxLists) // its one error is a size below 1
	totals, _ := lru.New[upstream.ListKey, int](maxLists)
	drifts, _ := lru.New[upstream.ListKey, float64](maxLists)
	probed, _ := lru.New[upstream.Tenant, time.Time](maxLists)
	limiters, _ := lru.New[upstream.Tenant, *limiter](maxLists)
	holder, _ := calls.(upstream.Holder)
	return &Lists{
		calls: calls, holder: holder, process: relay.NewProcess(), maxSize: opts.PageSize, bound: opts.MaxShift,
		cached: opts.Cached, concurrency: opts.Concurrency, limiters: limiters,
		sizes: sizes, totals: totals, drifts: drifts, probed: probed, now: time.Now, log: opts.Log,
	}
}

// Request says how to read a list for a client's request.
type Request struct {
	List upstream.List
	// NotBefore rules out responses that were requested earlier.
	NotBefore time.Time
	// Refresh says that the client wants fresh pages (`Cache-Control: no-cache`).
	Refresh bool
	// Deadline is when all upstream work ends; zero is never.
	Deadline time.Time
	// Budget bounds the requests to upstream; nil is no bound.
	Budget *upstream.RequestBudget
	// Reads records what is read; nil records nothing.
	Reads *Reads
	// Walk is the walk that the request is part of, if its client reads a list to the end; else nil. The next request
	// uses rows that were read for this one, so a response must not be cached.
	Walk *Walk
}

// Reader reads a list for a client request.
func (p *Lists) Reader(req Request) *Reader {
	r := p.of(req.List, req.NotBefore)
	r.deadline, r.budget, r.trace, r.refresh = req.Deadline, req.Budget, req.Reads, req.Refresh
	r.walk = req.Walk
	return r
}

// of reads one list, through responses requested at notBefore at the earliest.
func (p *Lists) of(list upstream.List, notBefore time.Time) *Reader {
	key, sizes := list.Key(), relay.Sizes{Least: 1, Most: p.maxSize}
	if known, ok := p.sizes.Get(key); ok && p.now().Before(known.until) {
		sizes = known.Sizes
	}
	return &Reader{Lists: p, list: list, key: key, sizes: &sizes, arrived: p.now(), notBefore: notBefore}
}

// Reader reads one list for one client request.
type Reader struct {
	*Lists
	list      upstream.List
	key       upstream.ListKey
	sizes     *relay.Sizes // of the pages to ask for; copies of the reader share it
	arrived   time.Time    // when the client's request arrived
	notBefore time.Time
	deadline  time.Time               // zero: none
	budget    *upstream.RequestBudget // nil: endless
	refresh   bool                    // the client wants fresh pages
	trace     *Reads                  // records what is read; may be nil
	walk      *Walk                   // nil: the request is part of none
	scans     bool                    // what is read is continued, see enough
}

// PageRows is how many rows the largest page has.
func (r *Reader) PageRows() int { return r.largest() }

// largest is the size of the largest page to ask for.
func (r *Reader) largest() int { return r.sizes.Most }

// limit stores the page sizes that upstream serves of the list. It does so for each list, because the calls of a single
// list may be too long for large pages, and because one tenant's responses must not affect another tenant. It reports
// whether there is a size that may help.
func (r *Reader) limit(served *upstream.PageSizeError, asked int) bool {
	switch {
	case served.Most > 0 && served.Most < asked && served.Most >= r.sizes.Least:
		r.sizes.Most = served.Most
	case served.Least > asked && served.Least <= r.sizes.Most:
		r.sizes.Least = served.Least
	default:
		return false
	}
	r.Lists.sizes.Add(r.key, limited{*r.sizes, r.now().Add(sizesLast)})
	r.log.Info("upstream does not serve pages of the size that it is asked for: asking for others for a while",
		"rows", r.sizes.Most, "leastRows", r.sizes.Least,
		"tenant", r.key.Tenant.String(), "statuses", r.key.Statuses.String())
	return true
}

// get asks for the page that holds row anchor and as many rows of [lo, hi) as one response can.
func (r *Reader) get(ctx context.Context, anchor, lo, hi int) (*upstream.Page, error) {
	rows := relay.Rows{From: lo, To: hi}
	return r.read(ctx, anchor, fewestRows, rows, rows, rows)
}

// probe asks for a row, in a page as small as can be.
func (r *Reader) probe(ctx context.Context, row int) (*upstream.Page, error) {
	rows := relay.Rows{From: row, To: row + 1}
	return r.read(ctx, row, upstream.ProbeRows, rows, rows, rows)
}

// Sample returns the row at a position and some next to it, from a page as small as can be; none where the list has no
// such row.
func (r *Reader) Sample(ctx context.Context, position int) ([]upstream.Row, error) {
	page, err := r.probe(ctx, position)
	if err != nil || page.End() <= position {
		return nil, err
	}
	i := position - page.Offset() // a cached page may be larger
	return page.Rows[max(0, i-upstream.ProbeRows+1):min(i+upstream.ProbeRows, len(page.Rows))], nil
}

// At returns the rows of a page that begins about at a position of the list, or with up ends about there.
func (r *Reader) At(ctx context.Context, position int, up bool) (*Window, error) {
	lo, hi := position, position+r.largest()
	if up {
		lo, hi = max(0, position+1-r.largest()), position+1
	}
	page, err := r.get(ctx, position, lo, hi)
	if err != nil {
		return nil, err
	}
	return &Window{span: r.spanOf(page), to: len(page.Rows), list: r.list}, nil
}

// around is get with the neighbours of the rows, as far as they cost little: cursors of the rows need them. If a
// request upstream is necessary, it asks for some more rows above and below.
func (r *Reader) around(ctx context.Context, anchor, lo, hi, above, below int) (*upstream.Page, error) {
	ask := relay.Rows{From: max(0, lo-above), To: hi + below}
	return r.read(ctx, anchor, fewestRows, relay.Rows{From: lo, To: hi}, ask,
		relay.Rows{From: max(0, ask.From-relay.Neighbours), To: ask.To + relay.Neighbours})
}

// fewestRows is the size of the smallest page that is requested. A smaller one would hardly cost less; upstream may
// have a least size; and it is hard to see whether a list ends with so few rows.
const fewestRows = 12

// maxSizes is how often one read may meet a size that upstream does not serve.
const maxSizes = 8

// read returns a page that holds the row anchor and the needed rows, as far as one response can. If a request upstream
// is necessary, its page holds the rows of ask, and those rows of want that fit in too. The page has at least fewest
// rows, unless upstream serves only pages that are hardly larger.
func (r *Reader) read(ctx context.Context, anchor, fewest int, need, ask, want relay.Rows) (*upstream.Page, error) {
	for range maxSizes {
		opts := r.options()
		sizes := relay.Sizes{Least: max(r.sizes.Least, min(fewest, r.sizes.Most/2)), Most: r.sizes.Most}
		number, size := relay.Cover(anchor, need, need, sizes)
		opts.Page, opts.PageSize = number, size
		if want != need {
			opts.From, opts.To = max(need.From, number*size), min(need.To, (number+1)*size)
			opts.Page, opts.PageSize = relay.Cover(anchor, ask, want, sizes)
		}
		page, err := r.calls.ListCalls(ctx, opts)
		if served, ok := errors.AsType[*upstream.PageSizeError](err); ok && r.limit(served, opts.PageSize) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r.trace.readPage(opts, page)
		if provesEnd(page) {
			r.totals.Add(r.key, page.End())
		}
		return page, nil
	}
	return nil, errListUnsteady
}

// options returns the options that all requests of the reader have in common.
func (r *Reader) options() upstream.ListCallsOptions {
	return upstream.ListCallsOptions{
		List: r.list, NotBefore: r.notBefore, Deadline: r.deadline, Budget: r.budget, Refresh: r.refresh,
	}
}

// spanOf is the rows of a page.
func (r *Reader) spanOf(page *upstream.Page) span {
	s := spanOf(page)
	s.process = r.process
	return s
}

// provesEnd reports whether the list ends with the page's last row. A page past the end is empty and proves less.
func provesEnd(page *upstream.Page) bool {
	return page.Last() && (len(page.Rows) > 0 || page.Offset() == 0)
}

// maxTries is how often responses may contradict one another before the request fails.
const maxTries = 3
