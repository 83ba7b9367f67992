package filter

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
)

// BenchmarkMatch judges a page of 200 calls as the fake writes them. The bytes are those of the transcripts.
func BenchmarkMatch(b *testing.B) {
	api := fake.New(fake.Config{Seed: 1, Calls: 400, Now: func() time.Time { return time.Unix(1773480413, 0) }})
	response := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/call?page=1&page_size=200", http.NoBody)
	api.ServeHTTP(response, request)
	page, _, err := upstream.ParsePage(b.Context(), response.Body.Bytes(), 200)
	if err != nil || len(page.Rows) != 200 {
		b.Fatalf("%v, %d rows", err, len(page.Rows))
	}
	said := 0
	for _, row := range page.Rows {
		n, _ := row.Call.TranscriptLen()
		for i := range n {
			said += len(row.Call.Entry(i).Content())
		}
	}
	for name, text := range map[string]string{
		"index":  `{"result": ["HUMAN"], "durationSeconds": {"min": 60}, "startedAt": {"from": "2026-01-01T00:00:00Z"}}`,
		"fields": `{"endReason": ["tool_end_call"], "phoneNumber": {"startsWith": "+33"}}`,
		"output": `{"structuredOutput": [{"path": "nps", "max": 3}]}`,
		"tool":   `{"tool": {"name": "none", "failed": true}}`,
		"text":   `{"transcript": {"contains": "a text that nobody says"}}`,
	} {
		b.Run(name, func(b *testing.B) {
			f, err := Compile("filter", input(b, text))
			if err != nil {
				b.Fatal(err)
			}
			if name == "text" {
				b.SetBytes(int64(said))
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, row := range page.Rows {
					f.Match(row.Call)
				}
			}
		})
	}
}
