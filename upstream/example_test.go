package upstream_test

import (
	"context"
	"fmt"
	"time"

	"revox-graphql/upstream"
)

// A page is an index of the response's text. Times are RFC 3339 whatever upstream sends, and a field that this package
// does not know is kept in FieldExtra.
func ExampleParsePage() {
	body := []byte(`{"calls": [
		{"id": "c-2", "status": "ongoing", "started_at": "2026-03-14 09:26:53.1+00", "mood": "curious"},
		{"status": "completed"},
		{"id": "c-1", "status": "completed", "transcript": [{"role": "user", "content": "Hello?"}]}
	]}`)
	page, unknown, err := upstream.ParsePage(context.Background(), body, 20)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range page.Rows {
		if row.Call == nil {
			fmt.Println("a row that cannot be read:", row.Problem)
			continue
		}
		entries, _ := row.Call.TranscriptLen()
		fmt.Println(row.Call.ID, row.Call.JSON(upstream.FieldStartedAt), entries, row.Call.JSON(upstream.FieldExtra))
	}
	fmt.Println("unrecognized:", unknown[0].Field)
	// Output:
	// c-2 "2026-03-14T09:26:53.100Z" 0 {"mood":"curious"}
	// a row that cannot be read: it has no id
	// c-1 null 1 null
	// unrecognized: mood
}

// A page covers a range of rows if it has them all, or if the list ends in it.
func ExamplePage_Covers() {
	page := &upstream.Page{Number: 2, Size: 10, Rows: make([]upstream.Row, 10)}
	fmt.Println(page.Offset(), page.End(), page.Covers(20, 30), page.Covers(25, 35))
	page.Rows = page.Rows[:7] // fewer than were requested: the list ends here
	fmt.Println(page.Offset(), page.End(), page.Covers(20, 30), page.Covers(25, 35))
	// Output:
	// 20 30 true false
	// 20 27 true true
}

// One field of a request has two requests to upstream free, and is charged for each other one; all of them count in the
// budget of the request.
func ExampleRequestBudget() {
	whole := upstream.NewRequestBudget(4)
	field := whole.Charging(2, func() (retryAfter time.Duration) {
		fmt.Println("charged")
		return 0
	})
	for range 5 {
		if err := field.Take(); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(whole.Used())
	// Output:
	// charged
	// charged
	// this took 4 requests to upstream, and may take no more
	// 4
}
