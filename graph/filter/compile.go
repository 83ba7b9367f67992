package filter

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/internal/textmatch"
	"revox-graphql/upstream"
)

// The bounds of a filter. What is beyond them is an error of the client.
const (
	// MaxDepth is how deep `anyOf` and `not` may be nested.
	MaxDepth = 3
	// MaxConditions is how many conditions a filter may have: each member of each object of it, and each element of
	// `structuredOutput` and `anyOf`.
	MaxConditions = 100
	// MaxTexts is how many `transcript` members a filter may have: for each of them transcripts are read.
	MaxTexts = 8
	// MaxText is how many bytes a text may have.
	MaxText = 500
	// MaxSteps is how many steps a path may have.
	MaxSteps = 8
	// maxValue is how many bytes an `is` may have as JSON.
	maxValue = 4000
)

// Compile makes a filter of the input, which is the argument with the given name. The error is a
// [*relay.ArgumentError], whose argument is the path to what is wrong: `filter.anyOf[1].phoneNumber`.
func Compile(argument string, input *CallFilter) (*Filter, error) {
	c := compiler{}
	root, times := c.filter(at(argument), input, 0)
	if c.err != nil {
		return nil, c.err
	}
	return &Filter{root, times, textmatch.NewFolder()}, nil
}

// at is the path to a part of the input.
type at string

func (a at) member(name string) at { return a + at("."+name) }
func (a at) element(i int) at      { return a + at(fmt.Sprintf("[%d]", i)) }

// compiler makes conditions, up to the first error.
type compiler struct {
	err               error
	conditions, texts int
}

// fail notes what is wrong with a part of the input, which the message begins with.
func (c *compiler) fail(a at, format string, args ...any) {
	if c.err == nil {
		message := fmt.Sprintf("`%s` %s", a, fmt.Sprintf(format, args...))
		c.err = &relay.ArgumentError{Argument: string(a), Message: message}
	}
}

// count counts a condition, and reports whether there may be as many.
func (c *compiler) count(a at) bool {
	if c.conditions++; c.conditions > MaxConditions {
		c.fail(a, "exceeds a limit: a filter may have at most %d conditions.", MaxConditions)
	}
	return c.err == nil
}

// text checks a text that is looked for.
func (c *compiler) text(a at, text string) {
	switch {
	case text == "":
		c.fail(a, "must not be empty.")
	case len(text) > MaxText:
		c.fail(a, "has %d bytes, and may have at most %d.", len(text), MaxText)
	}
}

// filter makes the conditions of an object of the input, at a depth of `anyOf` and `not`.
func (c *compiler) filter(a at, input *CallFilter, depth int) (conditions, interval) {
	var all conditions
	times := always
	if depth > MaxDepth {
		c.fail(a, "is nested too deep: `anyOf` and `not` may be nested %d deep.", MaxDepth)
		return nil, times
	}
	add := func(name string, given bool, compile func(a at) condition) {
		if a := a.member(name); given && c.count(a) {
			if made := compile(a); made.holds != nil {
				all = append(all, made)
			}
		}
	}
	add("startedAt", input.StartedAt != nil, func(a at) (made condition) {
		made, times = c.times(a, input.StartedAt)
		return made
	})
	add("durationSeconds", input.DurationSeconds != nil, func(a at) condition {
		return c.duration(a, input.DurationSeconds)
	})
	add("status", input.Status != nil, func(a at) condition {
		return enum(c, a, input.Status, func(call *upstream.Call) upstream.CallStatus { return call.Status })
	})
	add("result", input.Result != nil, func(a at) condition {
		return enum(c, a, input.Result, func(call *upstream.Call) upstream.CallResult { return call.Result })
	})
	add("dialError", input.DialError != nil, func(a at) condition {
		return enum(c, a, input.DialError, func(call *upstream.Call) upstream.DialError { return call.DialError })
	})
	add("endedBy", input.EndedBy != nil, func(a at) condition {
		return enum(c, a, input.EndedBy, func(call *upstream.Call) upstream.CallEndedBy { return call.EndedBy })
	})
	add("endReason", input.EndReason != nil, func(a at) condition { return c.endReason(a, input.EndReason) })
	add("phoneNumber", input.PhoneNumber != nil, func(a at) condition { return c.phoneNumber(a, input.PhoneNumber) })
	add("transcript", input.Transcript != nil, func(a at) condition { return c.transcript(a, input.Transcript) })
	add("tool", input.Tool != nil, func(a at) condition { return c.tool(a, input.Tool) })
	add("structuredOutput", input.StructuredOutput != nil, func(a at) condition {
		return c.values(a, input.StructuredOutput)
	})
	add("anyOf", input.AnyOf != nil, func(a at) condition {
		made, either := c.anyOf(a, input.AnyOf, depth)
		times = interval{max(times.from, either.from), min(times.before, either.before)}
		return made
	})
	add("not", input.Not != nil, func(a at) condition {
		inner, _ := c.filter(a, input.Not, depth+1)
		return not(inner)
	})
	all.sort()
	return all, times
}

// anyOf makes the condition that one of the filters passes, and the times at which such a call can have started.
func (c *compiler) anyOf(a at, inputs []*CallFilter, depth int) (condition, interval) {
	c.notEmpty(a, len(inputs))
	lists := make([]conditions, 0, len(inputs))
	either := interval{math.MaxInt64, math.MinInt64}
	for i, input := range inputs {
		if !c.count(a.element(i)) {
			break
		}
		list, times := c.filter(a.element(i), input, depth+1)
		lists = append(lists, list)
		either = interval{min(either.from, times.from), max(either.before, times.before)}
	}
	return anyOf(lists), either
}

func (c *compiler) notEmpty(a at, elements int) {
	if elements == 0 {
		c.fail(a, "is an empty list, which no call can match. Leave it out if there is no condition.")
	}
}

func (c *compiler) times(a at, input *TimeRange) (condition, interval) {
	times := always
	if input.From != nil {
		times.from = c.moment(a.member("from"), *input.From)
	}
	if input.Before != nil {
		times.before = c.moment(a.member("before"), *input.Before)
	}
	if times == always {
		return condition{}, times
	}
	if times.from >= times.before {
		c.fail(a, "is empty: `from` must be earlier than `before`.")
	}
	return startedAt(times), times
}

// moment reads a time, in which T and Z may be small letters (RFC 3339 §5.6). Times of calls have milliseconds, so one
// between two of them is as good as the later one.
func (c *compiler) moment(a at, text string) int64 {
	t, err := time.Parse(time.RFC3339, strings.ToUpper(text))
	if err != nil {
		c.fail(a, "is not an RFC 3339 time, such as 2026-03-14T09:26:53Z.")
		return 0
	}
	return t.Add(time.Millisecond - 1).UnixMilli()
}

// numbers checks a range of numbers, and returns its ends.
func (c *compiler) numbers(a at, least, most *float64) (from, to float64) {
	from, to = math.Inf(-1), math.Inf(1)
	if least != nil {
		from = *least
	}
	if most != nil {
		to = *most
	}
	if from > to {
		c.fail(a, "is empty: `min` must not be greater than `max`.")
	}
	return from, to
}

func (c *compiler) duration(a at, input *NumberRange) condition {
	if input.Min == nil && input.Max == nil {
		return condition{}
	}
	return lasted(c.numbers(a, input.Min, input.Max))
}

// enum makes the condition that a call has one of the values. The generated code makes 0 of a name that it does not
// know, and that must not come to mean "none".
func enum[E ~uint8](c *compiler, a at, values []E, of func(*upstream.Call) E) condition {
	c.notEmpty(a, len(values))
	for i, value := range values {
		if value == 0 {
			c.fail(a.element(i), "is not a value of its enum.")
		}
	}
	return oneOf(values, of)
}

func (c *compiler) endReason(a at, reasons []string) condition {
	c.notEmpty(a, len(reasons))
	set := make(map[string]bool, len(reasons))
	for i, reason := range reasons {
		c.text(a.element(i), reason)
		set[reason] = true
	}
	return hasText(upstream.FieldEndReason, func(text string) bool { return set[text] })
}

func (c *compiler) phoneNumber(a at, input *TextMatch) condition {
	var passes func(string) bool
	given := 0
	for _, member := range []struct {
		name   string
		text   *string
		passes func(text, wanted string) bool
	}{
		{"is", input.Is, func(text, wanted string) bool { return text == wanted }},
		{"startsWith", input.StartsWith, strings.HasPrefix},
		{"contains", input.Contains, strings.Contains},
	} {
		if member.text != nil {
			given++
			c.text(a.member(member.name), *member.text)
			passes = func(text string) bool { return member.passes(text, *member.text) }
		}
	}
	if given != 1 {
		c.fail(a, "takes exactly one of `is`, `startsWith` and `contains`.")
	}
	return hasText(upstream.FieldPhoneNumber, passes)
}

func (c *compiler) transcript(a at, input *TranscriptMatch) condition {
	if c.texts++; c.texts > MaxTexts {
		c.fail(a, "exceeds a limit: a filter may search transcripts for at most %d texts.", MaxTexts)
	}
	c.text(a.member("contains"), input.Contains)
	if roles := a.member("roles"); input.Roles != nil {
		c.notEmpty(roles, len(input.Roles))
		for i, role := range input.Roles {
			if role == 0 {
				c.fail(roles.element(i), "is not a value of its enum.")
			}
		}
	}
	if c.err != nil { // a text may be too long to be folded
		return condition{}
	}
	return said(textmatch.NewPattern(input.Contains), input.Roles)
}

func (c *compiler) tool(a at, input *ToolMatch) condition {
	if input.Name != nil {
		c.text(a.member("name"), *input.Name)
	}
	return usedTool(input.Name, input.Failed)
}

// values makes the condition that all of some conditions on the structured output hold.
func (c *compiler) values(a at, inputs []*ValueMatch) condition {
	c.notEmpty(a, len(inputs))
	var all conditions
	for i, input := range inputs {
		if !c.count(a.element(i)) {
			break
		}
		all = append(all, c.value(a.element(i), input))
	}
	return condition{all.price(), all.hold}
}

func (c *compiler) value(a at, input *ValueMatch) condition {
	path := c.path(a.member("path"), input.Path)
	is, ranged, exists := input.Is != nil, input.Min != nil || input.Max != nil, input.Exists != nil
	switch {
	case is && !ranged && !exists:
		if text, err := json.Marshal(input.Is); err != nil || len(text) > maxValue {
			c.fail(a.member("is"), "is too long: it may have at most %d bytes.", maxValue)
		}
		return hasValue(path, equalTo(input.Is))
	case ranged && !is && !exists:
		from, to := c.numbers(a, input.Min, input.Max)
		return hasValue(path, func(value string) bool { return within(value, from, to) })
	case exists && !is && !ranged:
		found := hasValue(path, func(string) bool { return true })
		if *input.Exists {
			return found
		}
		return not(conditions{found})
	default:
		c.fail(a, "takes exactly one of `is`, `exists`, and a range: `min`, `max` or both.")
		return condition{}
	}
}

// path reads a path: names of members and indices of lists with dots in between. A backslash before a dot makes it part
// of a name.
func (c *compiler) path(a at, text string) []string {
	c.text(a, text)
	if c.err != nil {
		return nil
	}
	var steps []string
	var step strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && (text[i+1] == '.' || text[i+1] == '\\'):
			i++
			step.WriteByte(text[i])
		case text[i] == '.':
			steps = append(steps, step.String())
			step.Reset()
		default:
			step.WriteByte(text[i])
		}
	}
	steps = append(steps, step.String())
	for _, step := range steps {
		if step == "" {
			c.fail(a, "has an empty step: it takes names with dots in between, such as `customer.city`.")
		}
	}
	if len(steps) > MaxSteps {
		c.fail(a, "has %d steps, and may have at most %d.", len(steps), MaxSteps)
	}
	return steps
}
