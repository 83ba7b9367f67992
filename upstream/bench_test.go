package upstream

import (
	"encoding/json"
	"io"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"revox-graphql/upstream/fake"
)

// fakeResponse is a response with so many calls as the fake writes them.
func fakeResponse(tb testing.TB, calls string) []byte {
	tb.Helper()
	server := fake.New(fake.Config{
		Seed: 1, Calls: 1000,
		Now: func() time.Time { return time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC) },
	})
	response := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(tb.Context(), "GET", "/api/call?page=0&page_size="+calls, nil)
	server.ServeHTTP(response, request)
	body, err := io.ReadAll(response.Body)
	if err != nil || response.Code != 200 {
		tb.Fatal(response.Code, err)
	}
	return body
}

// BenchmarkParsePage reads a response of 100 calls.
func BenchmarkParsePage(b *testing.B) {
	body := fakeResponse(b, "100")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var page *Page
	for b.Loop() {
		var err error
		if page, _, err = ParsePage(b.Context(), body, 100); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(page.Bytes)/float64(len(body)), "B/json-B")
}

// BenchmarkEncodingJSON reads the same response into structs with the standard library, for comparison.
func BenchmarkEncodingJSON(b *testing.B) {
	body := fakeResponse(b, "100")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var response struct {
			Calls []struct {
				ID               string          `json:"id"`
				Status           string          `json:"status"`
				PhoneNumber      *string         `json:"phone_number"`
				StartedAt        *time.Time      `json:"started_at"`
				AnsweredAt       *time.Time      `json:"answered_at"`
				EndedAt          *time.Time      `json:"ended_at"`
				Result           *string         `json:"result"`
				DialError        *string         `json:"dial_error"`
				EndReason        *string         `json:"end_reason"`
				EndedBy          *string         `json:"ended_by"`
				RecordingURL     *string         `json:"recording_url"`
				StructuredOutput json.RawMessage `json:"structured_output"`
				Transcript       []struct {
					Role          string          `json:"role"`
					Content       string          `json:"content"`
					ToolName      *string         `json:"tool_name"`
					ToolArguments json.RawMessage `json:"tool_arguments"`
					ToolIsError   *bool           `json:"tool_is_error"`
				} `json:"transcript"`
			} `json:"calls"`
		}
		if err := json.Unmarshal(body, &response); err != nil || len(response.Calls) != 100 {
			b.Fatal(err)
		}
	}
}

// A page takes hardly more memory than its response has bytes.
func TestPageMemory(t *testing.T) {
	body := fakeResponse(t, "100")
	const n = 50
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	pages := make([]*Page, n)
	counted := 0
	for i := range pages {
		page, _, err := ParsePage(t.Context(), body, 100)
		if err != nil {
			t.Fatal(err)
		}
		pages[i] = page
		counted += page.Bytes
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	heap := float64(after.HeapAlloc - before.HeapAlloc)
	if ratio := heap / float64(n*len(body)); ratio > 1.3 {
		t.Errorf("the heap takes %.2f times the responses' bytes", ratio)
	}
	if ratio := heap / float64(counted); ratio < 0.9 || ratio > 1.1 {
		t.Errorf("the heap takes %.2f times what Page.Bytes says", ratio)
	}
	runtime.KeepAlive(pages)
}
