// Package stats counts calls: by keys and by steps of time, with how long they lasted.
//
// [Compile] checks what a client asks for, [Tally.Add] counts a call, and [Tally.Groups] returns what was counted.
// Sums, averages and maxima are exact. Percentiles come from a sketch (DDSketch), whose error is 1 % of the value at
// most, whatever the durations are, in a few kilobytes for each group. To keep all durations would take more.
package stats

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a container may have no zones

	"github.com/DataDog/sketches-go/ddsketch"

	"revox-graphql/graph/filter"
	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// MaxGroups is the most groups that calls are counted in.
const MaxGroups = 1000

// Accuracy is the relative error of percentiles, at most.
const Accuracy = 0.01

// Key is a field of a call by which calls are grouped.
type Key uint8

// The keys; 0 is none.
const (
	KeyStatus Key = iota + 1
	KeyResult
	KeyDialError
	KeyEndedBy
	KeyEndReason
)

// Step is a step of time.
type Step uint8

// The steps; 0 is none.
const (
	StepHour Step = iota + 1
	StepDay
	StepWeek // from Monday
	StepMonth
)

// TooManyGroupsError says that calls fall in more than [MaxGroups] groups.
type TooManyGroupsError struct{}

func (*TooManyGroupsError) Error() string { return fmt.Sprintf("more than %d groups", MaxGroups) }

// Tally counts calls. It must not be used concurrently.
type Tally struct {
	Count int

	keys   [KeyEndReason + 1]bool
	step   Step
	zone   *time.Location
	groups map[key]*group
}

// Compile checks the arguments of `callStats`. The error is a [*relay.ArgumentError].
func Compile(groupBy []Key, every *Step, timeZone *string) (*Tally, error) {
	t := &Tally{zone: time.UTC, groups: map[key]*group{}}
	for _, by := range groupBy {
		if by == 0 { // what the generated code makes of a name that it does not know
			return nil, &relay.ArgumentError{Argument: "groupBy", Message: "`groupBy` has a value that is not a `CallStatsKey`."}
		}
		t.keys[by] = true
	}
	if every != nil {
		if t.step = *every; t.step == 0 {
			return nil, &relay.ArgumentError{Argument: "every", Message: "`every` is not a `TimeStep`."}
		}
	}
	if timeZone != nil {
		zone, err := time.LoadLocation(*timeZone)
		if err != nil || *timeZone == "" || *timeZone == "Local" {
			const message = "`timeZone` is not the name of an IANA time zone, such as Europe/Paris."
			return nil, &relay.ArgumentError{Argument: "timeZone", Message: message}
		}
		t.zone = zone
	}
	if !slices.Contains(t.keys[:], true) && t.step == 0 {
		t.groups[key{}] = &group{} // all calls are one group, also if there is none
	}
	return t, nil
}

// key has the values that the calls of a group have in common.
type key struct {
	from      int64 // the start of the step, in seconds since 1970; 0 for calls that have not started
	status    upstream.CallStatus
	result    upstream.CallResult
	dialError upstream.DialError
	endedBy   upstream.CallEndedBy
	endReason string // as JSON
}

// group has the counts of the calls with a key.
type group struct {
	count, answered int
	durations       int // calls that have one
	total, longest  int64
	sketch          *ddsketch.DDSketch // of the durations in milliseconds; nil without any
}

// Add counts a call. The error is a [*TooManyGroupsError].
func (t *Tally) Add(call *upstream.Call) error {
	at := t.keyOf(call)
	g := t.groups[at]
	if g == nil {
		if len(t.groups) == MaxGroups {
			return &TooManyGroupsError{}
		}
		g = &group{}
		at.endReason = strings.Clone(at.endReason) // which is a part of a page that need not stay in memory
		t.groups[at] = g
	}
	t.Count++
	return g.add(call)
}

func (t *Tally) keyOf(call *upstream.Call) key {
	var k key
	if started, ok := call.Moment(upstream.FieldStartedAt); ok && t.step != 0 {
		k.from = t.start(time.UnixMilli(started)).Unix()
	}
	if t.keys[KeyStatus] {
		k.status = call.Status
	}
	if t.keys[KeyResult] {
		k.result = call.Result
	}
	if t.keys[KeyDialError] {
		k.dialError = call.DialError
	}
	if t.keys[KeyEndedBy] {
		k.endedBy = call.EndedBy
	}
	if t.keys[KeyEndReason] {
		k.endReason = call.JSON(upstream.FieldEndReason)
	}
	return k
}

// start is the start of the step that a moment is in, by the clocks of the zone.
func (t *Tally) start(at time.Time) time.Time {
	at = at.In(t.zone)
	year, month, day := at.Date()
	switch t.step {
	case StepHour: // an hour that comes twice, when the clocks are put back, is two steps
		return at.Add(-time.Duration(at.Minute())*time.Minute - time.Duration(at.Second())*time.Second)
	case StepWeek:
		day -= (int(at.Weekday()) + 6) % 7
	case StepMonth:
		day = 1
	}
	start := time.Date(year, month, day, 0, 0, 0, 0, t.zone)
	if start.Hour() != 0 { // the clocks are put forward at midnight, and the day begins an hour later
		start = time.Date(year, month, day, 1, 0, 0, 0, t.zone)
	}
	return firstOf(start)
}

// firstOf returns the first moment that the clocks show as they do at a moment: midnight comes twice where the clocks
// are put back to it or beyond, and [time.Date] may return the second one.
func firstOf(at time.Time) time.Time {
	changed, _ := at.ZoneBounds()
	if changed.IsZero() {
		return at
	}
	_, before := changed.Add(-1).Zone()
	_, after := at.Zone()
	if first := at.Add(time.Duration(after-before) * time.Second); first.Before(changed) && first.Before(at) {
		return first
	}
	return at
}

func (g *group) add(call *upstream.Call) error {
	g.count++
	if _, ok := call.Moment(upstream.FieldAnsweredAt); ok {
		g.answered++
	}
	ms, ok := call.Milliseconds(upstream.FieldAnsweredAt, upstream.FieldEndedAt)
	if !ok {
		return nil
	}
	if g.sketch == nil {
		sketch, err := ddsketch.NewDefaultDDSketch(Accuracy)
		if err != nil {
			return err
		}
		g.sketch, g.longest = sketch, math.MinInt64
	}
	g.durations++
	g.total += ms
	g.longest = max(g.longest, ms)
	return g.sketch.Add(float64(ms))
}

// Stats has the counts, in the types of the schema.
type Stats struct {
	Count  int
	Groups []*Group
	Scan   *filter.Report
}

// Group is a group of calls.
type Group struct {
	From            *string
	Status          *upstream.CallStatus
	Result          *upstream.CallResult
	DialError       *upstream.DialError
	EndedBy         *upstream.CallEndedBy
	EndReason       *string
	Count, Answered int
	DurationSeconds *Durations
}

// Durations say how long calls lasted, in seconds. All but Total are nil if no call has a duration.
type Durations struct {
	Total                  float64
	Average, P50, P90, Max *float64
}

// Groups are the groups that were found, in the order of time, and of the keys.
func (t *Tally) Groups() ([]*Group, error) {
	keys := slices.SortedFunc(maps.Keys(t.groups), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.status, b.status), cmp.Compare(a.result, b.result),
			cmp.Compare(a.dialError, b.dialError), cmp.Compare(a.endedBy, b.endedBy), cmp.Compare(a.endReason, b.endReason))
	})
	groups := make([]*Group, len(keys))
	for i, k := range keys {
		g := t.groups[k]
		durations, err := g.durationStats()
		if err != nil {
			return nil, err
		}
		groups[i] = &Group{
			Status: known(k.status), Result: known(k.result), DialError: known(k.dialError), EndedBy: known(k.endedBy),
			Count: g.count, Answered: g.answered, DurationSeconds: durations,
		}
		if k.from != 0 {
			groups[i].From = new(time.Unix(k.from, 0).UTC().Format(time.RFC3339))
		}
		if k.endReason != "" && k.endReason != "null" {
			groups[i].EndReason = new(upstream.Unquote(k.endReason))
		}
	}
	return groups, nil
}

// known is nil for the value of an enumeration that stands for none.
func known[E ~uint8](value E) *E {
	if value == 0 {
		return nil
	}
	return &value
}

func (g *group) durationStats() (*Durations, error) {
	d := &Durations{Total: seconds(float64(g.total))}
	if g.sketch == nil {
		return d, nil
	}
	percentiles, err := g.sketch.GetValuesAtQuantiles([]float64{0.5, 0.9})
	if err != nil {
		return nil, err
	}
	longest := float64(g.longest)
	for i := range percentiles { // the sketch may go beyond the longest, by its error
		percentiles[i] = min(math.Round(percentiles[i]), longest)
	}
	d.Average = new(seconds(float64(g.total) / float64(g.durations)))
	d.P50, d.P90, d.Max = new(seconds(percentiles[0])), new(seconds(percentiles[1])), new(seconds(longest))
	return d, nil
}

// seconds are milliseconds as seconds.
func seconds(ms float64) float64 { return ms / 1000 }
