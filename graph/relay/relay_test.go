package relay

import (
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func ids(s string) (h []Hash) { // one neighbour a letter
	for _, letter := range s {
		h = append(h, NewHash(string(letter)))
	}
	return h
}

// sample is a cursor of list 5.
func sample() Cursor {
	return Cursor{
		List: 5, Position: 1234, Since: time.Unix(0, 1773480413589012345),
		Process: 0xabcdef, Started: 1773480400000, Noise: 3,
		Element: NewHash("x"), Before: ids("abc"), After: ids("de"),
	}
}

func TestNewRange(t *testing.T) {
	cursor := sample()
	tests := map[string]struct {
		args     Arguments
		want     Range
		argument string // to blame
		err      error
	}{
		"nothing":   {args: Arguments{}, want: Range{Count: 20}},
		"first":     {args: Arguments{First: new(7)}, want: Range{Count: 7}},
		"first 0":   {args: Arguments{First: new(0)}, want: Range{}},
		"first 100": {args: Arguments{First: new(100)}, want: Range{Count: 100}},
		"last":      {args: Arguments{Last: new(7)}, want: Range{Count: 7, Backward: true}},
		"after":     {args: Arguments{After: new(cursor.String())}, want: Range{Count: 20, After: &cursor}},
		"before, last": {
			args: Arguments{Last: new(1), Before: new(cursor.String())}, want: Range{Count: 1, Backward: true, Before: &cursor},
		},
		"empty cursors":       {args: Arguments{After: new(""), Before: new("")}, want: Range{Count: 20}},
		"first -1":            {args: Arguments{First: new(-1)}, argument: "first"},
		"last -1":             {args: Arguments{Last: new(-1)}, argument: "last"},
		"first 101":           {args: Arguments{First: new(101)}, argument: "first"},
		"last 101":            {args: Arguments{Last: new(101)}, argument: "last"},
		"both":                {args: Arguments{First: new(1), Last: new(1)}, argument: "last"},
		"garbage":             {args: Arguments{After: new("garbage")}, err: ErrInvalidCursor},
		"garbage before":      {args: Arguments{Before: new("!")}, err: ErrInvalidCursor},
		"another list's":      {args: Arguments{After: new(Cursor{List: 6}.String())}, err: ErrInvalidCursor},
		"the number is first": {args: Arguments{First: new(-1), After: new("garbage")}, argument: "first"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := NewRange(test.args, 5, 100)
			if wrong, ok := errors.AsType[*ArgumentError](err); ok && wrong.Argument == test.argument {
				return
			}
			if test.argument != "" || !errors.Is(err, test.err) {
				t.Fatalf("error %v", err)
			}
			if err == nil && !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v", got)
			}
		})
	}
	if r, err := NewRange(Arguments{}, 5, 10); err != nil || r.Count != 10 {
		t.Errorf("a maximum below the default: %+v, %v", r, err)
	}
}

// Cursors outlive the process that made them: a change of their form needs a new version.
func TestCursorsAreStable(t *testing.T) {
	first := sample()
	first.Since, first.Process, first.Started, first.Noise = time.UnixMilli(1773480413589), 0, 0, 0
	for name, test := range map[string]struct {
		text string
		want Cursor
	}{
		"version 1": {"AQXSCZWTrt3OMzL1TIYCFwfcTIYB7IzfTIYB8aXeTIYB7_LZTIYB53PYTIYB5cBCXAFu", first},
		"version 2": {"AgXSCfn-16Cj4arOGKvN74DS2rqdZwMy9UyGAhcH3EyGAeyM30yGAfGl3kyGAe_y2UyGAedz2EyGAeXA5yvAgA", sample()},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseCursor(test.text)
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	const want = "AgXSCfn-16Cj4arOGKvN74DS2rqdZwMy9UyGAhcH3EyGAeyM30yGAfGl3kyGAe_y2UyGAedz2EyGAeXA5yvAgA"
	if got := sample().String(); got != want {
		t.Errorf("the cursor's text form has changed to %s", got)
	}
}

func TestParseCursorRefuses(t *testing.T) {
	good := sample().String()
	for name, text := range map[string]string{
		"nothing":             "",
		"no base64":           "***",
		"padding":             good + "=",
		"a longer one":        good + "AAAA",
		"a shorter one":       good[:len(good)-4],
		"another version":     "D" + good[1:],
		"a changed letter":    good[:10] + strings.Map(func(r rune) rune { return r ^ 1 }, good[10:11]) + good[11:],
		"four bytes":          base64.RawURLEncoding.EncodeToString([]byte{1, 2, 3, 4}),
		"many neighbours":     Cursor{Before: ids("abcd")}.String(),
		"too far":             Cursor{Position: MaxPosition + 1}.String(),
		"before everything":   Cursor{Position: -1}.String(),
		"after the year 9999": Cursor{Started: maxStarted + 1}.String(),
		"long before 1970":    Cursor{Started: -maxStarted - 1}.String(),
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := ParseCursor(text); !errors.Is(err, ErrInvalidCursor) {
				t.Errorf("%q: %+v, %v", text, c, err)
			}
		})
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(sample().String())
	f.Add(Cursor{}.String())
	f.Add("AQXSCZWTrt3OMzL1TIYCFwfcTIYB7IzfTIYB8aXeTIYB7_LZTIYB53PYTIYB5cBCXAFu")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCursor(text)
		if err != nil {
			return
		}
		if again, err := ParseCursor(c.String()); err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v reads as %+v, %v", c, again, err)
		}
	})
}

func FuzzCover(f *testing.F) {
	f.Add(uint32(0), uint8(0), uint8(20), uint8(199))
	f.Add(uint32(19_950), uint8(1), uint8(101), uint8(199))
	f.Fuzz(func(t *testing.T, anchor uint32, behind, ahead, maxSize uint8) {
		a, size := int(anchor), int(maxSize)+1
		lo, hi := max(0, a-int(behind)), a+1+int(ahead)
		rows := Rows{lo, hi}
		n, s := Cover(a, rows, rows, Sizes{1, size})
		if s < 1 || s > size || n*s > a || (n+1)*s <= a {
			t.Fatalf("page %d of %d rows does not hold row %d", n, s, a)
		}
		// No page holds more of the range, and none smaller holds as much.
		held := func(n, s int) int { return min(hi, (n+1)*s) - max(lo, n*s) }
		for other := 1; other <= size; other++ {
			if h := held(a/other, other); h > held(n, s) || other < s && h == held(n, s) {
				t.Fatalf(
					"page %d of %d rows holds %d of [%d, %d), and page %d of %d holds %d",
					n, s, held(n, s), lo, hi, a/other, other, h,
				)
			}
		}
	})
}

// The figures in Cover's documentation, and the claim that one page nearly always does.
func TestCoverOverAStandingList(t *testing.T) {
	for first, most := range map[int]float64{10: 1.8, 20: 1.6, 50: 1.3, 100: 1.25} {
		pages, rows, requests := 0, 0, 0
		for at := 0; at < 20_000; at += first {
			lo, hi := max(0, at-1), at+first+1
			n, s := Cover(lo, Rows{lo, hi}, Rows{max(0, lo-3), hi + 3}, Sizes{1, 200})
			pages, requests, rows = pages+1, requests+1, rows+s
			if (n+1)*s < hi {
				requests++
			}
		}
		ratio, each := float64(rows)/float64(pages*first), float64(requests)/float64(pages)
		t.Logf("first %d: %.2f requests a page, %.2f times the rows", first, each, ratio)
		if ratio > most || each > 1.01 {
			t.Errorf("first %d: %.2f requests a page, %.2f times the rows", first, each, ratio)
		}
	}
}
