package graph

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// Values are those of encoding/json with numbers as written.
func TestValuesOfJSON(t *testing.T) {
	for _, text := range []string{
		`null`, `true`, `false`, `""`, `"a\"\u00e9\ud83d\ude00\n"`, `0`, `-1.50e+3`, `123456789012345678901234567890`,
		`[]`, `{}`, `[[],{},null]`, ` [ 1 , "2" , [ 3 ] ] `, `{"a":{"b":[{"c":null},{"c":1.0}]},"é\t":"d"}`,
		strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
	} {
		var want any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time with a decoder that was used
			if got := valueOf(jsontext.Value(text)); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %#v, want %#v", text, got, want)
			}
		}
	}
	if got := valueOf(jsontext.Value(`[{"a":[1`)); got == nil {
		t.Error("a text that ends too early has no value")
	}
}
