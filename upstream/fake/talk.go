package fake

import (
	"math/bits"
	"strconv"
)

// talk is a conversation, and the scratch it is composed in.
type talk struct {
	phone   string
	outcome outcome // empty when nobody picked up

	dice   dice
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

func newTalk(lib *library) talk {
	return talk{used: make([]uint64, lib.stages)}
}

// compose puts together the conversation of a call, whole, whatever of it may have happened yet. It is the same
// whenever it is composed.
func (t *talk) compose(lib *library, seed uint64, c call, k kind) {
	t.dice = newDice(seed, uint64(c.serial)|1<<42)
	t.json, t.marks, t.outcome = t.json[:0], t.marks[:0], outcome{}
	lang := language(weighed(&t.dice, locales[:], func(l *locale) int { return l.share }))
	t.phone = t.dice.phone(lang)
	if k == failed {
		return
	}
	shelf := lib.scripts[k][lang]
	s := shelf[weighed(&t.dice, shelf, func(s **script) int { return (*s).weight })]
	t.outcome = s.outcomes[weighed(&t.dice, s.outcomes, func(o *outcome) int { return o.weight })]
	t.fill(s, c.arrived)
	clear(t.used)
	for _, step := range t.outcome.steps {
		for range t.dice.between(step.least, step.most) {
			for _, l := range t.unused(step.stage) {
				t.enter(&l)
			}
		}
	}
}

// unused throws a variant that this conversation has not had.
func (t *talk) unused(st *stage) []line {
	had := &t.used[st.number]
	if bits.OnesCount64(*had) == len(st.variants) {
		*had = 0 // only when a plan asks for one stage twice
	}
	n := t.dice.below(len(st.variants) - bits.OnesCount64(*had))
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

// enter appends an entry. One that is no tool's has its role and its content only, as in older answers.
func (t *talk) enter(l *line) {
	if len(t.marks) > 0 {
		t.json = append(t.json, ',')
	}
	t.json = append(t.json, `{"content":"`...)
	from := len(t.json)
	t.json = t.expand(t.json, l.content)
	said := len(t.json) - from
	t.json = append(t.json, `","role":"`...)
	t.json = append(t.json, l.role...)
	t.json = append(t.json, '"')
	if l.tool != "" {
		t.json = append(t.json, `,"tool_arguments":`...)
		if l.argsText {
			t.json = append(t.json, '"')
		}
		t.json = t.expand(t.json, l.args)
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
	t.marks = append(t.marks, mark{at: len(t.json), end: t.length() + t.duration(l, said)})
}

// duration is how many milliseconds an entry takes: people say about 16 characters in a second and take a breath.
func (t *talk) duration(l *line, said int) int64 {
	if l.tool != "" {
		return int64(t.dice.between(250, 1_900))
	}
	return int64(t.dice.between(350, 1_100) + said*62)
}

// length is how many milliseconds the conversation takes so far.
func (t *talk) length() int64 {
	if len(t.marks) == 0 {
		return 0
	}
	return t.marks[len(t.marks)-1].end
}

// entries returns the entries that are complete this many milliseconds after the call was answered.
func (t *talk) entries(elapsed int64) (json []byte, n int) {
	for n < len(t.marks) && t.marks[n].end <= elapsed {
		n++
	}
	if n == 0 {
		return nil, 0
	}
	return t.json[:t.marks[n-1].at], n
}
