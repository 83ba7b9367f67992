package filter

import "revox-graphql/upstream"

// The input types of the schema, as the generated code reads them. A nil member is no condition, and so is null.

// CallFilter is the input of the same name. Every member that is given must hold.
type CallFilter struct {
	StartedAt        *TimeRange
	DurationSeconds  *NumberRange
	Status           []upstream.CallStatus
	Result           []upstream.CallResult
	DialError        []upstream.DialError
	EndedBy          []upstream.CallEndedBy
	EndReason        []string
	PhoneNumber      *TextMatch
	Transcript       *TranscriptMatch
	Tool             *ToolMatch
	StructuredOutput []*ValueMatch
	AnyOf            []*CallFilter
	Not              *CallFilter
}

// TimeRange is a half-open range of times, each as RFC 3339 text.
type TimeRange struct{ From, Before *string }

// NumberRange is a range of numbers, both ends included.
type NumberRange struct{ Min, Max *float64 }

// TextMatch is a condition on a text: exactly one member is given.
type TextMatch struct{ Is, StartsWith, Contains *string }

// TranscriptMatch is a condition on what was said, by some of the roles or any.
type TranscriptMatch struct {
	Contains string
	Roles    []upstream.TranscriptRole
}

// ToolMatch is a condition on the use of a tool.
type ToolMatch struct {
	Name   *string
	Failed *bool
}

// ValueMatch is a condition on a value of the structured output: Is, or Min and Max or one of them, or Exists.
type ValueMatch struct {
	Path     string
	Is       any // as JSON is decoded: nil, bool, string, a number of any kind, []any, map[string]any
	Min, Max *float64
	Exists   *bool
}
