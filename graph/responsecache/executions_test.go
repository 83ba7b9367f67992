package responsecache_test

import (
	"context"
	"testing"
	"testing/synctest"

	"revox-graphql/graph/responsecache"
)

// Those that join an execution get its response, and a later request begins another.
func TestExecutionsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, key := responsecache.NewExecutions(), responsecache.Key{Text: "a"}
		execution, first := all.Join(t.Context(), key)
		if !first {
			t.Fatal("there is one already")
		}
		got := make(chan *responsecache.Response)
		for range 3 {
			go func() {
				joined, first := all.Join(t.Context(), key)
				if first || joined != execution {
					t.Error("it did not join")
				}
				got <- joined.Wait(t.Context())
			}()
		}
		synctest.Wait()
		if other, first := all.Join(t.Context(), responsecache.Key{Text: "b"}); !first || other.End(nil, 0) {
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
		if next, first := all.Join(t.Context(), key); !first || next.End(response, 0) {
			t.Error("it was still in flight, or shared with nobody")
		}
	})
}

// Without a response to share, those that have joined are told so at once.
func TestExecutionsWithoutResponses(t *testing.T) {
	all, key := responsecache.NewExecutions(), responsecache.Key{}
	execution, _ := all.Join(t.Context(), key)
	joined, _ := all.Join(t.Context(), key)
	if execution.End(nil, 0) || joined.Wait(t.Context()) != nil {
		t.Error("there is a response")
	}
}

// An execution goes on until all of its clients have left. Then the next client begins another.
func TestExecutionsEndWhenAllHaveLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, key := responsecache.NewExecutions(), responsecache.Key{}
		one, leaveOne := context.WithCancel(t.Context())
		two, leaveTwo := context.WithCancel(t.Context())
		defer leaveTwo()
		execution, _ := all.Join(one, key)
		joined, _ := all.Join(two, key)
		leaveOne()
		synctest.Wait()
		if execution.Context().Err() != nil {
			t.Error("it ended while a client waited")
		}
		leaveTwo()
		if joined.Wait(two) != nil || execution.Context().Err() == nil {
			t.Error("it goes on for nobody")
		}
		next, first := all.Join(t.Context(), key)
		if !first {
			t.Fatal("a client joined an execution that has been cancelled")
		}
		execution.End(nil, 0)
		if again, first := all.Join(t.Context(), key); first || again != next {
			t.Error("the end of one execution removed the next")
		}
		next.End(nil, 0)
	})
}
