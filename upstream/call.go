package upstream

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Call is one attempt to reach somebody by phone. It is immutable. Pointers and raw values are nil where upstream sent
// null, nothing, or something else than documented; the last is kept in [Call.Extra].
type Call struct {
	ID           string
	Status       CallStatus
	PhoneNumber  *string
	StartedAt    *Time
	AnsweredAt   *Time
	EndedAt      *Time
	Result       *CallResult
	DialError    *DialError
	EndReason    *string
	EndedBy      *CallEndedBy
	RecordingURL *string
	// StructuredOutput is raw: digits and key order are upstream's.
	StructuredOutput jsontext.Value

	transcript jsontext.Value // a list or a string; decoded when asked for
	extra      []member       // in upstream's order
}

// member is one field of an object, with its value raw.
type member struct {
	name  string
	value jsontext.Value
}

// TranscriptEntry is one turn of a conversation.
type TranscriptEntry struct {
	// Index is the entry's place in the whole transcript, from 0.
	Index   int
	Role    TranscriptRole
	Content string
	// ToolName, ToolArguments (raw) and ToolIsError are nil where no tool was used.
	ToolName      *string
	ToolArguments jsontext.Value
	ToolIsError   *bool
}

// Time is a moment as upstream sent it.
type Time struct {
	time.Time
	// Millis says that upstream sent a fraction of a second, if only zeros.
	Millis bool
}
