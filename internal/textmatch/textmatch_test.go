package textmatch

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// contains looks for a text in another, which is first made a JSON string.
func contains(t testing.TB, text, pattern string) bool {
	t.Helper()
	value, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return NewPattern(pattern).In(NewFolder().JSON(string(value)))
}

func TestContains(t *testing.T) {
	for name, test := range map[string]struct {
		text, pattern string
		want          bool
	}{
		"nothing":                        {"", "", true},
		"nothing in a text":              {"text", "", true},
		"a text in nothing":              {"", "text", false},
		"the same":                       {"refund", "refund", true},
		"inside":                         {"I want a refund.", "refund", true},
		"capitals":                       {"I want a REFUND.", "reFund", true},
		"not there":                      {"I want a ref und.", "refund", false},
		"ß is ss":                        {"Hauptstraße 5", "HAUPTSTRASSE", true},
		"ss is ß":                        {"Hauptstrasse 5", "straße", true},
		"capital ß":                      {"STRAẞE", "strasse", true},
		"a ligature":                     {"an eﬃcient oﬃce", "office", true},
		"composed in decomposed":         {"Cafe\u0301 noir", "café", true},
		"decomposed in composed":         {"Café noir", "cafe\u0301", true},
		"capitals with accents":          {"CAFÉ", "cafe\u0301", true},
		"decomposed capitals":            {"CAFE\u0301S", "cafés", true},
		"an accent is part of a letter":  {"Café noir", "cafe", false},
		"the same decomposed":            {"Cafe\u0301 noir", "cafe", false},
		"the letter also without accent": {"Café, cafe", "cafe", true},
		"an accent without composition":  {"x\u0301y", "x", false},
		"such an accent, and then not":   {"x\u0301x", "x", true},
		"two accents in another order":   {"a\u0323\u0307", "a\u0307\u0323", true},
		"Greek final sigma":              {"ΟΔΥΣΣΕΥΣ", "οδυσσευς", true},
		"Greek with iota subscript":      {"ᾳ", "ΑΙ", true},
		"Turkish dotted I":               {"İstanbul", "i\u0307stanbul", true},
		"Kelvin":                         {"300 \u212A", "300 k", true},
		"Korean":                         {"\u1112\u1161\u11ab", "한", true},
		"an emoji":                       {"Fine 👍🏽 thanks", "👍🏽 THANKS", true},
		"quotes and backslashes":         {`She said "C:\Temp"`, `"c:\temp"`, true},
		"across a line":                  {"one\ntwo\tthree", "ONE\nTWO\tTHREE", true},
		"a control character":            {"a\u0001b\u001fc", "A\u0001B\u001FC", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := contains(t, test.text, test.pattern); got != test.want {
				t.Errorf("%q in %q: %v", test.pattern, test.text, got)
			}
		})
	}
}

// An escape that JSON does not require folds like the character that it stands for.
func TestEscapes(t *testing.T) {
	for value, want := range map[string]string{
		`"\u00C9T\u00c9"`: "été", `"\ud83d\uDE00!"`: "😀!", `"a\/b"`: "a/b", `"\b\f"`: "\b\f",
		`"\ud83d"`: "\uFFFD", `"\ude00x"`: "\uFFFDx", `"\ud83d\u0041"`: "\uFFFDa",
	} {
		if got := NewFolder().JSON(value); string(got) != want {
			t.Errorf("%s folds to %q, not %q", value, got, want)
		}
	}
}

// A text folds as the definition says, whatever was folded before, and a part of it is found in it.
func FuzzFold(f *testing.F) {
	for _, text := range []string{
		"", "Straße", "Cafe\u0301", "e\u0301", "\u0301e", "ΟΔΥΣΣΕΥΣ", "x\u0323\u0307", "한국", "👍🏽", "’s", "a\\\"",
		strings.Repeat("a\u0301", 10), "\u0301\u0301", "ﬃ", "İ",
	} {
		f.Add(text)
	}
	folder := NewFolder()
	f.Fuzz(func(t *testing.T, text string) {
		const iotaSubscript, manyAccents = "\u0345", 20
		marks := strings.Count(norm.NFD.String(text), "\u0301")
		if !utf8.ValidString(text) || strings.Contains(norm.NFD.String(text), iotaSubscript) || marks > manyAccents {
			return
		}
		value, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		got := string(folder.JSON(string(value)))
		want := norm.NFC.String(cases.Fold().String(norm.NFD.String(text)))
		if got != want {
			t.Fatalf("%q folds to %q, not %q", text, got, want)
		}
		for _, form := range []string{text, norm.NFC.String(text), norm.NFD.String(text), strings.ToUpper(text)} {
			if strings.ToUpper(text) == form && cases.Fold().String(form) != cases.Fold().String(text) {
				continue
			}
			if !NewPattern(form).In(folder.JSON(string(value))) {
				t.Fatalf("%q is not found in %q", form, text)
			}
		}
	})
}

func BenchmarkFold(b *testing.B) {
	english := `"` + strings.Repeat(`I'm a bit slow with these things, \"so\" explain it twice, please. `, 20) + `"`
	french := `"` + strings.Repeat(`Je suis désolée, l’été a été long ; où êtes-vous passé ? Ça va très bien. `, 20) + `"`
	greek := `"` + strings.Repeat(`Καλημέρα σας, θα ήθελα να ακυρώσω το ραντεβού μου. `, 20) + `"`
	pattern := NewPattern("refund")
	for name, text := range map[string]string{"english": english, "french": french, "greek": greek} {
		b.Run(name, func(b *testing.B) {
			f := NewFolder()
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if pattern.In(f.JSON(text)) {
					b.Fatal("found")
				}
			}
		})
	}
}
