package graph

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
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
	maxSize atomic.Int64                       // rows of the largest page to ask for; lowered where upstream serves fewer
	bound   int                                // rows a list may have shifted by since a cursor was made
	cached  bool                               // answers are remembered for a while
	totals  *lru.Cache[upstream.List, int]     // the last known length, a hint
	drifts  *lru.Cache[upstream.List, float64] // rows a second by which calls were last seen to move down, a hint
	now     func() time.Time
	log     *slog.Logger
}

// rememberedLists bounds the lists about which something is remembered: sets of statuses times credentials.
const rememberedLists = 1024

func newPages(calls upstream.Lister, maxSize, bound int, log *slog.Logger) *pages {
	totals, _ := lru.New[upstream.List, int](rememberedLists) // its one error is a size below 1
	drifts, _ := lru.New[upstream.List, float64](rememberedLists)
	p := &pages{calls: calls, bound: bound, totals: totals, drifts: drifts, now: time.Now, log: log}
	p.maxSize.Store(int64(maxSize))
	return p
}

// largest is the size of the largest page to ask for.
func (p *pages) largest() int { return int(p.maxSize.Load()) }

// lower keeps to what upstream serves from now on.
func (p *pages) lower(size int) {
	for old := p.maxSize.Load(); int64(size) < old; old = p.maxSize.Load() {
		if p.maxSize.CompareAndSwap(old, int64(size)) {
			p.log.Warn("upstream serves smaller pages than it is asked for: asking for no more from now on", "rows", size)
		}
	}
}

// of reads one list, through answers asked for at notBefore at the earliest.
func (p *pages) of(list upstream.List, notBefore time.Time) *reader {
	return &reader{pages: p, list: list, notBefore: notBefore}
}

// reader reads one list for one client request.
type reader struct {
	*pages
	list      upstream.List
	notBefore time.Time
	deadline  time.Time // zero: none
	trace     *trace    // records what is read; may be nil
}

// get asks for the page that holds row anchor and as many rows of [lo, hi) as one answer can.
func (r *reader) get(ctx context.Context, anchor, lo, hi int) (*upstream.Page, error) {
	return r.getAhead(ctx, anchor, lo, hi, 0, 0)
}

// getAhead is get, but where upstream has to be asked it asks for some more rows above and below.
func (r *reader) getAhead(ctx context.Context, anchor, lo, hi, above, below int) (*upstream.Page, error) {
	for {
		opts := upstream.ListCallsOptions{List: r.list, NotBefore: r.notBefore, Deadline: r.deadline}
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
			r.totals.Add(r.list, page.End())
		}
		return page, nil
	}
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
