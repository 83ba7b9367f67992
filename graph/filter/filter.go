// Package filter finds the calls that pass a client's filter.
//
// [Compile] checks the input (input.go) and turns it into a [Filter] (compile.go), once for each request.
// [Filter.Match] reads the index of a call in its page (filter.go, value.go): it compares enumerations, numbers and
// times as they are, and reads the text of a transcript only if the filter has a condition on it. Cheap conditions come
// first.
//
// [Filter.Read] reads a page of a list, [Filter.Count] counts the matches, and [Filter.Each] visits them: the essay in
// scan.go says how. parts.go reads the list part by part, order.go checks the order by time, jump.go skips the rows
// before a range of times, and held.go counts the pages that a scan uses.
package filter

import (
	"math"
	"slices"
	"time"

	"revox-graphql/internal/textmatch"
	"revox-graphql/upstream"
)

// Filter is a compiled filter. It must not be used concurrently.
type Filter struct {
	root conditions
	// times are those at which a call that passes can have started. Unless they are always, a call of which that is not
	// known does not pass.
	times  interval
	folder *textmatch.Folder
}

// Match reports whether a call passes.
func (f *Filter) Match(call *upstream.Call) bool { return f.root.hold(f.folder, call) }

// interval is the milliseconds [from, before) since 1970.
type interval struct{ from, before int64 }

// always is the interval of a filter that asks for no time.
var always = interval{math.MinInt64, math.MaxInt64}

// condition is one condition on a call.
type condition struct {
	price price
	holds func(folder *textmatch.Folder, call *upstream.Call) bool
}

// price orders conditions by the time that they take.
type price uint8

const (
	byIndex  price = iota // nanoseconds
	byField               // a short text is read
	byEntry               // each entry of the transcript is looked at
	byOutput              // the structured output is read
	byText                // the transcript is read
)

// conditions are such that all must hold.
type conditions []condition

func (all conditions) hold(folder *textmatch.Folder, call *upstream.Call) bool {
	for i := range all {
		if !all[i].holds(folder, call) {
			return false
		}
	}
	return true
}

// sort puts the cheap conditions first.
func (all conditions) sort() {
	slices.SortStableFunc(all, func(a, b condition) int { return int(a.price) - int(b.price) })
}

// price is that of the most expensive condition.
func (all conditions) price() price {
	var most price
	for i := range all {
		most = max(most, all[i].price)
	}
	return most
}

// anyOf holds where all conditions of one of the lists do.
func anyOf(lists []conditions) condition {
	var most price
	for _, list := range lists {
		most = max(most, list.price())
	}
	slices.SortStableFunc(lists, func(a, b conditions) int { return int(a.price()) - int(b.price()) })
	return condition{most, func(folder *textmatch.Folder, call *upstream.Call) bool {
		for _, list := range lists {
			if list.hold(folder, call) {
				return true
			}
		}
		return false
	}}
}

// not holds where one of the conditions does not.
func not(all conditions) condition {
	return condition{all.price(), func(folder *textmatch.Folder, call *upstream.Call) bool {
		return !all.hold(folder, call)
	}}
}

// startedAt holds for a call that started at one of the times.
func startedAt(times interval) condition {
	return condition{byIndex, func(_ *textmatch.Folder, call *upstream.Call) bool {
		at, ok := call.Moment(upstream.FieldStartedAt)
		return ok && at >= times.from && at < times.before
	}}
}

// lasted holds for a call whose duration in seconds is in a range.
func lasted(shortest, longest float64) condition {
	return condition{byIndex, func(_ *textmatch.Folder, call *upstream.Call) bool {
		ms, ok := call.Milliseconds(upstream.FieldAnsweredAt, upstream.FieldEndedAt)
		seconds := float64(ms) / float64(time.Second/time.Millisecond)
		return ok && seconds >= shortest && seconds <= longest
	}}
}

// oneOf holds for a call with one of the values of an enumeration, which are few.
func oneOf[E ~uint8](values []E, of func(*upstream.Call) E) condition {
	var set uint64
	for _, value := range values {
		set |= 1 << value
	}
	return condition{byIndex, func(_ *textmatch.Folder, call *upstream.Call) bool {
		return set>>of(call)&1 == 1
	}}
}

// hasText holds for a call whose field is a text that passes.
func hasText(field upstream.Field, passes func(text string) bool) condition {
	return condition{byField, func(_ *textmatch.Folder, call *upstream.Call) bool {
		value := call.JSON(field)
		return value[0] == '"' && passes(upstream.Unquote(value))
	}}
}

// said holds for a call in whose transcript one of the roles has said the text; without roles, anyone.
func said(pattern textmatch.Pattern, roles []upstream.TranscriptRole) condition {
	var set uint64
	for _, role := range roles {
		set |= 1 << role
	}
	return condition{byText, func(folder *textmatch.Folder, call *upstream.Call) bool {
		n, _ := call.TranscriptLen()
		for i := range n {
			entry := call.Entry(i)
			if set != 0 && set>>entry.Role()&1 == 0 {
				continue
			}
			if pattern.In(folder.JSON(entry.Content())) {
				return true
			}
		}
		return false
	}}
}

// usedTool holds for a call with an entry of a tool that has the name and has failed or not, as far as these are asked
// for.
func usedTool(name *string, failed *bool) condition {
	return condition{byEntry, func(_ *textmatch.Folder, call *upstream.Call) bool {
		n, _ := call.TranscriptLen()
		for i := range n {
			entry := call.Entry(i)
			if entry.Role() != upstream.TranscriptRoleTool {
				continue
			}
			if name != nil {
				if value := entry.ToolName(); value[0] != '"' || upstream.Unquote(value) != *name {
					continue
				}
			}
			if failed != nil && entry.ToolIsError() != map[bool]string{false: "false", true: "true"}[*failed] {
				continue
			}
			return true
		}
		return false
	}}
}

// hasValue holds for a call whose structured output has a value at the path that passes.
func hasValue(path []string, passes func(value string) bool) condition {
	return condition{byOutput, func(_ *textmatch.Folder, call *upstream.Call) bool {
		value, ok := upstream.ValueAt(call.JSON(upstream.FieldStructuredOutput), path)
		return ok && value != "null" && passes(value)
	}}
}
