package filter

// Jumps
//
// Where a list is ordered by time, a range of times is found without reading what lies before it. When a scan has read
// some rows, they are in order, and the range is ahead, the scan looks for the place where the range begins: it guesses
// by how dense the calls were so far, gallops from there in steps that grow, and bisects between the last row that is
// before the range and the first that is not. Each row is requested in a page as small as can be. For P pages that is
// about 1.5·log2(P)+3 requests at the most, and three or four where calls came evenly.
//
// The place is then read in a whole page, whose first rows must still be before the range: the list may have moved. The
// rows that were skipped are not known to be in order. But where a probe, or that page, contradicts the order, the scan
// reads on from where it was, and no range of times ends it any more.

import (
	"context"

	"revox-graphql/graph/pagination"
	"revox-graphql/upstream"
)

// jump looks for the place where the range begins, and goes there. Without such a place it does nothing, and neither
// where the scan is to end at a cursor: that cursor may come before the place.
func (s *scan) jump(ctx context.Context) error {
	s.jumped = true
	parts, ok := s.parts.(*toEnd)
	if !ok {
		return nil
	}
	j := &jump{scan: s, way: 1, from: s.stopped.Position}
	if s.rng.Backward {
		j.way = -1
	}
	found, err := j.search(ctx)
	if err != nil || !found {
		return err
	}
	w, err := s.reader.At(ctx, j.position(j.near), s.rng.Backward)
	if err != nil {
		return err
	}
	if !j.leadsUp(w) {
		return nil
	}
	read, err := parts.resume(w)
	if err == nil && read != nil {
		return s.take(read)
	}
	return err
}

// jump is the search for a place. Distances are rows from where the scan is, along its way.
type jump struct {
	*scan
	way      int // 1 down the list, -1 up
	from     int // the position of the last row that was read
	near     int // the row at this distance is before the range,
	nearTime int64
	far      int // and the row at this one is not, or there is none; 0 is unknown
	farTime  int64
	farKnown bool
}

func (j *jump) position(distance int) int { return max(0, j.from+j.way*distance) }

// search brackets the place to less than a page, and reports whether it has.
func (j *jump) search(ctx context.Context) (bool, error) {
	page := j.reader.PageRows()
	j.nearTime = j.order.farthest
	if j.way < 0 {
		j.far = j.from + 1 // the list begins there
	}
	next, step := j.guess(page), page/2
	galloping, forward := true, true
	for first := true; j.far == 0 || j.far-j.near > page/2; first = false {
		if j.far != 0 && next >= j.far || next <= j.near {
			galloping, next = false, j.near+(j.far-j.near)/2
		}
		if next > maxJump {
			return false, nil
		}
		if ok, err := j.probe(ctx, next); err != nil || !ok {
			return false, err
		}
		isNear := j.near >= next
		switch {
		case !galloping || !first && isNear != forward:
			galloping, next = false, j.near+(j.far-j.near)/2
		case isNear:
			next, step, forward = next+step, 4*step, true
		default:
			next, step, forward = next-step, 4*step, false
		}
	}
	return j.near > 0, nil
}

// guess is where the range begins if calls came as densely as in the rows that were read.
func (j *jump) guess(page int) int {
	took := j.order.farthest - j.order.nearest
	if took <= 0 {
		return page
	}
	rows := float64(j.order.begin-j.order.farthest) / float64(took) * float64(j.Examined)
	return max(page/2, int(min(rows, maxJump)))
}

// maxJump is farther than any list is long.
const maxJump = 1 << 30

// probe looks at some rows, and reports whether they show where the range is. Rows that are out of order do not, and
// are noted.
func (j *jump) probe(ctx context.Context, distance int) (shown bool, err error) {
	const tries = 3 // none of a few calls may have started
	for try := range tries {
		rows, err := j.reader.Sample(ctx, j.position(distance+2*try*upstream.ProbeRows))
		if err != nil {
			return false, err
		}
		if len(rows) == 0 {
			j.far, j.farKnown = distance, false
			return j.way > 0, nil // up the list there is always a row
		}
		if shown = j.judge(distance, rows); shown || j.order.broken {
			break
		}
	}
	return shown, nil
}

// judge takes rows at a distance into account, and reports whether they show where the range is.
func (j *jump) judge(distance int, rows []upstream.Row) (shown bool) {
	margin, beforeRange, last := j.order.margin(), true, int64(0)
	for _, row := range rows {
		if row.Started == 0 {
			continue
		}
		at := j.order.along(row.Started)
		if at+margin < j.nearTime || j.farKnown && at-margin > j.farTime {
			j.order.broken = true
			return false
		}
		shown, last, beforeRange = true, at, beforeRange && at+margin < j.order.begin
	}
	switch {
	case !shown:
	case beforeRange:
		j.near, j.nearTime = distance, last
	default:
		j.far, j.farTime, j.farKnown = distance, last, true
	}
	return shown
}

// leadsUp reports whether a window begins with rows that are before the range. Rows that are out of order do not count,
// and are noted.
func (j *jump) leadsUp(w *pagination.Window) bool {
	rows, seen, margin := w.Rows(), newOrder(j.order.down, always), j.order.margin()
	for k := range rows {
		row := rows[k]
		if j.way < 0 {
			row = rows[len(rows)-1-k]
		}
		if row.Started == 0 {
			continue
		}
		seen.see(row.Started)
		if at := seen.farthest; seen.known == 1 && (at+margin >= j.order.begin || at < j.order.farthest) {
			return false // the list has moved
		}
	}
	if seen.noise > margin {
		j.order.broken = true
		return false
	}
	return seen.known > 0
}
