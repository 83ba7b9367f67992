package fake_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/upstream/fake"
)

func TestPagesAreTheList(t *testing.T) {
	u := fake.New(fake.Config{Seed: 3, Calls: 157, Now: still})
	for _, statuses := range [][]string{
		nil, {"completed"}, {"errored", "scheduled"}, {"calling"}, {"initializing", "cancelled"},
	} {
		for _, size := range []int{1, 2, 3, 7, 20, 156, 157, 158, 1000} {
			t.Run(fmt.Sprintf("%v by %d", statuses, size), func(t *testing.T) {
				want := u.IDs(statuses...)
				more := ""
				if statuses != nil {
					more = "&statuses=" + strings.Join(statuses, ",")
				}
				got := []string{}
				for number := range len(want)/size + 2 {
					got = append(got, ids(page(t, u, number, size, more))...)
				}
				if !slices.Equal(got, want) {
					t.Errorf("pages give %d calls, the list has %d:\n%v\n%v", len(got), len(want), got, want)
				}
			})
		}
	}
	if far := page(t, u, 1<<62, 1000, ""); len(far) != 0 {
		t.Errorf("a page beyond all numbers has %d rows", len(far))
	}
}

func TestStatusesPartTheList(t *testing.T) {
	u := fake.New(fake.Config{Seed: 4, Calls: 2_000, Now: still})
	var all []string
	for _, status := range orderStatuses {
		some := u.IDs(status)
		if len(some) == 0 {
			t.Errorf("no call of an order that is %s", status)
		}
		all = append(all, some...)
	}
	list := u.IDs()
	slices.Sort(all)
	if sorted := slices.Sorted(slices.Values(list)); !slices.Equal(all, sorted) {
		t.Errorf("the statuses have %d calls together, the list has %d", len(all), len(list))
	}
	if len(slices.Compact(all)) != 2_000 {
		t.Error("an id occurs twice")
	}
	if got := u.IDs("nonsense"); len(got) != 0 {
		t.Errorf("%d calls of no status", len(got))
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	a := fake.New(fake.Config{Seed: 11, Calls: 300, Now: still})
	b := fake.New(fake.Config{Seed: 11, Calls: 300, Now: still})
	c := fake.New(fake.Config{Seed: 12, Calls: 300, Now: still})
	const all = "page=0&page_size=300"
	first := ask(t, a, all).Body.String()
	if ask(t, a, all).Body.String() != first {
		t.Error("asked twice, answered differently")
	}
	if ask(t, b, all).Body.String() != first {
		t.Error("same seed, other bytes")
	}
	if ask(t, c, all).Body.String() == first {
		t.Error("other seed, same bytes")
	}
}

func TestInsertAndRemoveShiftPages(t *testing.T) {
	u := fake.New(fake.Config{Seed: 5, Calls: 40, Now: still})
	before := u.IDs()
	fresh := u.Insert(3)
	if len(fresh) != 3 || !slices.Equal(u.IDs(), slices.Concat(fresh, before)) {
		t.Fatalf("after Insert: %v", u.IDs())
	}
	got := page(t, u, 1, 10, "")
	if !slices.Equal(ids(got), before[7:17]) {
		t.Error("three calls at the head do not move page 1 by three")
	}
	for _, r := range page(t, u, 0, 3, "") {
		if r.Status != "queued" || r.StartedAt != nil || r.Transcript != nil {
			t.Errorf("a call that has just arrived: %+v", r)
		}
	}

	if n := u.Remove(before[0], before[20], "nobody", before[20]); n != 2 {
		t.Errorf("Remove says %d", n)
	}
	want := slices.Concat(fresh, before[1:20], before[21:])
	if !slices.Equal(u.IDs(), want) {
		t.Error("Remove took other calls")
	}
	for place, ok := range map[int]bool{-1: false, u.Len(): false, 5: true} {
		if u.RemoveAt(place) != ok {
			t.Errorf("RemoveAt(%d) is %v", place, !ok)
		}
	}
	if want = slices.Delete(want, 5, 6); !slices.Equal(u.IDs(), want) || u.Len() != len(want) {
		t.Errorf("RemoveAt took another call: %d are left", u.Len())
	}
	again := u.Insert(1)
	if slices.Contains(before, again[0]) || slices.Contains(fresh, again[0]) {
		t.Error("an id is given twice")
	}
	if got := u.Insert(0); len(got) != 0 {
		t.Error("nothing inserted is something")
	}
}

func TestSetRows(t *testing.T) {
	u := fake.New(fake.Config{Seed: 6, Calls: 10, Now: still})
	odd := []json.RawMessage{[]byte(`{"id":"a","status":{}}`), []byte(`{"id":7}`), []byte(` null `), []byte(`{"id": "z"}`)}
	u.SetRows(odd...)
	got := ask(t, u, "page=0&page_size=9&statuses=errored").Body.String()
	if got != `{"calls":[{"id":"a","status":{}},{"id":7}, null ,{"id": "z"}]}` {
		t.Errorf("not verbatim: %s", got)
	}
	if got := ask(t, u, "page=1&page_size=3").Body.String(); got != `{"calls":[{"id": "z"}]}` {
		t.Errorf("page 1: %s", got)
	}
	if got := u.IDs(); !slices.Equal(got, []string{"a", "", "", "z"}) {
		t.Errorf("IDs: %q", got)
	}
	if u.RemoveAt(0) || u.Len() != len(odd) {
		t.Error("RemoveAt takes a row of SetRows for a call")
	}
	fresh := u.Insert(1)
	if n := u.Remove("a"); n != 1 {
		t.Errorf("Remove says %d", n)
	}
	if got := u.IDs("errored"); !slices.Equal(got, []string{fresh[0], "", "", "z"}) {
		t.Errorf("IDs after a call arrived and a row left: %q", got)
	}
	u.SetRows()
	if got := ask(t, u, "page=0&page_size=9").Body.String(); got != `{"calls":[]}` {
		t.Errorf("empty: %s", got)
	}
}

func TestEmptyList(t *testing.T) {
	u := fake.New(fake.Config{Now: still})
	if got := ask(t, u, "page=0&page_size=5").Body.String(); got != `{"calls":[]}` {
		t.Error(got)
	}
	if u.Insert(2); len(u.IDs()) != 2 {
		t.Error("nothing arrived")
	}
}

func TestRunLivesUntilCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := fake.New(fake.Config{Seed: 8, Calls: 10})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			u.Run(ctx, 30)
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(u.IDs()) - 10; n < 1_500 || n > 2_100 {
			t.Errorf("%d calls in an hour at 30 a minute", n)
		}
		states := map[string]int{}
		for _, r := range page(t, u, 0, 300, "") {
			states[r.Status]++
		}
		for _, status := range []string{"queued", "ringing", "ongoing", "completed", "error"} {
			if states[status] == 0 {
				t.Errorf("nothing is %s: %v", status, states)
			}
		}
		cancel()
		<-done
		n := len(u.IDs())
		time.Sleep(time.Hour)
		if len(u.IDs()) != n {
			t.Error("calls arrive after the end")
		}
		u.Run(ctx, 0) // returns, although it has nothing to do
	})
}
