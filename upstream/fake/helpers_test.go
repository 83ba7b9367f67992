package fake_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"revox-graphql/upstream/fake"
)

// moment is a Tuesday afternoon.
var moment = time.Date(2026, time.March, 17, 14, 30, 0, 0, time.UTC)

func still() time.Time { return moment }

// manual is a clock that a test moves.
type manual struct {
	mu sync.Mutex
	at time.Time
}

func (m *manual) now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at
}

func (m *manual) add(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = m.at.Add(d)
}

// row is a call as the documentation describes it. It shares no type with the code, on purpose.
type row struct {
	ID               string                     `json:"id"`
	AnsweredAt       *time.Time                 `json:"answered_at"`
	DialError        *string                    `json:"dial_error"`
	EndedAt          *time.Time                 `json:"ended_at"`
	PhoneNumber      string                     `json:"phone_number"`
	RecordingURL     *string                    `json:"recording_url"`
	Result           *string                    `json:"result"`
	StartedAt        *time.Time                 `json:"started_at"`
	Status           string                     `json:"status"`
	EndReason        *string                    `json:"end_reason"`
	EndedBy          *string                    `json:"ended_by"`
	StructuredOutput map[string]json.RawMessage `json:"structured_output"`
	Transcript       []entry                    `json:"transcript"`

	size int
}

type entry struct {
	Content       string          `json:"content"`
	Role          string          `json:"role"`
	ToolArguments json.RawMessage `json:"tool_arguments"`
	ToolIsError   *bool           `json:"tool_is_error"`
	ToolName      *string         `json:"tool_name"`
}

// ask sends a request without a network.
func ask(t testing.TB, u *fake.Upstream, query string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/call?"+query, nil)
	w := httptest.NewRecorder()
	u.ServeHTTP(w, r)
	return w
}

// page asks for a page and reads it strictly.
func page(t testing.TB, u *fake.Upstream, number, size int, more string) []row {
	t.Helper()
	w := ask(t, u, "page="+strconv.Itoa(number)+"&page_size="+strconv.Itoa(size)+more)
	if w.Code != http.StatusOK {
		t.Fatalf("page %d: %d %s", number, w.Code, w.Body)
	}
	var body struct {
		Calls []json.RawMessage `json:"calls"`
	}
	strict(t, w.Body.Bytes(), &body)
	if body.Calls == nil {
		t.Fatalf("page %d: calls is not a list", number)
	}
	rows := make([]row, len(body.Calls))
	for i, raw := range body.Calls {
		strict(t, raw, &rows[i])
		rows[i].size = len(raw)
	}
	return rows
}

func strict(t testing.TB, data []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}

// everything returns the whole list, read in large pages.
func everything(t testing.TB, u *fake.Upstream) []row {
	t.Helper()
	var all []row
	for number := 0; ; number++ {
		rows := page(t, u, number, 500, "")
		all = append(all, rows...)
		if len(rows) < 500 {
			return all
		}
	}
}

func ids(rows []row) []string {
	list := make([]string, len(rows))
	for i, r := range rows {
		list[i] = r.ID
	}
	return list
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
