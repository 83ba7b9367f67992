package relay

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"reflect"
	"slices"
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

// forged is a text with the checksum of a cursor.
func forged(body []byte) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(body, crc32.ChecksumIEEE(body)))
}

// A checksum does not make a cursor: anybody can compute it.
func TestForgedCursorsAreRefused(t *testing.T) {
	text := sample().String()
	whole, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	body := whole[:len(whole)-4]
	if got := forged(slices.Clone(body)); got != text {
		t.Fatalf("%s is forged as %s", text, got)
	}
	for n := range body {
		if c, err := ParseCursor(forged(slices.Clone(body[:n]))); !errors.Is(err, ErrInvalidCursor) {
			t.Errorf("the first %d bytes: %+v, %v", n, c, err)
		}
	}
	uvarints := func(values ...uint64) []byte {
		b := []byte{cursorVersion}
		for _, v := range values {
			b = binary.AppendUvarint(b, v)
		}
		return b
	}
	// Process, Started, the numbers of neighbours, Element
	end := append(binary.AppendVarint([]byte{0, 0, 0}, 0), 0, 0, 0, 0, 0, 0, 0)
	endless := slices.Repeat([]byte{0xff}, 11)
	for name, test := range map[string]struct {
		body []byte
		ok   bool
	}{
		"the largest":         {append(uvarints(1<<16-1, MaxPosition, math.MaxInt64), end...), true},
		"another list":        {append(uvarints(1<<16, 0, 0), end...), false},
		"too far":             {append(uvarints(0, MaxPosition+1, 0), end...), false},
		"after 2262":          {append(uvarints(0, 0, math.MaxInt64+1), end...), false},
		"bytes behind it":     {append(append(uvarints(0, 0, 0), end...), 0), false},
		"version 0":           {append(append([]byte{0}, uvarints(0, 0, 0)[1:]...), end...), false},
		"a number of 11 byte": {append(append([]byte{cursorVersion}, endless...), end...), false},
	} {
		if c, err := ParseCursor(forged(test.body)); (err == nil) != test.ok {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

// What a cursor can hold is read as it was written.
func TestExtremeCursors(t *testing.T) {
	for name, c := range map[string]Cursor{
		"the last position":   {Position: MaxPosition, Since: time.Unix(0, 0)},
		"the year 9999":       {Started: maxStarted, Noise: math.MaxUint32, Since: time.Unix(0, 0)},
		"long before 1970":    {Started: -maxStarted, Since: time.Unix(0, 0)},
		"the last list":       {List: math.MaxUint16, Since: time.Unix(0, 0)},
		"the last process":    {Process: 1<<24 - 1, Since: time.Unix(0, 0)},
		"the largest hashes":  {Element: 1<<48 - 1, Before: []Hash{1<<48 - 1}, After: []Hash{1}, Since: time.Unix(0, 0)},
		"the most neighbours": {Before: ids("abc"), After: ids("def"), Since: time.Unix(0, 0)},
	} {
		if got, err := ParseCursor(c.String()); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if before := (Cursor{Since: time.Unix(-1, 0)}).String(); before != (Cursor{Since: time.Unix(0, 0)}).String() {
		t.Errorf("a response before 1970: %s", before)
	}
}

// Tags of processes are 24 bits, as a cursor holds them, and never 0, which is unknown.
func TestNewProcess(t *testing.T) {
	seen := map[Process]bool{}
	for range 1000 {
		p := NewProcess()
		if p == 0 || p >= 1<<24 {
			t.Fatalf("tag %d", p)
		}
		seen[p] = true
	}
	if len(seen) < 990 {
		t.Errorf("only %d of 1,000 tags differ", len(seen))
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
