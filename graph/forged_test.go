package graph_test

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"
)

// forge changes a cursor. A forgery with a good checksum is read like any other cursor.
func forge(cursor string, dice *rand.Rand) string {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		panic(err)
	}
	b = b[:len(b)-4]
	for range 1 + dice.IntN(3) {
		switch i := dice.IntN(len(b)); dice.IntN(6) {
		case 0:
			b = slices.Insert(b, i, byte(dice.Uint32()))
		case 1:
			b = slices.Delete(b, i, min(len(b), i+1+dice.IntN(8)))
		default:
			b[i] = byte(dice.Uint32())
		}
		if len(b) == 0 {
			b = []byte{2}
		}
	}
	sum := crc32.ChecksumIEEE(b)
	if dice.IntN(10) == 0 {
		sum++
	}
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, sum))
}

// Whatever a cursor says, the response is a page of the list or an error that says what is wrong with the cursor, after
// few requests to upstream.
func TestForgedCursors(t *testing.T) {
	g := newGateway(t, gatewayOptions{calls: 3000})
	a := g.query(t, `{ calls(first: 100) { edges { cursor } } }`, nil)
	var cursors []string
	for _, edge := range at(t, a.Data, "calls", "edges").([]any) {
		cursors = append(cursors, at(t, edge, "cursor").(string))
	}
	dice := rand.New(rand.NewPCG(1, 2))
	codes, requests := map[string]int{}, map[int]int{}
	for i := range 10_000 {
		query := `query ($c: String) { calls(first: 10, after: $c) { nodes { id } pageInfo { hasNextPage } } }`
		if i%2 == 1 {
			query = `query ($c: String) { calls(last: 10, before: $c) { nodes { id } pageInfo { hasPreviousPage } } }`
		}
		g.fake.ResetRequests()
		a := g.query(t, query, map[string]any{"c": forge(cursors[dice.IntN(len(cursors))], dice)})
		requests[len(g.fake.Requests())]++
		code := ""
		if len(a.Errors) > 0 {
			code = a.code(t)
		}
		codes[code]++
		if !slices.Contains([]string{"", "INVALID_CURSOR", "CURSOR_EXPIRED"}, code) {
			t.Fatalf("%+v", a.Errors)
		}
	}
	t.Logf("codes %v, forgeries by requests to upstream %v", codes, requests)
	if codes[""] == 0 || codes["INVALID_CURSOR"] == 0 || codes["CURSOR_EXPIRED"] == 0 {
		t.Errorf("not all happens: %v", codes)
	}
}
