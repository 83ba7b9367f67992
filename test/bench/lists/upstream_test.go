package lists

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"revox-graphql/test/bench/load"
)

// The lists are distinct, hostile bodies are JSON that the gateway may read, and a rejection has its header once.
func TestUpstream(t *testing.T) {
	u, err := Start(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Stop()
	seen := map[string]bool{}
	for _, with := range []string{"", Large, Hostile, Hanging} {
		for _, list := range Names(with) {
			if seen[list] || !strings.Contains(list, with) {
				t.Errorf("%q is not distinct, or without %q", list, with)
			}
			seen[list] = true
		}
	}
	if len(seen) != 15+3*16 {
		t.Errorf("%d lists", len(seen))
	}
	for i, body := range u.bodies {
		if b := body(); len(b) > maxBody || len(b) < maxBody/2 || !json.Valid(b) {
			t.Errorf("hostile body %d has %d bytes, or is no JSON", i, len(b))
		}
	}
	u.RefuseNext.Store(&http.Header{"Retry-After": {"9"}})
	for i, want := range []int{http.StatusTooManyRequests, http.StatusOK} {
		resp, err := http.Get(u.URL + "/call?page=0&page_size=2&statuses=completed")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want || (resp.Header.Get("Retry-After") != "") != (i == 0) {
			t.Errorf("request %d: %s, %v", i, resp.Status, resp.Header)
		}
	}
	if u.Requests.Load() != 2 || u.TakeMaxInFlight() != 1 || u.TakeMaxInFlight() != 0 {
		t.Errorf("%d requests", u.Requests.Load())
	}
}

// A page ends with the list.
func TestPages(t *testing.T) {
	page := body("completed", Rows-3, 20, mediumRow)
	var rows struct {
		Calls []struct {
			ID         string
			Transcript []load.TranscriptEntry
		}
	}
	if err := json.Unmarshal(page, &rows); err != nil || len(rows.Calls) != 3 ||
		rows.Calls[0].ID != ID("completed", Rows-3) ||
		len(rows.Calls[0].Transcript[0].Content) != mediumRow {
		t.Errorf("the last page: %v, %d calls", err, len(rows.Calls))
	}
	if past := body("completed", Rows+7, 20, mediumRow); string(past) != `{"calls":[]}` {
		t.Errorf("past the end: %.100s", past)
	}
}
