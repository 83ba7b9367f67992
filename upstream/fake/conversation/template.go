package conversation

import (
	"slices"
	"strings"

	"revox-graphql/upstream/fake/dice"
)

// template is a text with slots and random choices. It is cut into parts when it is loaded, so that filling it in is
// little more than copying. Its texts are already escaped for JSON.
type template []part

// part is a text, or the number of a slot, or several templates of which one is chosen at random.
type part struct {
	text   string
	slot   int // 0: none
	either []template
}

// template cuts a text that is escaped for JSON. "<" and "(" mean nothing to JSON outside of texts, and scripts use
// them for nothing else.
func (s *script) template(text string, fail func(string)) template {
	var t template
	for text != "" {
		at := strings.IndexAny(text, "<(")
		if at < 0 {
			return append(t, part{text: text})
		}
		if at > 0 {
			t = append(t, part{text: text[:at]})
		}
		end := strings.IndexByte(text[at:], ")>"[strings.IndexByte("(<", text[at])])
		if end < 0 {
			fail("a slot or a throw does not end")
		}
		inner := text[at+1 : at+end]
		switch {
		case text[at] == '<':
			slot := slices.Index(s.slots, inner)
			if slot <= 0 {
				fail("no such slot: " + inner)
			}
			t = append(t, part{slot: slot})
		case !strings.Contains(inner, "|"): // a remark in parentheses
			t = append(t, part{text: text[at : at+end+1]})
		default:
			var either []template
			for option := range strings.SplitSeq(inner, "|") {
				either = append(either, s.template(option, fail))
			}
			t = append(t, part{either: either})
		}
		text = text[at+end+1:]
	}
	return t
}

// Expand appends the template with its slots filled in and its random choices made.
func (t *Talk) Expand(dst []byte, parts template) []byte {
	for i := range parts {
		switch p := &parts[i]; {
		case p.slot > 0:
			dst = append(dst, t.values[p.slot]...)
		case p.either != nil:
			dst = t.Expand(dst, dice.Pick(&t.dice, p.either))
		default:
			dst = append(dst, p.text...)
		}
	}
	return dst
}

// escape escapes a text for a JSON string. Characters beyond ASCII stay as they are.
func escape(text string) string {
	return escaper.Replace(text)
}

var escaper = strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\t", `\t`)
