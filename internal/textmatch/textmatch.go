// Package textmatch finds a text inside others, as people expect it: without regard to case, and to how letters with
// accents are encoded. "STRASSE" is found in "Straße". "é" is found in "é", whether each of them is one character or a
// letter followed by an accent. "cafe" is not found in "café": an accent is part of its letter.
//
// A text is folded: it is decomposed (NFD), its case is folded in full, and it is composed again (NFC). That is
// canonical caseless matching (Unicode 3.13, D145), with composed text at the end, done for one character at a time:
// only a Greek iota subscript that has further accents may be missed. A folded text is searched byte by byte. Text in
// ASCII, which is most of what is searched, is folded without these steps.
package textmatch

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Pattern is a text to look for. It is immutable.
type Pattern struct{ folded []byte }

// NewPattern makes a pattern of a text. An empty text is in every text.
func NewPattern(text string) Pattern {
	f := NewFolder()
	f.folded = f.appendText(f.folded, text)
	return Pattern{f.folded}
}

// In reports whether the pattern is in a text that a [Folder] has folded. An accent of the pattern's last letter must
// not follow it there.
func (p Pattern) In(folded []byte) bool {
	for rest := folded; ; {
		at := bytes.Index(rest, p.folded)
		if at < 0 {
			return false
		}
		behind := rest[at+len(p.folded):]
		if len(behind) == 0 || behind[0] < utf8.RuneSelf || norm.NFC.Properties(behind).BoundaryBefore() {
			return true
		}
		rest = rest[at+1:]
	}
}

// Folder folds texts, one after the other. It must not be used concurrently.
type Folder struct {
	folded []byte
	fold   cases.Caser

	decomposed, caseless []byte // buffers of letter

	known map[rune]letter // characters that have occurred
}

// letter is the folded form of a character.
type letter struct {
	text  string
	joins bool // it may compose with what is before it
}

// maxKnown bounds the characters that a folder remembers.
const maxKnown = 4096

// NewFolder makes a folder.
func NewFolder() *Folder { return &Folder{fold: cases.Fold(), known: map[rune]letter{}} }

// JSON folds the text of a JSON string, which must be well-formed. The result is valid until the next use of the
// folder.
func (f *Folder) JSON(value string) []byte {
	f.folded = f.folded[:0]
	text := value[1 : len(value)-1]
	for {
		i := strings.IndexByte(text, '\\')
		if i < 0 {
			f.folded = f.appendText(f.folded, text)
			return f.folded
		}
		f.folded = f.appendText(f.folded, text[:i])
		text = f.unescape(text[i:])
	}
}

// unescape folds the escape with which a text begins, and returns what follows. A lone surrogate reads as U+FFFD.
func (f *Folder) unescape(text string) string {
	const long = len(`\u0000`)
	switch text[1] {
	case 'u':
		r := unhex(text)
		rest := text[long:]
		if r >= 0xD800 && r < 0xDC00 && strings.HasPrefix(rest, `\u`) {
			if low := unhex(rest); low >= 0xDC00 && low < 0xE000 {
				r, rest = 0x10000+(r-0xD800)<<10+(low-0xDC00), rest[long:]
			}
		}
		f.folded = f.appendText(f.folded, string(r))
		return rest
	case 'n':
		f.folded = append(f.folded, '\n')
	case 'r':
		f.folded = append(f.folded, '\r')
	case 't':
		f.folded = append(f.folded, '\t')
	case 'b':
		f.folded = append(f.folded, '\b')
	case 'f':
		f.folded = append(f.folded, '\f')
	default: // it stands for itself
		f.folded = append(f.folded, text[1])
	}
	return text[2:]
}

// unhex reads the four digits of \u0000.
func unhex(text string) rune {
	n, _ := strconv.ParseUint(text[2:6], 16, 16) // the string is well-formed
	return rune(n)
}

// appendText appends the folded form of a text.
func (f *Folder) appendText(dst []byte, text string) []byte {
	for {
		var n int
		dst, n = appendASCII(dst, text)
		if text = text[n:]; text == "" {
			return dst
		}
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		if l := f.letter(r); l.joins {
			dst = norm.NFC.AppendString(dst, l.text)
		} else {
			dst = append(dst, l.text...)
		}
	}
}

// appendASCII appends the ASCII with which a text begins, in lower case, and returns how many bytes that was.
func appendASCII(dst []byte, text string) ([]byte, int) {
	const word, ones = 8, 0x0101010101010101
	n := 0
	for ; len(text)-n >= word; n += word {
		letters := binary.LittleEndian.Uint64([]byte(text[n : n+word]))
		if letters&(ones*utf8.RuneSelf) != 0 {
			break
		}
		// The highest bit of a byte is set in the first sum from A on, and in the second one behind Z.
		capitals := (letters + ones*(0x80-'A')) ^ (letters + ones*(0x7F-'Z'))
		dst = binary.LittleEndian.AppendUint64(dst, letters|capitals&(ones*0x80)>>2)
	}
	for ; n < len(text) && text[n] < utf8.RuneSelf; n++ {
		c := text[n]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst, n
}

// letter folds a character beyond ASCII.
func (f *Folder) letter(r rune) letter {
	if l, ok := f.known[r]; ok {
		return l
	}
	f.decomposed = norm.NFD.AppendString(f.decomposed[:0], string(r))
	const longest = 3 // full folding makes at most three characters of one, and none of them has more bytes
	if need := longest * len(f.decomposed); cap(f.caseless) < need {
		f.caseless = make([]byte, need)
	}
	f.fold.Reset()
	n, _, err := f.fold.Transform(f.caseless[:cap(f.caseless)], f.decomposed, true)
	if err != nil { // there is room, and every text can be folded
		panic(err)
	}
	caseless := f.caseless[:n]
	l := letter{norm.NFC.String(string(caseless)), !norm.NFC.Properties(caseless).BoundaryBefore()}
	if len(f.known) < maxKnown {
		f.known[r] = l
	}
	return l
}
