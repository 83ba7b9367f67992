package upstream

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"
)

// scanner reads JSON, and checks that it is well-formed. Values are slices of the text. The members of an object, or
// the elements of a list, are read so:
//
//	for s.enter(); s.more('}'); {
//		name, value := s.name(), s.value()
//	}
//
// Once the text has turned out to be wrong, nothing of it is left: objects and lists end, and values are null.
type scanner struct {
	text    []byte // in UTF-8
	at      int    // what has been read
	depth   int    // of objects and lists
	first   bool   // nothing was read yet of the object or list that was entered last
	escaped bool   // the string that was read last has an escape sequence
	wrong   bool   // the text is not JSON
}

// maxDepth is how deep objects and lists may be nested, as for package jsontext.
const maxDepth = 10_000

// fail notes that the text is not JSON.
func (s *scanner) fail() { s.at, s.wrong = len(s.text), true }

// peek is the first byte of what comes next: of a value, or punctuation; 0 at the end of the text.
func (s *scanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// enter goes into the object or list that comes next.
func (s *scanner) enter() {
	s.peek()
	s.at++
	if s.first, s.depth = true, s.depth+1; s.depth > maxDepth {
		s.fail()
	}
}

// more reports whether the object or list, which ends with this bracket, has another member or element. If not, more
// leaves it.
func (s *scanner) more(end byte) bool {
	c, first := s.peek(), s.first
	s.first = false
	switch {
	case c == end:
		s.at++
		s.depth--
		return false
	case first:
		return true
	case c == ',':
		s.at++
		return true
	}
	s.fail()
	return false
}

// name reads the name that comes next with its colon. It is canonical JSON.
func (s *scanner) name() []byte {
	name := s.value()
	if name[0] != '"' || s.peek() != ':' {
		s.fail()
		return []byte(`""`)
	}
	s.at++
	if s.escaped {
		return canonical(name)
	}
	return name
}

// value reads the value that comes next.
func (s *scanner) value() []byte {
	c := s.peek()
	start := s.at
	switch c {
	case '"':
		s.skipString()
	case '{':
		for s.enter(); s.more('}'); s.value() {
			s.name()
		}
	case '[':
		for s.enter(); s.more(']'); {
			s.value()
		}
	default:
		s.skipWord()
	}
	if s.wrong {
		return []byte("null")
	}
	return s.text[start:s.at]
}

// skipString skips a string. Most bytes of a response are in strings, so it looks at eight at a time.
func (s *scanner) skipString() {
	text, at := s.text, s.at+1
	s.escaped = false
	for {
		for ; at+8 <= len(text); at += 8 {
			if marks := markSpecial(binary.LittleEndian.Uint64(text[at:])); marks != 0 {
				at += bits.TrailingZeros64(marks) / 8
				break
			}
		}
		switch {
		case at >= len(text), text[at] < ' ':
			s.fail()
			return
		case text[at] == '"':
			s.at = at + 1
			return
		case text[at] != '\\':
			at++
			continue
		}
		s.escaped = true
		escape := escapeLen(text[at:])
		if at += escape; escape == 0 {
			s.fail()
			return
		}
	}
}

// markSpecial marks the first of eight bytes that does not stand for itself in a string, by the highest bit of that
// byte: a quote, a backslash or a control character. Bytes after the first may be marked wrongly. A byte is one of the
// three if subtracting 1 from its difference to a quote or backslash, or a space from itself, borrows.
func markSpecial(eight uint64) uint64 {
	const each = 0x0101010101010101
	control, quote, backslash := eight-each*' ', (eight^each*'"')-each, (eight^each*'\\')-each
	return (control | quote | backslash) &^ eight & (each << 7)
}

// escapeLen is how many bytes an escape sequence has that begins there; 0 where it is none.
func escapeLen(text []byte) int {
	if len(text) < len(`\n`) {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return len(`\n`)
	case 'u':
		digits := text[len(`\u`):min(len(text), len(`\u0000`))]
		for _, c := range digits {
			if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0
			}
		}
		if len(digits) == len("0000") {
			return len(`\u0000`)
		}
	}
	return 0
}

// skipWord skips a number, true, false or null.
func (s *scanner) skipWord() {
	start := s.at
	for ; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case ',', '}', ']', ' ', '\t', '\r', '\n':
			s.checkWord(s.text[start:s.at])
			return
		}
	}
	s.checkWord(s.text[start:])
}

func (s *scanner) checkWord(word []byte) {
	switch string(word) {
	case "true", "false", "null":
	default:
		if !isNumber(word) {
			s.fail()
		}
	}
}

// isNumber reports whether a text is a number of JSON (RFC 8259 §6).
func isNumber(text []byte) bool {
	text = bytes.TrimPrefix(text, []byte("-"))
	whole := text
	text = skipDigits(text)
	if digits := len(whole) - len(text); digits == 0 || digits > 1 && whole[0] == '0' {
		return false
	}
	if len(text) > 0 && text[0] == '.' {
		fraction := text[1:]
		if text = skipDigits(fraction); len(text) == len(fraction) {
			return false
		}
	}
	if len(text) > 0 && text[0]|0x20 == 'e' {
		exponent := text[1:]
		if len(exponent) > 0 && (exponent[0] == '+' || exponent[0] == '-') {
			exponent = exponent[1:]
		}
		if text = skipDigits(exponent); len(text) == len(exponent) {
			return false
		}
	}
	return len(text) == 0
}

func skipDigits(text []byte) []byte {
	for len(text) > 0 && isDigit(text[0]) {
		text = text[1:]
	}
	return text
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// appendObject writes an object.
func appendObject(dst []byte, members []member) []byte {
	dst = append(dst, '{')
	for _, m := range members {
		dst = appendMember(dst, m)
	}
	return append(dst, '}')
}

// appendMember writes a member after the opening bracket of its object or after another member.
func appendMember(dst []byte, m member) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, m.name...)
	dst = append(dst, ':')
	return append(dst, m.value...)
}

// KeepMembers returns the object with only the members of these names, in the object's own order, each value as it is.
// What is not an object has no members and is returned as it is. The value must be well-formed JSON.
func KeepMembers(value string, names map[string]bool) string {
	if value[0] != '{' {
		return value
	}
	s := scanner{text: []byte(value)}
	kept := []byte{'{'}
	for s.enter(); s.more('}'); {
		if name, value := s.name(), s.value(); names[string(unquote(name))] {
			kept = appendMember(kept, member{name, value})
		}
	}
	return string(append(kept, '}'))
}

// ValueAt is what lies at a path inside a JSON value, which must be well-formed: each step is the name of a member of
// an object, or the index of an element of a list, from 0. ok is false where nothing is there. Of a repeated name the
// last counts.
func ValueAt(value string, path []string) (found string, ok bool) {
	if len(path) == 0 {
		return value, true
	}
	if value[0] != '{' && value[0] != '[' {
		return "", false
	}
	s := scanner{text: []byte(value)}
	for i, step := range path {
		at, ok := s.step(step)
		if !ok {
			return "", false
		}
		if i == len(path)-1 {
			return value[at.start:at.end], true
		}
		s.at = int(at.start)
	}
	return "", false
}

// step finds the value that is one step below the one that comes next.
func (s *scanner) step(name string) (found span, ok bool) {
	switch s.peek() {
	case '{':
		for s.enter(); s.more('}'); {
			same := string(unquote(s.name())) == name
			value := s.value()
			if same {
				found, ok = span{uint32(s.at - len(value)), uint32(s.at)}, true
			}
		}
	case '[':
		index, err := strconv.Atoi(name)
		if err != nil || strconv.Itoa(index) != name {
			return span{}, false
		}
		for s.enter(); s.more(']'); index-- {
			if value := s.value(); index == 0 {
				return span{uint32(s.at - len(value)), uint32(s.at)}, true
			}
		}
	}
	return found, ok
}
