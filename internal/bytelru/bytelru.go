// Package bytelru is a least-recently-used cache that is bounded by entries and by bytes.
//
// The package adds to simplelru what every cache of the gateway needs: the size of each entry, an eviction that
// continues until the bytes fit, entries that grow while they are cached, and a report of every change to an account
// of memory.
package bytelru

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Options are the bounds of a cache.
type Options struct {
	// MaxEntries is the largest number of entries; at least 1.
	MaxEntries int
	// MaxBytes is the largest sum of the entries' sizes, in bytes.
	MaxBytes int
	// Count reports by how many bytes the cache has grown, or shrunk if the number is negative; nil reports nothing. The
	// cache is locked meanwhile, so Count must not call the cache.
	Count func(bytes int64)
}

// Cache is safe for concurrent use. Values are compared only by [Cache.Grow].
type Cache[K, V comparable] struct {
	opts Options

	mu    sync.Mutex
	lru   *simplelru.LRU[K, entry[V]]
	bytes int
}

type entry[V any] struct {
	value V
	size  int // bytes
}

// New makes an empty cache.
func New[K, V comparable](opts Options) *Cache[K, V] {
	c := &Cache[K, V]{opts: opts}
	// The one error of NewLRU is a size below 1.
	c.lru, _ = simplelru.NewLRU(max(1, opts.MaxEntries), func(_ K, evicted entry[V]) {
		c.count(-evicted.size)
	})
	return c
}

// Get returns the value of a key, which becomes the most recently used.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.lru.Get(key)
	return found.value, ok
}

// Put caches a value of so many bytes in place of the key's present one, if there is one, and evicts the least
// recently used entries until the bytes fit. If the value is larger than the whole cache, Put only removes the present
// one.
func (c *Cache[K, V]) Put(key K, value V, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lru.Remove(key)
	if bytes > c.opts.MaxBytes {
		return
	}
	c.lru.Add(key, entry[V]{value, bytes})
	c.count(bytes)
	c.fit()
}

// Grow adds bytes to the size of an entry, or takes some off if the number is negative. It does nothing if the key has
// another value by now, or none.
func (c *Cache[K, V]) Grow(key K, value V, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	present, ok := c.lru.Peek(key)
	if !ok || present.value != value {
		return
	}
	present.size += bytes
	c.lru.Add(key, present) // which evicts nothing, since the key is there
	c.count(bytes)
	c.fit()
}

// Shrink evicts the least recently used entries until so many bytes have gone, or all entries, and returns how many
// bytes have gone.
func (c *Cache[K, V]) Shrink(bytes int64) (freed int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.bytes
	for c.lru.Len() > 0 && int64(before-c.bytes) < bytes {
		c.lru.RemoveOldest()
	}
	return int64(before - c.bytes)
}

// Len is the number of entries.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lru.Len()
}

// Bytes is the sum of the entries' sizes.
func (c *Cache[K, V]) Bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// Values are the values of all entries, the least recently used first.
func (c *Cache[K, V]) Values() []V {
	c.mu.Lock()
	defer c.mu.Unlock()
	values := make([]V, 0, c.lru.Len())
	for _, e := range c.lru.Values() {
		values = append(values, e.value)
	}
	return values
}

func (c *Cache[K, V]) count(bytes int) {
	c.bytes += bytes
	if c.opts.Count != nil {
		c.opts.Count(int64(bytes))
	}
}

// fit evicts the least recently used entries until the bytes fit.
func (c *Cache[K, V]) fit() {
	for c.bytes > c.opts.MaxBytes && c.lru.Len() > 0 {
		c.lru.RemoveOldest()
	}
}
