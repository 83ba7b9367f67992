package upstream

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A JSON string can be written in many ways. Texts are kept in the one that needs no thought when they are written:
// as GraphQL servers write them, with no escape but those that JSON demands. All strings here are well-formed.

// isCanonical reports whether a JSON string is what [appendString] writes. (Where that writes \u this says no: it is
// rare enough to be written again.)
func isCanonical(value []byte) bool {
	for {
		i := bytes.IndexByte(value, '\\')
		if i < 0 {
			return true
		}
		switch value[i+1] {
		case 'n', 'r', 't', '"', '\\':
			value = value[i+2:]
		default:
			return false
		}
	}
}

// canonical is the string as [appendString] writes it.
func canonical(value []byte) []byte {
	if isCanonical(value) {
		return value
	}
	return appendString(nil, unquote(value))
}

// appendString appends text as a JSON string.
func appendString(dst, text []byte) []byte {
	const hex = "0123456789ABCDEF"
	dst = append(dst, '"')
	start := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[start:i]...)
		start = i + 1
		switch c {
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '"', '\\':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

// Unquote is the text of a JSON string, which must be well-formed. A lone surrogate reads as U+FFFD.
func Unquote(value string) string {
	if inner := value[1 : len(value)-1]; strings.IndexByte(inner, '\\') < 0 {
		return inner
	}
	return string(unquote([]byte(value)))
}

// unquote is [Unquote]; its result may be part of value.
func unquote(value []byte) []byte {
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	text, _ := jsontext.AppendUnquote(make([]byte, 0, len(inner)), value) // its error is about lone surrogates
	return text
}
