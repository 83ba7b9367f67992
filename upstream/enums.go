package upstream

import (
	"math/bits"
	"slices"
	"strings"
)

// Enumerations of the endpoint. In each, 0 stands for none: upstream sent null or nothing. A value that the
// documentation does not have is read as unrecognized and kept raw in [FieldExtra]: the vendor adds values several
// times a year.

// CallStatus is how far one attempt has come.
type CallStatus uint8

// The documented statuses of an attempt.
const (
	CallStatusUnrecognized CallStatus = iota + 1
	CallStatusQueued
	CallStatusRinging
	CallStatusOngoing
	CallStatusCompleted
	CallStatusError
)

// CallResult is who, or what, answered the call.
type CallResult uint8

// The documented results.
const (
	CallResultUnrecognized CallResult = iota + 1
	CallResultIVR
	CallResultVoicemail
	CallResultHuman
	CallResultUnknown
	CallResultIOSScreeningFilter
)

// DialError is why a call could not be put through.
type DialError uint8

// The documented dial errors.
const (
	DialErrorUnrecognized DialError = iota + 1
	DialErrorNumberNonAttributed
	DialErrorTooManyCalls
	DialErrorBusy
	DialErrorTemporarilyUnavailable
	DialErrorNoAnswer
	DialErrorNoInternationalPermission
	DialErrorPreconditionFailed
	DialErrorNonClassifiedError
)

// CallEndedBy is who ended a call.
type CallEndedBy uint8

// The documented enders of a call.
const (
	CallEndedByUnrecognized CallEndedBy = iota + 1
	CallEndedByAgent
	CallEndedByUser
	CallEndedBySystem
)

// TranscriptRole is who speaks in a transcript entry.
type TranscriptRole uint8

// The documented roles.
const (
	TranscriptRoleUnrecognized TranscriptRole = iota + 1
	TranscriptRoleUser
	TranscriptRoleAssistant
	TranscriptRoleTool
)

// unrecognized is the same in every enumeration.
const unrecognized = 1

// The values as upstream spells them, each at its constant's place. Mind the spelling of the first and the last result.
var (
	callStatuses = []string{"", "", "queued", "ringing", "ongoing", "completed", "error"}
	callResults  = []string{"", "", "IVR", "voicemail", "human", "unknown", "ios-screening-filter"}
	dialErrors   = []string{
		"", "", "number_non_attributed", "too_many_calls", "busy", "temporarily_unavailable", "no_answer",
		"no_international_permission", "precondition_failed", "non_classified_error",
	}
	callEndedBys    = []string{"", "", "agent", "user", "system"}
	transcriptRoles = []string{"", "", "user", "assistant", "tool"}
)

// CallStatuses are the statuses of an attempt as upstream spells them, by their values; "" for none and for
// unrecognized.
func CallStatuses() []string { return slices.Clone(callStatuses) }

// CallResults are the results as upstream spells them, by their values; "" for none and for unrecognized.
func CallResults() []string { return slices.Clone(callResults) }

// DialErrors are the dial errors as upstream spells them, by their values; "" for none and for unrecognized.
func DialErrors() []string { return slices.Clone(dialErrors) }

// CallEndedBys are the enders of a call as upstream spells them, by their values; "" for none and for unrecognized.
func CallEndedBys() []string { return slices.Clone(callEndedBys) }

// TranscriptRoles are the roles as upstream spells them, by their values; "" for none and for unrecognized.
func TranscriptRoles() []string { return slices.Clone(transcriptRoles) }

// OrderStatus is the status of the order that led to an attempt: what the list can be filtered by. It is not the
// status that a call carries.
type OrderStatus string

// The documented statuses of an order.
const (
	OrderStatusInitializing     OrderStatus = "initializing"
	OrderStatusQueuedForCalling OrderStatus = "queued_for_calling"
	OrderStatusCalling          OrderStatus = "calling"
	OrderStatusScheduled        OrderStatus = "scheduled"
	OrderStatusCompleted        OrderStatus = "completed"
	OrderStatusCancelled        OrderStatus = "cancelled"
	OrderStatusErrored          OrderStatus = "errored"
)

// orderStatuses fixes each status's bit in [OrderStatuses]. Cursors hold those bits: append, never reorder.
var orderStatuses = []OrderStatus{
	OrderStatusInitializing, OrderStatusQueuedForCalling, OrderStatusCalling, OrderStatusScheduled,
	OrderStatusCompleted, OrderStatusCancelled, OrderStatusErrored,
}

// OrderStatuses is a set of order statuses; the empty set filters nothing. Its numeric value is stable.
type OrderStatuses uint16

// NewOrderStatuses makes a set; order and repetition do not matter, and what is not an order status is left out.
func NewOrderStatuses(statuses ...OrderStatus) OrderStatuses {
	var set OrderStatuses
	for _, status := range statuses {
		if i := slices.Index(orderStatuses, status); i >= 0 {
			set |= 1 << i
		}
	}
	return set
}

// Values lists the set in the documented order.
func (s OrderStatuses) Values() []string {
	values := make([]string, 0, bits.OnesCount16(uint16(s)))
	for i, status := range orderStatuses {
		if s&(1<<i) != 0 {
			values = append(values, string(status))
		}
	}
	return values
}

// Each lists the set as sets of one status.
func (s OrderStatuses) Each() []OrderStatuses {
	var sets []OrderStatuses
	for rest := s; rest != 0; rest &= rest - 1 {
		sets = append(sets, rest&-rest)
	}
	return sets
}

// String is the set as upstream takes it with [StatusesComma].
func (s OrderStatuses) String() string { return strings.Join(s.Values(), ",") }
