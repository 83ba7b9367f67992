package relay_test

import (
	"errors"
	"fmt"
	"time"

	"revox-graphql/graph/relay"
)

// A cursor is an opaque text to clients. It holds the call's position, and hashes of its id and of its neighbours' ids.
func ExampleCursor() {
	cursor := relay.Cursor{
		Position: 41,
		Since:    time.Date(2026, time.March, 14, 9, 26, 53, 0, time.UTC),
		Element:  relay.NewHash("call-41"),
		Before:   []relay.Hash{relay.NewHash("call-40"), relay.NewHash("call-39")},
		After:    []relay.Hash{relay.NewHash("call-42")},
	}
	text := cursor.String()
	fmt.Println(text)

	parsed, err := relay.ParseCursor(text)
	fmt.Println(parsed.Position, parsed.Element == relay.NewHash("call-41"), err)

	_, err = relay.ParseCursor("no cursor")
	fmt.Println(errors.Is(err, relay.ErrInvalidCursor))
	// Output:
	// AgApgMTph6Hhqs4YAAAAACEGmdCszbsFmdCszAgGmdDBX5wHmdCsz26UL9W8
	// 41 true <nil>
	// true
}

// The arguments of a connection become a range; a wrong one becomes an error for the client.
func ExampleNewRange() {
	const unfiltered, maxCount = 0, 100
	rng, err := relay.NewRange(relay.Arguments{Last: new(10)}, unfiltered, maxCount)
	fmt.Println(rng.Count, rng.Backward, err)

	_, err = relay.NewRange(relay.Arguments{First: new(500)}, unfiltered, maxCount)
	fmt.Println(err)
	// Output:
	// 10 true <nil>
	// `first` is 500, and may be at most 100.
}

// Of all pages with at most 200 rows, page 15 of 26 rows is the smallest that has the rows 395 to 415.
func ExampleCover() {
	rows := relay.Rows{From: 395, To: 416}
	number, size := relay.Cover(395, rows, rows, relay.Sizes{Least: 1, Most: 200})
	fmt.Printf("page %d of %d rows: rows %d to %d\n", number, size, number*size, (number+1)*size-1)
	// Output:
	// page 15 of 26 rows: rows 390 to 415
}
