package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"revox-graphql/upstream"
)

// sized is a row of so many bytes, with whatever could mislead a search for its end.
func sized(id, bytes int) string {
	row := fmt.Sprintf(`{"id": "%d", "x": {"a": [1, "]}\"", {}]}, "y": "\\"`, id)
	return row + `, "z": "` + strings.Repeat("z", max(0, bytes-len(row)-len(`, "z": ""}`))) + `"}`
}

func TestRowsAreLeftOutForTheirSize(t *testing.T) {
	const limit = 10_000
	tests := map[string]struct {
		rows []int // bytes of each
		size int   // of the page; 0 is 12
		out  string
		err  error
	}{
		"all fit":                       {rows: []int{4000, 4000}, out: "01"},
		"one that fits alone":           {rows: []int{9000}, out: "0"},
		"larger than all that is read":  {rows: []int{100, 30_000, 100}, out: "0-2"},
		"the first":                     {rows: []int{30_000, 100, 100}, out: "-12"},
		"the last":                      {rows: []int{100, 100, 30_000}, out: "01-"},
		"alone":                         {rows: []int{30_000}, out: "-"},
		"before what does not fit":      {rows: []int{9000, 800, 800}, out: "-12"},
		"before another that is large":  {rows: []int{6000, 3000, 3000}, out: "-12"},
		"two":                           {rows: []int{100, 12_000, 100, 12_000, 100}, out: "0-2-4"},
		"many that are not large":       {rows: []int{3000, 3000, 3000, 3000}, err: upstream.ErrTooLarge},
		"too large to be passed":        {rows: []int{100, 50_000, 100}, err: upstream.ErrTooLarge},
		"a page that can be halved":     {rows: []int{100, 30_000, 100}, size: smallestHalved, err: upstream.ErrTooLarge},
		"a page that is not worth that": {rows: []int{100, 30_000, 100}, size: smallestHalved - 1, out: "0-2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var rows []string
			for i, bytes := range test.rows {
				rows = append(rows, sized(i, bytes))
			}
			response := `{"meta": [{}, [1]], "calls": [` + strings.Join(rows, ", ") + `]}`
			for _, reader := range []io.Reader{
				strings.NewReader(response),
				iotest.OneByteReader(strings.NewReader(response)),
				iotest.DataErrReader(strings.NewReader(response)),
			} {
				var body bytes.Buffer
				size := test.size
				if size == 0 {
					size = 12
				}
				if err := readBody(&body, reader, limit, size); !errors.Is(err, test.err) {
					t.Fatalf("got %v", err)
				} else if err != nil {
					continue
				}
				page, _, err := upstream.ParsePage(t.Context(), body.Bytes(), size)
				if err != nil || body.Len() > limit+len(upstream.OmittedRow) {
					t.Fatalf("%v; %d bytes: %.200s", err, body.Len(), body.Bytes())
				}
				var got strings.Builder
				for _, row := range page.Rows {
					switch {
					case row.Call != nil:
						got.WriteString(row.Call.ID)
					case row.Problem == "it is too large":
						got.WriteString("-")
					}
				}
				if got.String() != test.out {
					t.Errorf("got %s, want %s", got.String(), test.out)
				}
			}
		})
	}
}

// A body that is no list of calls is not read to its end.
func TestGarbageIsNotReadOn(t *testing.T) {
	for name, garbage := range map[string]string{
		"nothing":       strings.Repeat("\x00", 50_000),
		"one text":      `{"calls": ["` + strings.Repeat("x", 50_000) + `"]}`,
		"deep":          strings.Repeat("[", 50_000),
		"closed":        strings.Repeat("]", 50_000),
		"never a row":   `{"calls": [` + strings.Repeat("1,", 50_000),
		"no end of row": `{"calls": [{"a": "` + strings.Repeat("x", 1_000_000),
	} {
		t.Run(name, func(t *testing.T) {
			rest := strings.NewReader(garbage)
			var body bytes.Buffer
			if err := readBody(&body, rest, 10_000, 1); !errors.Is(err, upstream.ErrTooLarge) {
				t.Errorf("got %v", err)
			}
			if read := len(garbage) - rest.Len(); read > 200_000 || body.Len() > 11_000 {
				t.Errorf("%d bytes were read, %d kept", read, body.Len())
			}
		})
	}
}

// Random responses: what is kept is JSON with every row in its place, and a row is only left out if it is large.
func TestRandomResponsesAreCut(t *testing.T) {
	const limit = 5000
	cut := 0
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 1))
		var rows []string
		for i := range 1 + random.IntN(12) {
			rows = append(rows, sized(i, []int{60, 400, 2400, 2600, 5100, 9000}[random.IntN(6)]))
		}
		response := `{"calls":[` + strings.Join(rows, ",") + `]}`
		var body bytes.Buffer
		if err := readBody(&body, strings.NewReader(response), limit, 12); err != nil {
			continue
		}
		var kept struct{ Calls []json.RawMessage }
		if err := json.Unmarshal(body.Bytes(), &kept); err != nil || len(kept.Calls) != len(rows) {
			t.Fatalf("seed %d: %v, %d of %d rows", seed, err, len(kept.Calls), len(rows))
		}
		for i, row := range kept.Calls {
			if string(row) == upstream.OmittedRow {
				cut++
			}
			if string(row) != rows[i] && (string(row) != upstream.OmittedRow || len(rows[i]) < limit/2) {
				t.Fatalf("seed %d, row %d of %d bytes: %.100s", seed, i, len(rows[i]), row)
			}
		}
	}
	if cut < 500 {
		t.Errorf("%d rows were left out", cut)
	}
}
