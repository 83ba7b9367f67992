package filter

import (
	"math"
	"slices"
)

// order is what a scan has seen of the order by time. Times are counted in its direction: down the list they become
// earlier, up the list later.
//
// A list may be ordered by a time that it does not show, such as the moment when a call was created, so single rows may
// be a little out of order. The rows that were read show by how much. A range has been passed only where the latest
// rows are all beyond it by a multiple of that. Where some row is far out of order, or the list is ordered by something
// else, that is never the case, and the scan goes on to the end.
type order struct {
	down  bool
	times interval

	known    int               // rows that have a time
	farthest int64             // the time that is farthest in the direction of the scan
	nearest  int64             // and the one that is nearest
	noise    int64             // by how much a row came too late, at most
	latest   [beyondRows]int64 // the times of the last rows
}

const (
	// beyondRows is how many rows that follow one another must be beyond a range of times.
	beyondRows = 16
	// noiseFactor is how many times farther than any row that was seen a row may be out of order.
	noiseFactor = 4
	// noiseShare is what part of the time that was read the noise may be, at most, where the order is taken to hold.
	noiseShare = 8
)

// along is a time in the direction of the scan: it grows.
func (o *order) along(started int64) int64 {
	if o.down {
		return -started
	}
	return started
}

// see takes the time of a row into account.
func (o *order) see(started int64) {
	at := o.along(started)
	if o.known == 0 {
		o.farthest, o.nearest = at, at
	}
	o.noise = max(o.noise, o.farthest-at)
	o.farthest, o.nearest = max(o.farthest, at), min(o.nearest, at)
	o.latest[o.known%beyondRows] = at
	o.known++
}

// holds reports whether the rows that were read are in order, but for little.
func (o *order) holds() bool {
	return o.known >= beyondRows && noiseShare*o.noise <= o.farthest-o.nearest
}

// passed reports whether all rows that follow are beyond the range of times, by the order of those that were read.
func (o *order) passed() bool {
	end := o.times.before // the first time beyond, up the list
	if o.down {
		end = o.times.from
	}
	if end == math.MinInt64 || end == math.MaxInt64 || !o.holds() {
		return false
	}
	latest, margin := slices.Min(o.latest[:]), noiseFactor*o.noise
	if o.down {
		return latest-margin > -end // times before from
	}
	return latest-margin >= end
}
