// Package relay is the arithmetic of Relay connections over numbered pages: it checks arguments, encodes and decodes
// cursors, and chooses the page that holds a range of rows. It has no I/O and does not depend on calls.
package relay

import "fmt"

// Arguments are a connection field's arguments as the client sent them.
type Arguments struct {
	First  *int
	After  *string
	Last   *int
	Before *string
}

// Range is the range of the arguments: Count elements from one end of those between the cursors.
type Range struct {
	// Count of elements, 0 to the maximum.
	Count int
	// Backward counts from the end (`last`), not from the start (`first`). The order of elements is the same.
	Backward bool
	// After and Before are nil where there is no bound.
	After, Before *Cursor
}

// ArgumentError describes a wrong argument, in words for the client.
type ArgumentError struct {
	Argument string
	Message  string
}

func (e *ArgumentError) Error() string { return e.Message }

// DefaultCount is how many elements are returned when neither `first` nor `last` is given.
const DefaultCount = 20

// NewRange checks the arguments of a connection to the list with the given tag (see [Cursor.List]). maxCount is the
// largest `first` or `last`. It returns an [*ArgumentError] for a wrong count, and [ErrInvalidCursor] for a cursor of
// another list or a malformed one.
func NewRange(args Arguments, list uint16, maxCount int) (Range, error) {
	r := Range{Count: min(DefaultCount, maxCount)}
	if err := CheckCounts(args.First, args.Last); err != nil {
		return r, err
	}
	name, count := "first", args.First
	if args.Last != nil {
		name, count, r.Backward = "last", args.Last, true
	}
	if count != nil {
		if r.Count = *count; r.Count > maxCount {
			return r, &ArgumentError{name, fmt.Sprintf("`%s` is %d, and may be at most %d.", name, r.Count, maxCount)}
		}
	}
	var err error
	if r.After, err = parseBound(args.After, list); err != nil {
		return r, err
	}
	r.Before, err = parseBound(args.Before, list)
	return r, err
}

// CheckCounts returns an [*ArgumentError] if `first` or `last` is below 0, or both are given.
func CheckCounts(first, last *int) error {
	switch {
	case first != nil && *first < 0:
		return &ArgumentError{"first", fmt.Sprintf("`first` is %d, and must not be negative.", *first)}
	case last != nil && *last < 0:
		return &ArgumentError{"last", fmt.Sprintf("`last` is %d, and must not be negative.", *last)}
	case first != nil && last != nil:
		return &ArgumentError{"last", "`first` and `last` cannot be combined: give one of them."}
	}
	return nil
}

// parseBound takes an empty text for no cursor: Apollo Client turns a null `endCursor` into "".
func parseBound(text *string, list uint16) (*Cursor, error) {
	if text == nil || *text == "" {
		return nil, nil
	}
	c, err := ParseCursor(*text)
	if err != nil {
		return nil, err
	}
	if c.List != list {
		return nil, ErrInvalidCursor
	}
	return &c, nil
}

// Rows are the positions [From, To) of a list.
type Rows struct{ From, To int }

// In returns how many of the rows the page [from, to) has.
func (r Rows) In(from, to int) int { return min(r.To, to) - max(r.From, from) }

// Sizes bound the rows of a page: Least is at least 1, and Most at least Least.
type Sizes struct{ Least, Most int }

// largestSpare is how many rows more than it needs a page may have at most, for the sake of rows that are only wanted.
// It may have a tenth more.
const largestSpare = 6

// Cover returns the page, as its number from 0 and its size, that holds the row anchor and as many of the needed rows
// as a page can; among several, the smallest. Then it takes a page that is a little larger if that holds more of the
// rows that are only wanted. The needed rows are among those wanted, and the anchor is not before them.
//
// Numbered pages begin at multiples of their size, so a range seldom fits a page of its own length. A little longer
// fits nearly always: over a list of 20,000 rows, ranges of 20 to 100 rows take pages of 1.5 to 1.2 times their length.
//
// Two rows that follow one another, n and n+1, share no page at all where every size up to the largest divides n+1.
// With 20 rows at most the first such row is beyond 200 million; with 10, it is row 2,519.
func Cover(anchor int, need, want Rows, sizes Sizes) (number, size int) {
	best := -1
	for s := sizes.Least; s <= sizes.Most && best < need.To-need.From; s++ {
		n := anchor / s
		if rows := need.In(n*s, (n+1)*s); rows > best {
			best, number, size = rows, n, s
		}
	}
	wanted := want.In(number*size, (number+1)*size)
	for s, most := size+1, min(sizes.Most, size+min(size/10, largestSpare)); s <= most && wanted < want.To-want.From; s++ {
		n := anchor / s
		if rows := want.In(n*s, (n+1)*s); rows > wanted && need.In(n*s, (n+1)*s) >= best {
			wanted, number, size = rows, n, s
		}
	}
	return number, size
}

// Below returns the page, as its number from 0 and its size, that continues a page which ends before the row edge: it
// holds the last overlap rows before edge, and reaches as far below them as a page can. Of several it is the smallest.
// The size is 0 where no page does both.
//
// Chosen one after another, such pages cover a list with nearly as few requests as there are: with two rows of overlap,
// 20,000 rows take 110 pages of at most 200 rows. No other choice takes fewer: a page that reaches farther can be
// continued by every page that continues a nearer one.
func Below(edge, overlap int, sizes Sizes) (number, size int) {
	from, farthest := max(0, edge-overlap), edge
	for s := sizes.Least; s <= sizes.Most; s++ {
		if n := from / s; (n+1)*s > farthest {
			farthest, number, size = (n+1)*s, n, s
		}
	}
	return number, size
}

// Above is [Below] upwards: the page holds the overlap rows from the row edge on, and reaches as far above them as a
// page can.
func Above(edge, overlap int, sizes Sizes) (number, size int) {
	to, farthest := edge+overlap, edge
	for s := sizes.Least; s <= sizes.Most; s++ {
		if n := (to - 1) / s; to > 0 && n*s < farthest {
			farthest, number, size = n*s, n, s
		}
	}
	return number, size
}
