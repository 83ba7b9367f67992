// Package conversation composes the made-up conversations of package fake from scripts/*.txt, whose format is explained
// in script.go.
package conversation

// Kind is who or what answers a call; Failed if nobody does.
type Kind uint8

// The kinds of calls, and their number.
const (
	Human Kind = iota
	Voicemail
	IVR
	Screening
	Unclear
	Failed
	Kinds
)

// kindNames are the values of `result`, and of "kind" in a script.
var kindNames = [Failed]string{"human", "voicemail", "IVR", "ios-screening-filter", "unknown"}

// String returns the value of `result`; "" for Failed.
func (k Kind) String() string {
	if k == Failed {
		return ""
	}
	return kindNames[k]
}
