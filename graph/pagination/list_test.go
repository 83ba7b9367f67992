package pagination

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"revox-graphql/upstream"
)

// memoryList is a list in memory behind the upstream interface: each response is a snapshot, and hook may move the list
// between two responses.
type memoryList struct {
	ids      []string
	requests int
	rows     int // rows served
	hook     func(request int)
}

func newMemoryList(n int) *memoryList {
	l := &memoryList{}
	for i := range n {
		l.ids = append(l.ids, "call-"+strconv.Itoa(i))
	}
	return l
}

func (l *memoryList) ListCalls(_ context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	l.requests++
	if l.hook != nil {
		l.hook(l.requests)
	}
	page := &upstream.Page{Number: opts.Page, Size: opts.PageSize, AskedAt: time.Now()}
	for i := page.Offset(); i < min(len(l.ids), page.Offset()+page.Size); i++ {
		if l.ids[i] == "" {
			page.Rows = append(page.Rows, upstream.Row{Problem: "it has no id"})
		} else {
			page.Rows = append(page.Rows, upstream.RowOf(&upstream.Call{ID: l.ids[i]}, 0))
		}
	}
	l.rows += len(page.Rows)
	return page, nil
}

func (*memoryList) FindCall(upstream.Tenant, string, time.Time) (*upstream.Call, *upstream.Page) {
	return nil, nil
}

func (l *memoryList) insert(ids ...string) { l.ids = slices.Insert(l.ids, 0, ids...) }

func (l *memoryList) remove(from, to int) { l.ids = slices.Delete(l.ids, from, to) }

// newLists reads through an upstream, in pages of at most so many rows, and follows shifts up to the bound.
func newLists(calls upstream.Lister, pageSize, bound int) *Lists {
	return New(calls, Options{PageSize: pageSize, MaxShift: bound, Log: slog.New(slog.DiscardHandler)})
}

// reader reads the list in responses of at most 200 rows.
func (l *memoryList) reader() *Reader {
	return newLists(l, 200, 1000).of(upstream.List{}, time.Time{})
}

// ids are the ids of a window's rows, "" for an unreadable one.
func (w *Window) ids() []string {
	ids := []string{}
	for _, row := range w.rows[w.from:w.to] {
		if row.Call == nil {
			ids = append(ids, "")
		} else {
			ids = append(ids, row.Call.ID)
		}
	}
	return ids
}
