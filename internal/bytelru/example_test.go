package bytelru_test

import (
	"fmt"

	"revox-graphql/internal/bytelru"
)

// The least recently used entries leave until the bytes fit.
func Example() {
	cached := 0
	cache := bytelru.New[string, string](bytelru.Options{
		MaxEntries: 100, MaxBytes: 10, Count: func(bytes int64) { cached += int(bytes) },
	})
	cache.Put("a", "four", 4)
	cache.Put("b", "five!", 5)
	cache.Get("a")
	cache.Put("c", "six...", 6)
	_, ok := cache.Get("b")
	fmt.Println(cache.Values(), cached, ok)
	// Output: [four six...] 10 false
}
