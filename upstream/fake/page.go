package fake

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// view is the list as one response sees it. Its places are counted from the head.
type view struct {
	list  *list
	calls []call            // in the order of the switches, the head last
	rows  []json.RawMessage // after the calls, the first row first
	now   int64
}

// look reads the list and the clock, once each.
func (u *Upstream) look(b *Behaviour) view {
	l, now := u.list.Load(), u.now().UnixMilli()
	return view{list: l, calls: u.order(b, l, now), rows: l.rows, now: now}
}

func (v *view) len() int { return len(v.calls) + len(v.rows) }

// call returns the call at this place.
func (v *view) call(place int) call { return v.calls[len(v.calls)-1-place] }

// respondPage puts the requested page into s.page, or what the switches replace it by.
func (u *Upstream) respondPage(s *scratch, b *Behaviour, q query, n int) (status, rows int) {
	v := u.look(b)
	if b.Lag != nil {
		v.calls = behind(v.calls, v.list, b.Lag(n))
	}
	swap := b.SwapTies && n%2 == 0
	total := u.choose(s, &v, q.statuses, q.from, q.rows, swap)
	if len(s.places) == 0 && q.from > 0 {
		switch b.PastEnd {
		case "":
		case "first":
			u.choose(s, &v, q.statuses, 0, q.rows, swap)
		case "last":
			u.choose(s, &v, q.statuses, max(total-1, 0)/q.rows*q.rows, q.rows, swap)
		case "null":
			s.page = append(s.page[:0], `{"calls":null}`...)
			return http.StatusOK, 0
		default:
			status, _ = strconv.Atoi(b.PastEnd) // Behave accepts no other text
			return s.refuse(status, "page: the list has fewer pages.")
		}
	}
	s.shorten(b, &v, n)
	s.page = append(s.page[:0], `{"calls":[`...)
	rows = u.appendRows(s, &v, b.MaxPageBytes)
	s.page = append(s.page, "]}"...)
	return http.StatusOK, rows
}

// choose puts the places of the rows of a page into s.places: of at most so many rows that pass the filter, beginning
// with number from. Without a filter it looks at no row. With a filter it looks at every call up to the last one of
// the page. total is how many rows pass the filter; with a filter, that is so only if no row was chosen.
func (u *Upstream) choose(s *scratch, v *view, set orderSet, from, rows int, swap bool) (total int) {
	from, rows = min(from, v.len()), min(rows, v.len()) // so that no sum overflows
	// To swap pairs that the page cuts, choose whole pairs first and cut them afterwards.
	first, end := from, from+rows
	if swap {
		first, end = first&^1, (end+1)&^1
	}
	s.places = s.places[:0]
	if set == 0 || len(v.rows) > 0 {
		total = v.len()
		for place := first; place < min(end, total); place++ {
			s.places = append(s.places, place)
		}
	} else {
		for place := 0; place < len(v.calls) && total < end; place++ {
			if !set.has(v.call(place).order(u.seed, v.now)) {
				continue
			}
			if total >= first {
				s.places = append(s.places, place)
			}
			total++
		}
	}
	if swap {
		for i := 1; i < len(s.places); i += 2 {
			s.places[i-1], s.places[i] = s.places[i], s.places[i-1]
		}
		had := len(s.places)
		s.places = append(s.places[:0], s.places[min(from-first, had):min(from-first+rows, had)]...)
	}
	return total
}

// shorten removes rows from the n-th response, as Drop and Short say.
func (s *scratch) shorten(b *Behaviour, v *view, n int) {
	if b.Drop > 0 {
		left := s.places[:0]
		for _, place := range s.places {
			if place >= len(v.calls) || (int(v.call(place).serial)+1)%b.Drop != 0 {
				left = append(left, place)
			}
		}
		s.places = left
	}
	if b.Short != nil {
		rows := len(s.places)
		s.places = s.places[:min(max(b.Short(n, rows), 0), rows)]
	}
}

// appendRows appends the rows at the chosen places to s.page and returns how many it has appended. If most is above 0,
// it stops before the row with which they would have more bytes than that, but not before the first row.
func (u *Upstream) appendRows(s *scratch, v *view, most int) (rows int) {
	size := 0
	for _, place := range s.places {
		before := len(s.page)
		if rows > 0 {
			s.page = append(s.page, ',')
		}
		from := len(s.page)
		if place < len(v.calls) {
			s.page = u.appendRow(s.page, &s.conversation, v.call(place), v.now)
		} else {
			s.page = append(s.page, v.rows[place-len(v.calls)]...)
		}
		if size += len(s.page) - from; most > 0 && size > most && rows > 0 {
			s.page = s.page[:before]
			return rows
		}
		rows++
	}
	return rows
}
