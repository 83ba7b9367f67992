package pagination_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"revox-graphql/graph/pagination"
	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// calls is an upstream in memory: a list of ids, the newest first.
type calls []string

// ListCalls implements [upstream.Lister].
func (c *calls) ListCalls(_ context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	page := &upstream.Page{Number: opts.Page, Size: opts.PageSize, AskedAt: time.Now()}
	for i := page.Offset(); i < min(len(*c), page.Offset()+page.Size); i++ {
		page.Rows = append(page.Rows, upstream.RowOf(&upstream.Call{ID: (*c)[i]}, 0))
	}
	return page, nil
}

// A client reads three calls, two calls arrive, and the client reads on where it was: no call comes twice.
func Example() {
	ctx, list := context.Background(), &calls{"h", "g", "f", "e", "d", "c", "b", "a"}
	lists := pagination.New(list, pagination.Options{PageSize: 200, MaxShift: 1000, Log: slog.New(slog.DiscardHandler)})
	selection := pagination.Selection{Rows: true, Next: true}
	read := func(after *relay.Cursor) *pagination.Window {
		window, err := lists.Reader(pagination.Request{}).Window(ctx, relay.Range{Count: 3, After: after}, selection)
		if err != nil {
			fmt.Println(err)
		}
		for _, row := range window.Rows() {
			fmt.Print(row.Call.ID, " ")
		}
		fmt.Println("more:", window.HasNext())
		return window
	}

	window := read(nil)
	*list = slices.Insert(*list, 0, "j", "i")
	cursor := window.Cursor(len(window.Rows()) - 1)
	window = read(&cursor)
	fmt.Println("first of them at position", window.Position(0))
	// Output:
	// h g f more: true
	// e d c more: true
	// first of them at position 5
}

// Without a total from upstream, the end of the list is searched for.
func ExampleReader_Count() {
	list := make(calls, 1234)
	for i := range list {
		list[i] = fmt.Sprint("call-", i)
	}
	lists := pagination.New(&list, pagination.Options{PageSize: 200, MaxShift: 1000, Log: slog.New(slog.DiscardHandler)})
	reader := lists.Reader(pagination.Request{})
	total, err := reader.Count(context.Background(), &pagination.Window{})
	fmt.Println(total, err)
	// Output:
	// 1234 <nil>
}
