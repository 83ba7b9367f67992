package filter

import (
	"math"
	"slices"
)

// order is what a scan has seen of the order by time. A time is counted along the way of the scan: up the list it is
// the time itself, in milliseconds since 1970, and down the list its negative, so that it grows either way.
//
// A list may be ordered by a time that it does not show, such as the moment when a call was created, so rows may be a
// little out of order. The rows that were read show by how much. A range has been passed only where the latest rows are
// all beyond it by a multiple of that. Where some row is far out of order, or the list is ordered by something else,
// that is never the case, and the scan continues to the end. Rows of which the time is not known count neither way:
// they cannot be in the range.
type order struct {
	down       bool
	begin, end int64 // the times along the way that are in the range: [begin, end)

	broken            bool // rows elsewhere were seen to be out of order
	known             int  // rows that have a time
	nearest, farthest int64
	noise             int64             // by how much a row came too late, at most
	latest            [beyondRows]int64 // the times of the last rows
}

const (
	// beyondRows is how many rows that follow one another must be beyond a range of times.
	beyondRows = 16
	// noiseFactor is how many times farther than any row that was seen another one may be out of order.
	noiseFactor = 4
	// noiseShare is what part of the time that was read the noise may be, at most, where the order is taken to hold.
	noiseShare = 8
)

// newOrder expects an order down the list or up, for a range of times.
func newOrder(down bool, times interval) order {
	o := order{down: down, begin: times.from, end: times.before}
	if down {
		o.begin, o.end = math.MinInt64, math.MaxInt64
		if times.before != math.MaxInt64 {
			o.begin = 1 - times.before
		}
		if times.from != math.MinInt64 {
			o.end = 1 - times.from
		}
	}
	return o
}

// along is when a call started, along the way.
func (o *order) along(started int64) int64 {
	if o.down {
		return -started
	}
	return started
}

// see takes the next row that has a time into account.
func (o *order) see(started int64) {
	at := o.along(started)
	if o.known == 0 {
		o.nearest, o.farthest = at, at
	}
	o.noise = max(o.noise, o.farthest-at)
	o.nearest, o.farthest = min(o.nearest, at), max(o.farthest, at)
	o.latest[o.known%beyondRows] = at
	o.known++
}

// holds reports whether the rows that were read are in order, but for little.
func (o *order) holds() bool {
	return !o.broken && o.known >= beyondRows && noiseShare*o.noise <= o.farthest-o.nearest
}

// margin is by how much a row may be out of order that was not read.
func (o *order) margin() int64 { return noiseFactor * o.noise }

// rangePassed reports whether all rows that follow are beyond the range, by the order of those that were read.
func (o *order) rangePassed() bool {
	return o.end != math.MaxInt64 && o.holds() && slices.Min(o.latest[:])-o.margin() >= o.end
}

// rangeAhead reports whether the range is still ahead: none of it is among the rows that were read, or near to them.
func (o *order) rangeAhead() bool {
	return o.begin != math.MinInt64 && o.holds() && o.farthest+o.margin() < o.begin
}
