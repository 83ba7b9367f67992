package fake

import (
	"time"

	"revox-graphql/upstream/fake/conversation"
	"revox-graphql/upstream/fake/dice"
)

// traits are how the endpoint renders a call, where it has a choice.
type traits struct {
	wholeSeconds bool // times without a fraction
	noTranscript bool // a transcript that does not exist is absent, not null
	noEnd        bool // unknown end_reason and ended_by are absent, not null
	noOutput     bool // structured_output that does not exist is absent, not null
	unrecorded   bool
}

func traitsOf(seed uint64, serial uint32) traits {
	d := dice.New(seed, uint64(serial)|1<<41)
	return traits{
		wholeSeconds: d.OneIn(8), noTranscript: d.OneIn(2), noEnd: d.OneIn(2), noOutput: d.OneIn(3),
		unrecorded: d.OneIn(25),
	}
}

// appendRow appends the call as it is at now. The keys have the order of the documentation's example.
func (u *Upstream) appendRow(dst []byte, t *conversation.Talk, c call, now int64) []byte {
	p := planOf(u.seed, c.serial)
	style := traitsOf(u.seed, c.serial)
	phase := c.phase(&p, now)
	t.Compose(u.library, u.seed, c.serial, c.arrived, p.kind)

	dialled := c.arrived + p.wait
	answered := dialled + p.ring
	ended := answered
	if p.kind != conversation.Failed {
		ended += t.Length()
	}
	spoken, entries := t.Entries(now - answered)
	if phase == over {
		spoken, entries = t.Entries(ended - answered)
	}
	hungUp := phase == over && p.kind != conversation.Failed

	dst = append(dst, `{"id":"`...)
	dst = appendID(dst, u.seed, c.serial)
	dst = append(dst, `","answered_at":`...)
	dst = appendTime(dst, answered, style, p.kind != conversation.Failed && phase >= ongoing)
	dst = append(dst, `,"dial_error":`...)
	dst = appendText(dst, dialError(&p), phase == over && p.kind == conversation.Failed)
	dst = append(dst, `,"ended_at":`...)
	dst = appendTime(dst, ended, style, phase == over)
	dst = append(dst, `,"phone_number":"`...)
	dst = append(dst, t.Phone...)
	dst = append(dst, `","recording_url":`...)
	dst = u.appendRecording(dst, c.serial, hungUp && !style.unrecorded)
	dst = append(dst, `,"result":`...)
	// The result is known after two entries, or once the call is over.
	isKnown := phase == over || phase == ongoing && entries >= 2
	dst = appendText(dst, p.kind.String(), p.kind != conversation.Failed && isKnown)
	dst = append(dst, `,"started_at":`...)
	dst = appendTime(dst, dialled, style, p.dialled(phase))
	dst = append(dst, `,"status":"`...)
	dst = append(dst, statusName(phase, p.kind)...)
	dst = append(dst, '"')
	dst = appendEnd(dst, `,"end_reason":`, t.Outcome.EndReason, hungUp, style.noEnd)
	dst = appendEnd(dst, `,"ended_by":`, t.Outcome.EndedBy, hungUp, style.noEnd)
	switch {
	case hungUp && t.Outcome.Output != nil:
		dst = append(dst, `,"structured_output":`...)
		dst = t.Expand(dst, t.Outcome.Output)
	case !style.noOutput:
		dst = append(dst, `,"structured_output":null`...)
	}
	switch {
	case p.kind != conversation.Failed && phase >= ongoing:
		dst = append(dst, `,"transcript":[`...)
		dst = append(dst, spoken...)
		dst = append(dst, ']')
	case !style.noTranscript:
		dst = append(dst, `,"transcript":null`...)
	}
	return append(dst, '}')
}

func (u *Upstream) appendRecording(dst []byte, serial uint32, has bool) []byte {
	if !has {
		return append(dst, "null"...)
	}
	// The token is the id of no call: it only has to look like a real one.
	dst = append(dst, `"https://recordings.example/`...)
	dst = appendID(dst, u.seed, serial)
	dst = append(dst, `.mp3?token=`...)
	dst = appendID(dst, ^u.seed, serial)
	return append(dst, '"')
}

func statusName(at phase, k conversation.Kind) string {
	switch {
	case at == queued:
		return "queued"
	case at == ringing:
		return "ringing"
	case at == ongoing:
		return "ongoing"
	case k == conversation.Failed:
		return "error"
	default:
		return "completed"
	}
}

func dialError(p *plan) string {
	if p.failure == nil {
		return ""
	}
	return p.failure.dialError
}

func appendTime(dst []byte, millis int64, style traits, has bool) []byte {
	if !has {
		return append(dst, "null"...)
	}
	layout := `"2006-01-02T15:04:05.000Z"`
	if style.wholeSeconds {
		layout = `"2006-01-02T15:04:05Z"`
	}
	return time.UnixMilli(millis).UTC().AppendFormat(dst, layout)
}

// appendText appends text that needs no escaping.
func appendText(dst []byte, text string, has bool) []byte {
	if !has {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = append(dst, text...)
	return append(dst, '"')
}

// appendEnd appends a field. If its text is unknown, the field is absent or null.
func appendEnd(dst []byte, key, text string, has, absent bool) []byte {
	has = has && text != ""
	if !has && absent {
		return dst
	}
	return appendText(append(dst, key...), text, has)
}
