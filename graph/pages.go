package graph

import (
	"context"
	"errors"
	"log/slog"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// errListUnsteady: upstream's answers contradict one another, again and again.
var errListUnsteady = &upstream.Error{Kind: upstream.KindInvalidResponse, Reason: "the answers contradict one another"}

// errPageIgnored: upstream serves the same page for every number.
var errPageIgnored = &upstream.Error{Kind: upstream.KindInvalidResponse, Reason: "every page number has the same rows: is `page` ignored?"}

// pages reads lists through an [upstream.Lister].
type pages struct {
	calls   upstream.Lister
	maxSize int                                   // rows of the largest page to ask for
	bound   int                                   // rows a list may have shifted by since a cursor was made
	cached  bool                                  // answers are remembered for a while
	sizes   *lru.Cache[upstream.ListKey, lowered] // of those lists of which upstream serves smaller pages
	totals  *lru.Cache[upstream.ListKey, int]     // the last known length, a hint
	drifts  *lru.Cache[upstream.ListKey, float64] // rows a second by which calls were last seen to move down, a hint
	now     func() time.Time
	log     *slog.Logger
}

// lowered is the rows of the largest page that upstream serves of a list, as far as that is known.
type lowered struct {
	rows  int
	until time.Time
}

// sizesLast is how long it is remembered that upstream serves smaller pages of a list: it may only have been a few long
// calls, or a bad hour. Finding out again takes one request, or none where upstream always serves smaller pages.
const sizesLast = 10 * time.Minute

// rememberedLists bounds the lists about which something is remembered: sets of statuses times credentials.
const rememberedLists = 1024

func newPages(calls upstream.Lister, maxSize, bound int, log *slog.Logger) *pages {
	sizes, _ := lru.New[upstream.ListKey, lowered](rememberedLists) // its one error is a size below 1
	totals, _ := lru.New[upstream.ListKey, int](rememberedLists)
	drifts, _ := lru.New[upstream.ListKey, float64](rememberedLists)
	return &pages{
		calls: calls, maxSize: maxSize, bound: bound, sizes: sizes, totals: totals, drifts: drifts, now: time.Now, log: log,
	}
}

// of reads one list, through answers asked for at notBefore at the earliest.
func (p *pages) of(list upstream.List, notBefore time.Time) *reader {
	key, size := list.Key(), p.maxSize
	if known, ok := p.sizes.Get(key); ok && p.now().Before(known.until) {
		size = known.rows
	}
	return &reader{pages: p, list: list, key: key, size: &size, notBefore: notBefore}
}

// reader reads one list for one client request.
type reader struct {
	*pages
	list      upstream.List
	key       upstream.ListKey
	size      *int // rows of the largest page to ask for; copies of the reader share it
	notBefore time.Time
	deadline  time.Time           // zero: none
	allowance *upstream.Allowance // nil: endless
	trace     *trace              // records what is read; may be nil
}

// largest is the size of the largest page to ask for.
func (r *reader) largest() int { return *r.size }

// lower keeps to what upstream serves of the list. This is per list, because it may be the calls of one list that are too
// long for large pages, and because what one tenant meets must not touch another.
func (r *reader) lower(rows int) {
	*r.size = rows
	r.sizes.Add(r.key, lowered{rows, r.now().Add(sizesLast)})
	r.log.Info("upstream serves smaller pages than it is asked for: asking for no more for a while",
		"rows", rows, "tenant", r.key.Tenant.String(), "statuses", r.key.Statuses.String())
}

// get asks for the page that holds row anchor and as many rows of [lo, hi) as one answer can.
func (r *reader) get(ctx context.Context, anchor, lo, hi int) (*upstream.Page, error) {
	return r.getAhead(ctx, anchor, lo, hi, 0, 0)
}

// getAhead is get, but where upstream has to be asked it asks for some more rows above and below.
func (r *reader) getAhead(ctx context.Context, anchor, lo, hi, above, below int) (*upstream.Page, error) {
	for {
		opts := r.question()
		number, size := relay.Cover(anchor, lo, hi, r.largest())
		opts.Page, opts.PageSize = number, size
		if above+below > 0 {
			opts.From, opts.To = max(lo, number*size), min(hi, (number+1)*size)
			opts.Page, opts.PageSize = relay.Cover(anchor, max(0, lo-above), hi+below, r.largest())
		}
		page, err := r.calls.ListCalls(ctx, opts)
		if tooLarge, ok := errors.AsType[*upstream.PageSizeError](err); ok && tooLarge.Max < opts.PageSize {
			r.lower(tooLarge.Max)
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
}

// question is what holds for all that the reader asks.
func (r *reader) question() upstream.ListCallsOptions {
	return upstream.ListCallsOptions{List: r.list, NotBefore: r.notBefore, Deadline: r.deadline, Allowance: r.allowance}
}

// whole asks for the page of the largest size that holds the row.
func (r *reader) whole(ctx context.Context, row int) (*upstream.Page, error) {
	first := row - row%r.largest()
	return r.get(ctx, row, first, first+r.largest())
}

// provesEnd reports whether the list ends with the page's last row. A page past the end is empty and proves less.
func provesEnd(page *upstream.Page) bool {
	return page.Last() && (len(page.Rows) > 0 || page.Offset() == 0)
}

// maxTries is how often answers may contradict one another before upstream is not believed any more.
const maxTries = 3
