package filter

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"revox-graphql/upstream"
)

// equalTo is whether a JSON text, which is well-formed, is the wanted value. Numbers are equal by their value: 1, 1.0
// and 1e0 are one number, and no digit is lost of a long one. The order of an object's members does not count.
func equalTo(wanted any) func(text string) bool {
	switch wanted := wanted.(type) {
	case nil:
		return func(text string) bool { return text == "null" }
	case bool:
		return func(text string) bool { return text == strconv.FormatBool(wanted) }
	case string:
		return func(text string) bool { return text[0] == '"' && upstream.Unquote(text) == wanted }
	case []any:
		return func(text string) bool { return text[0] == '[' && sameValue(decode(text), wanted) }
	case map[string]any:
		return func(text string) bool { return text[0] == '{' && sameValue(decode(text), wanted) }
	default:
		number := decimalOf(numberText(wanted))
		return func(text string) bool { return isNumber(text) && decimalOf(text) == number }
	}
}

// decode reads a JSON text, which is well-formed.
func decode(text string) any {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil { // it is nested deeper than encoding/json reads
		return nil
	}
	return value
}

// sameValue compares a decoded value with the wanted one.
func sameValue(value, wanted any) bool {
	switch wanted := wanted.(type) {
	case []any:
		list, ok := value.([]any)
		if !ok || len(list) != len(wanted) {
			return false
		}
		for i := range list {
			if !sameValue(list[i], wanted[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		object, ok := value.(map[string]any)
		if !ok || len(object) != len(wanted) {
			return false
		}
		for name, member := range object {
			other, ok := wanted[name]
			if !ok || !sameValue(member, other) {
				return false
			}
		}
		return true
	case nil, bool, string:
		return value == wanted
	default:
		number, ok := value.(json.Number)
		return ok && decimalOf(string(number)) == decimalOf(numberText(wanted))
	}
}

func isNumber(text string) bool { return text[0] == '-' || text[0] >= '0' && text[0] <= '9' }

// within reports whether a JSON text is a number of the range.
func within(text string, from, to float64) bool {
	if !isNumber(text) {
		return false
	}
	n, _ := strconv.ParseFloat(text, 64) // its error is about numbers that are too large, and n is infinite then
	return n >= from && n <= to
}

// numberText is a number as text: variables bring [json.Number], and literals int64 and float64.
func numberText(n any) string {
	if f, ok := n.(float64); ok {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return fmt.Sprint(n)
}

// decimal is a number as digits and an exponent of ten, in the one form that has no zero at either end.
type decimal struct {
	negative bool
	digits   string
	exponent int64
}

// decimalOf reads a number as JSON has it.
func decimalOf(text string) decimal {
	var d decimal
	text, d.negative = strings.CutPrefix(text, "-")
	mantissa, exponent := text, ""
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent = text[:i], strings.TrimPrefix(text[i+1:], "+")
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	power, err := strconv.ParseInt(cmp.Or(exponent, "0"), 10, 32)
	if err != nil { // it is equal to itself alone
		return decimal{d.negative, text, 0}
	}
	digits := strings.TrimLeft(whole+fraction, "0")
	d.digits = strings.TrimRight(digits, "0")
	if d.digits == "" {
		return decimal{}
	}
	d.exponent = power - int64(len(fraction)) + int64(len(digits)-len(d.digits))
	return d
}
