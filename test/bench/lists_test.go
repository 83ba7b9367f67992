package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// The lists beside the fake's are distinct, their pages are JSON, and what is hostile in them is no larger than the
// gateway reads.
func TestLoadedUpstream(t *testing.T) {
	u, err := startLoadedUpstream(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer u.stop()
	seen := map[string]bool{}
	for _, with := range []string{"", largeStatus, hostileStatus, hangingStatus} {
		for _, list := range lists(with) {
			if seen[list] || !strings.Contains(list, with) {
				t.Errorf("%q is there twice, or without %q", list, with)
			}
			seen[list] = true
		}
	}
	if len(seen) != 15+3*16 {
		t.Errorf("%d lists", len(seen))
	}
	page := listPageOf("completed", listRows-3, 20, mediumRow)
	var rows struct {
		Calls []struct {
			ID         string
			Transcript []said
		}
	}
	if err := json.Unmarshal(page, &rows); err != nil || len(rows.Calls) != 3 ||
		rows.Calls[0].ID != listID("completed", listRows-3) ||
		len(rows.Calls[0].Transcript[0].Content) != mediumRow {
		t.Errorf("the last page: %v, %d calls", err, len(rows.Calls))
	}
	if past := listPageOf("completed", listRows+7, 20, mediumRow); string(past) != `{"calls":[]}` {
		t.Errorf("past the end: %.100s", past)
	}
	for i, body := range u.bodies {
		if b := body(); len(b) > upstreamMost || len(b) < upstreamMost/2 || !json.Valid(b) {
			t.Errorf("hostile body %d has %d bytes, or is no JSON", i, len(b))
		}
	}
	u.refuse.Store(&http.Header{"Retry-After": {"9"}})
	for i, want := range []int{http.StatusTooManyRequests, http.StatusOK} {
		resp, err := http.Get(u.url + "/call?page=0&page_size=2&statuses=completed")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want || (resp.Header.Get("Retry-After") != "") != (i == 0) {
			t.Errorf("request %d: %s, %v", i, resp.Status, resp.Header)
		}
	}
	if u.requests.Load() != 2 || u.most() != 1 || u.most() != 0 {
		t.Errorf("%d requests", u.requests.Load())
	}
}
