package pagecache_test

import (
	"context"
	"fmt"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/pagecache"
)

// source is a list without end.
type source struct{}

func (source) ListCalls(_ context.Context, opts upstream.ListCallsOptions) (*upstream.Page, error) {
	fmt.Println("upstream is asked for page", opts.Page)
	return &upstream.Page{
		Number: opts.Page, Size: opts.PageSize, Rows: make([]upstream.Row, opts.PageSize), AskedAt: time.Now(),
	}, nil
}

// A page in memory serves each request for rows that it covers, whatever page size the request has.
func Example() {
	cache := pagecache.New(source{}, pagecache.Options{TTL: time.Minute, MaxBytes: 1 << 20})
	defer cache.Close()
	for _, request := range []upstream.ListCallsOptions{
		{Page: 0, PageSize: 200}, // rows 0 to 199
		{Page: 3, PageSize: 20},  // rows 60 to 79
		{Page: 19, PageSize: 10}, // rows 190 to 199
		{Page: 20, PageSize: 10}, // rows 200 to 209
	} {
		page, err := cache.ListCalls(context.Background(), request)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("rows from", request.Page*request.PageSize, "are in the page from row", page.Offset())
	}
	stats := cache.Stats()
	fmt.Println(stats.Hits, "hits,", stats.Misses, "misses")
	// Output:
	// upstream is asked for page 0
	// rows from 0 are in the page from row 0
	// rows from 60 are in the page from row 0
	// rows from 190 are in the page from row 0
	// upstream is asked for page 20
	// rows from 200 are in the page from row 200
	// 2 hits, 2 misses
}
