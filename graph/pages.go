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
var errPageIgnored = &upstream.Error{
	Kind: upstream.KindInvalidResponse, Reason: "every page number has the same rows: is `page` ignored?",
}

// pages reads lists through an [upstream.Lister].
type pages struct {
	calls   upstream.Lister
	process relay.Process
	maxSize int                                   // rows of the largest page to ask for
	bound   int                                   // rows a list may have shifted by since a cursor was made
	cached  bool                                  // answers are remembered for a while
	sizes   *lru.Cache[upstream.ListKey, limited] // of those lists of which upstream serves not all sizes of pages
	totals  *lru.Cache[upstream.ListKey, int]     // the last known length, a hint
	drifts  *lru.Cache[upstream.ListKey, float64] // rows a second by which calls were last seen to move down, a hint
	now     func() time.Time
	log     *slog.Logger
}

// limited is the sizes of the pages that upstream serves of a list, as far as that is known.
type limited struct {
	relay.Sizes
	until time.Time
}

// sizesLast is how long it is remembered which sizes of pages upstream serves of a list: it may only have been a few
// long calls, or a bad hour. Finding out again takes a few requests, or none where upstream always serves smaller
// pages.
const sizesLast = 10 * time.Minute

// rememberedLists bounds the lists about which something is remembered: sets of statuses times credentials.
const rememberedLists = 1024

func newPages(calls upstream.Lister, maxSize, bound int, log *slog.Logger) *pages {
	sizes, _ := lru.New[upstream.ListKey, limited](rememberedLists) // its one error is a size below 1
	totals, _ := lru.New[upstream.ListKey, int](rememberedLists)
	drifts, _ := lru.New[upstream.ListKey, float64](rememberedLists)
	return &pages{
		calls: calls, process: relay.NewProcess(), maxSize: maxSize, bound: bound,
		sizes: sizes, totals: totals, drifts: drifts, now: time.Now, log: log,
	}
}

// of reads one list, through answers asked for at notBefore at the earliest.
func (p *pages) of(list upstream.List, notBefore time.Time) *reader {
	key, sizes := list.Key(), relay.Sizes{Least: 1, Most: p.maxSize}
	if known, ok := p.sizes.Get(key); ok && p.now().Before(known.until) {
		sizes = known.Sizes
	}
	return &reader{pages: p, list: list, key: key, sizes: &sizes, came: p.now(), notBefore: notBefore}
}

// reader reads one list for one client request.
type reader struct {
	*pages
	list      upstream.List
	key       upstream.ListKey
	sizes     *relay.Sizes // of the pages to ask for; copies of the reader share it
	came      time.Time    // when the client's request came
	notBefore time.Time
	deadline  time.Time           // zero: none
	allowance *upstream.Allowance // nil: endless
	refresh   bool                // the client wants it all afresh
	trace     *trace              // records what is read; may be nil
	settling  bool                // reads on beyond a place, to settle it
}

// largest is the size of the largest page to ask for.
func (r *reader) largest() int { return r.sizes.Most }

// limit keeps to what upstream serves of the list. This is per list, because it may be the calls of one list that are
// too long for large pages, and because what one tenant meets must not touch another. It reports whether there is a
// size that may help.
func (r *reader) limit(served *upstream.PageSizeError, asked int) bool {
	switch {
	case served.Most > 0 && served.Most < asked && served.Most >= r.sizes.Least:
		r.sizes.Most = served.Most
	case served.Least > asked && served.Least <= r.sizes.Most:
		r.sizes.Least = served.Least
	default:
		return false
	}
	r.pages.sizes.Add(r.key, limited{*r.sizes, r.now().Add(sizesLast)})
	r.log.Info("upstream does not serve pages of the size that it is asked for: asking for others for a while",
		"rows", r.sizes.Most, "leastRows", r.sizes.Least,
		"tenant", r.key.Tenant.String(), "statuses", r.key.Statuses.String())
	return true
}

// get asks for the page that holds row anchor and as many rows of [lo, hi) as one answer can.
func (r *reader) get(ctx context.Context, anchor, lo, hi int) (*upstream.Page, error) {
	rows := relay.Rows{From: lo, To: hi}
	return r.read(ctx, anchor, fewestRows, rows, rows, rows)
}

// probe asks for a row, in a page as small as can be.
func (r *reader) probe(ctx context.Context, row int) (*upstream.Page, error) {
	rows := relay.Rows{From: row, To: row + 1}
	return r.read(ctx, row, upstream.ProbeRows, rows, rows, rows)
}

// around is get with the neighbours of the rows, as far as they come at no great cost: whoever goes on from there
// knows its place by them. Where upstream has to be asked, it asks for some more rows above and below.
func (r *reader) around(ctx context.Context, anchor, lo, hi, above, below int) (*upstream.Page, error) {
	ask := relay.Rows{From: max(0, lo-above), To: hi + below}
	return r.read(ctx, anchor, fewestRows, relay.Rows{From: lo, To: hi}, ask,
		relay.Rows{From: max(0, ask.From-relay.Neighbours), To: ask.To + relay.Neighbours})
}

// fewestRows is the size of the smallest page that is asked for. A smaller one would hardly cost less; upstream may
// have a least size; and whether a list ends with so few rows is hard to tell.
const fewestRows = 12

// maxSizes is how often one read may meet a size that upstream does not serve.
const maxSizes = 8

// read returns a page that holds the row anchor and the needed rows, as far as one answer can. Where upstream has to
// be asked, the page asked for holds the rows of ask, and of want what comes with them. It has the fewest rows at
// least, unless upstream serves only pages that are hardly larger.
func (r *reader) read(ctx context.Context, anchor, fewest int, need, ask, want relay.Rows) (*upstream.Page, error) {
	for range maxSizes {
		opts := r.question()
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

// question is what holds for all that the reader asks.
func (r *reader) question() upstream.ListCallsOptions {
	return upstream.ListCallsOptions{
		List: r.list, NotBefore: r.notBefore, Deadline: r.deadline, Allowance: r.allowance, Refresh: r.refresh,
	}
}

// spanOf is the rows of a page.
func (r *reader) spanOf(page *upstream.Page) span {
	s := spanOf(page)
	s.process = r.process
	return s
}

// provesEnd reports whether the list ends with the page's last row. A page past the end is empty and proves less.
func provesEnd(page *upstream.Page) bool {
	return page.Last() && (len(page.Rows) > 0 || page.Offset() == 0)
}

// maxTries is how often answers may contradict one another before upstream is not believed any more.
const maxTries = 3
