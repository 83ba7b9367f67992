package conversation

import (
	"math/bits"
	"strconv"

	"revox-graphql/upstream/fake/dice"
)

// Talk is one conversation, and the buffers in which it is composed. It is reused for the next conversation.
type Talk struct {
	// Phone is the number that was called.
	Phone string
	// Outcome is empty when the call was not answered.
	Outcome Outcome

	dice   dice.Dice
	values [maxSlots]string // of the slots, by number
	used   []uint64         // of each stage of the library, the variants that this conversation had
	json   []byte           // the entries, separated by commas
	marks  []mark
}

// mark is the end of an entry.
type mark struct {
	at  int   // in json
	end int64 // milliseconds since the call was answered
}

// New makes an empty Talk for the scripts of a library.
func New(lib *Library) Talk {
	return Talk{used: make([]uint64, lib.stages)}
}

// Compose composes the whole conversation of a call, even if only a part of it has happened yet. The same call always
// has the same conversation. arrived is in milliseconds since 1970.
func (t *Talk) Compose(lib *Library, seed uint64, serial uint32, arrived int64, k Kind) {
	t.dice = dice.New(seed, uint64(serial)|1<<42)
	t.json, t.marks, t.Outcome = t.json[:0], t.marks[:0], Outcome{}
	lang := language(dice.Weighted(&t.dice, locales[:], func(l *locale) int { return l.share }))
	t.Phone = phone(&t.dice, lang)
	if k == Failed {
		return
	}
	choice := lib.scripts[k][lang]
	s := choice[dice.Weighted(&t.dice, choice, func(s **script) int { return (*s).weight })]
	t.Outcome = s.outcomes[dice.Weighted(&t.dice, s.outcomes, func(o *Outcome) int { return o.weight })]
	t.fill(s, arrived)
	clear(t.used)
	for _, step := range t.Outcome.steps {
		for range t.dice.Between(step.least, step.most) {
			for _, l := range t.unused(step.stage) {
				t.enter(&l)
			}
		}
	}
}

// unused returns a random variant that this conversation has not had.
func (t *Talk) unused(st *stage) []line {
	had := &t.used[st.number]
	if bits.OnesCount64(*had) == len(st.variants) {
		*had = 0 // only when a plan asks for one stage twice
	}
	n := t.dice.Below(len(st.variants) - bits.OnesCount64(*had))
	for i := range st.variants {
		if *had>>i&1 == 1 {
			continue
		}
		if n == 0 {
			*had |= 1 << i
			return st.variants[i]
		}
		n--
	}
	return nil
}

// enter appends an entry. An entry that is not a tool's has only its role and its content, as in older responses.
func (t *Talk) enter(l *line) {
	if len(t.marks) > 0 {
		t.json = append(t.json, ',')
	}
	t.json = append(t.json, `{"content":"`...)
	from := len(t.json)
	t.json = t.Expand(t.json, l.content)
	said := len(t.json) - from
	t.json = append(t.json, `","role":"`...)
	t.json = append(t.json, l.role...)
	t.json = append(t.json, '"')
	if l.tool != "" {
		t.json = append(t.json, `,"tool_arguments":`...)
		if l.argsText {
			t.json = append(t.json, '"')
		}
		t.json = t.Expand(t.json, l.args)
		if l.argsText {
			t.json = append(t.json, '"')
		}
		t.json = append(t.json, `,"tool_is_error":`...)
		t.json = strconv.AppendBool(t.json, l.failed)
		t.json = append(t.json, `,"tool_name":"`...)
		t.json = append(t.json, l.tool...)
		t.json = append(t.json, '"')
	}
	t.json = append(t.json, '}')
	t.marks = append(t.marks, mark{at: len(t.json), end: t.Length() + t.duration(l, said)})
}

// duration returns how many milliseconds an entry takes: people say about 16 characters per second, after a breath.
func (t *Talk) duration(l *line, said int) int64 {
	if l.tool != "" {
		return int64(t.dice.Between(250, 1_900))
	}
	return int64(t.dice.Between(350, 1_100) + said*62)
}

// Length returns how many milliseconds the entries so far take.
func (t *Talk) Length() int64 {
	if len(t.marks) == 0 {
		return 0
	}
	return t.marks[len(t.marks)-1].end
}

// Entries returns the entries that are complete elapsed milliseconds after the call was answered, separated by commas,
// and their number.
func (t *Talk) Entries(elapsed int64) (json []byte, n int) {
	for n < len(t.marks) && t.marks[n].end <= elapsed {
		n++
	}
	if n == 0 {
		return nil, 0
	}
	return t.json[:t.marks[n-1].at], n
}
