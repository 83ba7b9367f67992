package upstream

import (
	"bytes"
	"strconv"
)

// scanner scans JSON that is known to be well-formed, so it only has to find where each value ends. Values are slices
// of the text. The members of an object, or the elements of a list, are read so:
//
//	for s.enter(); s.more(); {
//		name, value := s.name(), s.value()
//	}
type scanner struct {
	text []byte
	at   int // what has been read
}

// peek is the first byte of what comes next: of a value, or a closing bracket.
func (s *scanner) peek() byte {
	text, at := s.text, s.at
	for at < len(text) && between[text[at]] {
		at++
	}
	s.at = at
	return text[at]
}

// between is what may stand between two values or brackets.
var between = [256]bool{' ': true, '\t': true, '\r': true, '\n': true, ',': true, ':': true}

// enter goes into the object or list that comes next.
func (s *scanner) enter() {
	s.peek()
	s.at++
}

// more reports whether the object or list goes on, and leaves it if not.
func (s *scanner) more() bool {
	if c := s.peek(); c != '}' && c != ']' {
		return true
	}
	s.at++
	return false
}

// name reads the name that comes next, as canonical JSON. Names are short, so it compares each byte.
func (s *scanner) name() []byte {
	s.peek()
	text, at := s.text, s.at+1
	for text[at] != '"' {
		if text[at] == '\\' {
			return canonical(s.value())
		}
		at++
	}
	name := text[s.at : at+1]
	s.at = at + 1
	return name
}

// value reads the value that comes next.
func (s *scanner) value() []byte {
	c := s.peek()
	start := s.at
	switch c {
	case '"':
		s.skipString()
	case '{', '[':
		s.skipNested()
	default:
		s.skipWord()
	}
	return s.text[start:s.at]
}

func (s *scanner) skipString() {
	text, at := s.text, s.at+1
	for {
		at += bytes.IndexByte(text[at:], '"')
		escapes := 0 // a quote after an odd number of backslashes is part of the string
		for text[at-1-escapes] == '\\' {
			escapes++
		}
		at++
		if escapes%2 == 0 {
			s.at = at
			return
		}
	}
}

func (s *scanner) skipNested() {
	for depth := 0; ; {
		switch s.text[s.at] {
		case '"':
			s.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
		if depth == 0 {
			return
		}
	}
}

// skipWord skips a number, true, false or null.
func (s *scanner) skipWord() {
	for ; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case ',', '}', ']', ' ', '\t', '\r', '\n':
			return
		}
	}
}

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
	for s.enter(); s.more(); {
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
		for s.enter(); s.more(); {
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
		for s.enter(); s.more(); index-- {
			if value := s.value(); index == 0 {
				return span{uint32(s.at - len(value)), uint32(s.at)}, true
			}
		}
	}
	return found, ok
}
