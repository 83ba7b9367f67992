package rest_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/rest"
)

// notes is an [upstream.Observer] that records some of its calls.
type notes struct {
	upstream.Unobserved
	statuses chan bool

	mu           sync.Mutex
	unrecognized []string
	sizes        []int
	firsts       []int
}

func (n *notes) StatusesChecked(_ upstream.Tenant, applied bool) { n.statuses <- applied }

func (n *notes) Unrecognized(field, value string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.unrecognized = append(n.unrecognized, field+"="+value)
}

func (n *notes) PageSize(_ upstream.Tenant, rows int) { n.sizes = append(n.sizes, rows) }

func (n *notes) FirstPage(_ upstream.Tenant, number int) { n.firsts = append(n.firsts, number) }

// Whether upstream understands how statuses travel is found out by comparing lists, once.
func TestStatusesCheck(t *testing.T) {
	formats := []rest.StatusesFormat{rest.StatusesComma, rest.StatusesRepeat, rest.StatusesBrackets}
	for _, sent := range formats {
		for _, understood := range formats {
			t.Run(string(sent)+" to "+string(understood), func(t *testing.T) {
				f, base := newFake(t, 2000)
				f.Behave(func(b *fake.Behaviour) { b.StatusesFormat = string(understood) })
				seen := notes{statuses: make(chan bool, 2)}
				c := rest.NewClient(rest.Options{BaseURL: base, StatusesFormat: sent, CheckStatuses: true, Observer: &seen})
				opts := as("")
				opts.PageSize = 20
				opts.Statuses = upstream.NewOrderStatuses(upstream.OrderStatusCancelled, upstream.OrderStatusErrored)
				for range 2 {
					_, err := c.ListCalls(t.Context(), opts)
					if err != nil && sent == rest.StatusesComma {
						return // a text with a comma is no status: refused, which is clear enough
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if applied := <-seen.statuses; applied != (sent == understood) {
					t.Errorf("applied: %v", applied)
				}
				c.Close()
				if len(seen.statuses) > 0 {
					t.Error("checked more than once")
				}
			})
		}
	}
}

func TestUnrecognizedValuesAreReported(t *testing.T) {
	f, base := newFake(t, 0)
	f.SetRows(
		json.RawMessage(
			`{"id": "a", "result": "robot", "mood": "happy", "dial_error": 42, "transcript": `+
				`[{"role": "narrator", "content": "x", "pitch": 1, "id": "secret"}]}`,
		),
		json.RawMessage(
			`{"id": "b", "result": "robot", "mood": "sad", "started_at": "a secret", "recording_url": {"secret": 1}}`,
		),
		json.RawMessage(`{"id": "c", "result": "`+strings.Repeat("é", 100)+`"}`),
		json.RawMessage(
			`{"id": "d", "result": "human", "status": "completed", "ended_by": null, "structured_output": {"anything": 1}}`,
		),
	)
	var seen notes
	c := rest.NewClient(rest.Options{BaseURL: base, Observer: &seen})
	defer c.Close()
	opts := as("")
	opts.PageSize = 4
	if _, err := c.ListCalls(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"result=robot", "mood=", "dial_error=a number", "transcript.role=narrator", "transcript.pitch=", "transcript.id=",
		"started_at=a text", "recording_url=an object", "result=" + strings.Repeat("é", 32),
	}
	slices.Sort(want)
	slices.Sort(seen.unrecognized)
	if !slices.Equal(seen.unrecognized, want) {
		t.Errorf("got  %q\nwant %q", seen.unrecognized, want)
	}
}

func TestSelfChecksAreTold(t *testing.T) {
	f, base := newFake(t, 500)
	f.Behave(func(b *fake.Behaviour) { b.FirstPage, b.MaxPageSize = 1, 50 })
	var seen notes
	c := rest.NewClient(rest.Options{BaseURL: base, FirstPage: upstream.FirstPageAuto, Observer: &seen})
	defer c.Close()
	for _, size := range []int{100, 100, 50, 20} {
		opts := as("")
		opts.PageSize = size
		_, _ = c.ListCalls(t.Context(), opts)
	}
	if !slices.Equal(seen.firsts, []int{1}) || !slices.Equal(seen.sizes, []int{50}) {
		t.Errorf("first page %v, page size %v", seen.firsts, seen.sizes)
	}
}

// A response of too many bytes is requested in halves.
func TestTooLargeResponsesAreRequestedInHalves(t *testing.T) {
	_, base := newFake(t, 100)
	for _, compressed := range []bool{false, true} {
		c := rest.NewClient(rest.Options{
			BaseURL: base, MaxResponseBytes: 50_000, Transport: &http.Transport{DisableCompression: !compressed},
		})
		size, halved := 100, 0
		for {
			opts := as("")
			opts.PageSize = size
			page, err := c.ListCalls(t.Context(), opts)
			if tooLarge, ok := errors.AsType[*upstream.PageSizeError](err); ok && tooLarge.Most == size/2 {
				size, halved = tooLarge.Most, halved+1
				continue
			}
			if err != nil || len(page.Rows) != size || halved == 0 {
				t.Errorf("%v, halved %d times", err, halved)
			}
			break
		}
		c.Close()
	}
}
