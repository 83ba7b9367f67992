package upstream

import (
	"math/bits"
	"slices"
	"strings"
)

// Enumerations of the endpoint, spelled as upstream spells them. A value that is none of these is read as
// "unrecognized" and kept raw in [Call.Extra]: the vendor adds values several times a year.

// CallStatus is how far one attempt has come.
type CallStatus string

// The documented statuses of an attempt.
const (
	CallStatusQueued       CallStatus = "queued"
	CallStatusRinging      CallStatus = "ringing"
	CallStatusOngoing      CallStatus = "ongoing"
	CallStatusCompleted    CallStatus = "completed"
	CallStatusError        CallStatus = "error"
	CallStatusUnrecognized CallStatus = "unrecognized"
)

// CallResult is who, or what, picked up.
type CallResult string

// The documented results. Mind the spelling of the first and the last.
const (
	CallResultIVR                CallResult = "IVR"
	CallResultVoicemail          CallResult = "voicemail"
	CallResultHuman              CallResult = "human"
	CallResultUnknown            CallResult = "unknown"
	CallResultIOSScreeningFilter CallResult = "ios-screening-filter"
	CallResultUnrecognized       CallResult = "unrecognized"
)

// DialError is why a call could not be put through.
type DialError string

// The documented dial errors.
const (
	DialErrorNumberNonAttributed       DialError = "number_non_attributed"
	DialErrorTooManyCalls              DialError = "too_many_calls"
	DialErrorBusy                      DialError = "busy"
	DialErrorTemporarilyUnavailable    DialError = "temporarily_unavailable"
	DialErrorNoAnswer                  DialError = "no_answer"
	DialErrorNoInternationalPermission DialError = "no_international_permission"
	DialErrorPreconditionFailed        DialError = "precondition_failed"
	DialErrorNonClassifiedError        DialError = "non_classified_error"
	DialErrorUnrecognized              DialError = "unrecognized"
)

// CallEndedBy is who ended a call.
type CallEndedBy string

// The documented enders of a call.
const (
	CallEndedByAgent        CallEndedBy = "agent"
	CallEndedByUser         CallEndedBy = "user"
	CallEndedBySystem       CallEndedBy = "system"
	CallEndedByUnrecognized CallEndedBy = "unrecognized"
)

// TranscriptRole is who speaks in a transcript entry.
type TranscriptRole string

// The documented roles.
const (
	TranscriptRoleUser         TranscriptRole = "user"
	TranscriptRoleAssistant    TranscriptRole = "assistant"
	TranscriptRoleTool         TranscriptRole = "tool"
	TranscriptRoleUnrecognized TranscriptRole = "unrecognized"
)

// The values that upstream may send; all others are unrecognized.
var (
	callStatuses = []CallStatus{
		CallStatusQueued, CallStatusRinging, CallStatusOngoing, CallStatusCompleted, CallStatusError,
	}
	callResults = []CallResult{
		CallResultIVR, CallResultVoicemail, CallResultHuman, CallResultUnknown, CallResultIOSScreeningFilter,
	}
	dialErrors = []DialError{
		DialErrorNumberNonAttributed, DialErrorTooManyCalls, DialErrorBusy, DialErrorTemporarilyUnavailable,
		DialErrorNoAnswer, DialErrorNoInternationalPermission, DialErrorPreconditionFailed, DialErrorNonClassifiedError,
	}
	callEndedBys    = []CallEndedBy{CallEndedByAgent, CallEndedByUser, CallEndedBySystem}
	transcriptRoles = []TranscriptRole{TranscriptRoleUser, TranscriptRoleAssistant, TranscriptRoleTool}
)

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

// String is the set as upstream takes it with [StatusesComma].
func (s OrderStatuses) String() string { return strings.Join(s.Values(), ",") }
