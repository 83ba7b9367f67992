package responsecache_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"revox-graphql/graph/responsecache"
)

// Those that join an execution get its response, and a later request begins another.
func TestExecutionsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, key := responsecache.NewExecutions(100), responsecache.Key{Text: "a"}
		execution, first, _ := all.Join(t.Context(), key)
		if !first {
			t.Fatal("there is one already")
		}
		got := make(chan *responsecache.Response)
		for range 3 {
			go func() {
				joined, first, _ := all.Join(t.Context(), key)
				if first || joined != execution {
					t.Error("it did not join")
				}
				got <- joined.Wait(t.Context())
			}()
		}
		synctest.Wait()
		if other, first, _ := all.Join(t.Context(), responsecache.Key{Text: "b"}); !first || other.End(nil, 0) {
			t.Error("another request joined")
		}
		response := &responsecache.Response{Body: []byte("x")}
		if !execution.End(response, 7) || response.Held != 7 {
			t.Error("it is not shared")
		}
		for range 3 {
			if <-got != response {
				t.Error("another response")
			}
		}
		if next, first, _ := all.Join(t.Context(), key); !first || next.End(response, 0) {
			t.Error("it was still in flight, or shared with nobody")
		}
	})
}

// Without a response to share, those that have joined learn that at once.
func TestExecutionsWithoutResponses(t *testing.T) {
	all, key := responsecache.NewExecutions(100), responsecache.Key{}
	execution, _, _ := all.Join(t.Context(), key)
	joined, _, _ := all.Join(t.Context(), key)
	if execution.End(nil, 0) || joined.Wait(t.Context()) != nil {
		t.Error("there is a response")
	}
}

// An execution goes on until all of its clients have left. Then the next client begins another.
func TestExecutionsEndWhenAllHaveLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, key := responsecache.NewExecutions(100), responsecache.Key{}
		one, leaveOne := context.WithCancel(t.Context())
		two, leaveTwo := context.WithCancel(t.Context())
		defer leaveTwo()
		execution, _, _ := all.Join(one, key)
		joined, _, _ := all.Join(two, key)
		leaveOne()
		synctest.Wait()
		if execution.Context().Err() != nil {
			t.Error("it ended while a client waited")
		}
		leaveTwo()
		if joined.Wait(two) != nil || execution.Context().Err() == nil {
			t.Error("it goes on for nobody")
		}
		next, first, _ := all.Join(t.Context(), key)
		if !first {
			t.Fatal("a client joined an execution that has been cancelled")
		}
		execution.End(nil, 0)
		if again, first, _ := all.Join(t.Context(), key); first || again != next {
			t.Error("the end of one execution removed the next")
		}
		next.End(nil, 0)
	})
}

// One execution may have half of all waiters, and leaves as many to others as are free.
func TestWaitersAreBounded(t *testing.T) {
	all := responsecache.NewExecutions(8)
	join := func(text string) (*responsecache.Execution, error) {
		x, _, err := all.Join(t.Context(), responsecache.Key{Text: text})
		return x, err
	}
	var running []*responsecache.Execution
	for _, next := range []struct {
		text    string
		waiters int
	}{{"a", 4}, {"b", 2}, {"c", 1}, {"d", 1}, {"e", 0}} {
		execution, err := join(next.text)
		if err != nil {
			t.Fatal(err)
		}
		running = append(running, execution)
		for waiters := 0; ; waiters++ {
			if _, err := join(next.text); err != nil {
				if !errors.Is(err, responsecache.ErrTooManyWait) || waiters != next.waiters {
					t.Errorf("%s has %d waiters, and then %v", next.text, waiters, err)
				}
				break
			}
		}
	}
	running[0].End(nil, 0)
	for range 4 {
		running[0].Wait(t.Context())
	}
	if _, err := join("e"); err != nil {
		t.Errorf("a request may not wait although others have ceased to: %v", err)
	}
}
