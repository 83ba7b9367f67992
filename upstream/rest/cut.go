package rest

import (
	"bytes"
	"errors"
	"io"

	"revox-graphql/upstream"
)

// A call can be larger than all that is read of a response. Asking for fewer rows then does not help, and where pages
// become too small they cannot be walked any more. So a row of a small page that takes half of what is read is left out
// while the response is read: it keeps its place, as a row that cannot be read, and its neighbours arrive. Memory stays
// bounded by what is read of any response.
//
// This costs nothing where a response is not too large: its text is scanned only where it is.

const (
	// smallestHalved is the rows of the smallest page that is halved when its response is too large. Half of fewer
	// would be less than the 12 rows that a walk needs to find its place again everywhere.
	smallestHalved = 24
	// mostRead is how many times MaxResponseBytes a response may have if rows of it are left out.
	mostRead = 4
)

// readBody reads the response for a page of so many rows. Its error is [upstream.ErrTooLarge], or the reader's.
func readBody(body *bytes.Buffer, from io.Reader, limit int64, rows int) error {
	n, err := body.ReadFrom(io.LimitReader(from, limit+1))
	switch {
	case err != nil || n <= limit:
		return err
	case rows >= smallestHalved:
		return upstream.ErrTooLarge
	}
	c := cutter{kept: body, limit: int(limit), row: -1}
	begun := append([]byte(nil), body.Bytes()...)
	body.Reset()
	if err := c.take(begun); err != nil {
		return err
	}
	chunk := make([]byte, 64<<10)
	for total := n; total <= mostRead*limit; {
		n, err := from.Read(chunk)
		total += int64(n)
		if err := c.take(chunk[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return upstream.ErrTooLarge
}

// cutter keeps a response without its largest rows. A row is any object or list at the third level of the response, as
// the calls of a list are; a response that has no list of calls is rejected anyway.
type cutter struct {
	kept  *bytes.Buffer
	limit int

	depth            int
	quoted, escaped  bool
	row              int // where the row begins that is being read; -1 between rows
	cutting          bool
	largest, largeTo int // the largest row that was kept
}

// take takes the next bytes of the response.
func (c *cutter) take(text []byte) error {
	from := 0 // what is before was taken
	for i, b := range text {
		before := c.depth
		c.step(b)
		switch {
		case before == 2 && c.depth == 3:
			c.row = c.kept.Len() + i - from
		case before == 3 && c.depth == 2 && c.cutting:
			c.cutting, from = false, i+1
			c.row = -1
		case before == 3 && c.depth == 2 && c.row >= 0:
			if to := c.kept.Len() + i + 1 - from; to-c.row > c.largeTo-c.largest {
				c.largest, c.largeTo = c.row, to
			}
			c.row = -1
		}
		if !c.cutting && c.kept.Len()+i+1-from > c.limit {
			_, _ = c.kept.Write(text[from : i+1])
			from = i + 1
			if !c.cut() {
				return upstream.ErrTooLarge
			}
		}
	}
	if !c.cutting {
		_, _ = c.kept.Write(text[from:])
	}
	return nil
}

// step notes what a byte means.
func (c *cutter) step(b byte) {
	switch {
	case c.escaped:
		c.escaped = false
	case c.quoted && b == '\\':
		c.escaped = true
	case b == '"':
		c.quoted = !c.quoted
	case c.quoted:
	case b == '{' || b == '[':
		c.depth++
	case b == '}' || b == ']':
		c.depth--
	}
}

// cut leaves out the largest row, if that takes half of what may be kept.
func (c *cutter) cut() bool {
	text := c.kept.Bytes()
	open := 0
	if c.row >= 0 {
		open = len(text) - c.row
	}
	switch half := c.limit / 2; {
	case open >= half && open >= c.largeTo-c.largest:
		c.kept.Truncate(c.row)
		c.cutting = true
		_, _ = c.kept.WriteString(upstream.OmittedRow)
	case c.largeTo-c.largest >= half:
		rest := append([]byte(upstream.OmittedRow), text[c.largeTo:]...)
		c.kept.Truncate(c.largest)
		_, _ = c.kept.Write(rest)
		if c.row >= 0 {
			c.row -= c.largeTo - c.largest - len(upstream.OmittedRow)
		}
		c.largest, c.largeTo = 0, 0
	default:
		return false
	}
	return true
}
