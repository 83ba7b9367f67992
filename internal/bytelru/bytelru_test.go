package bytelru

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// counted is a cache of strings, and the bytes that it has reported.
func counted(entries, bytes int) (*Cache[string, string], *atomic.Int64) {
	var sum atomic.Int64
	return New[string, string](Options{MaxEntries: entries, MaxBytes: bytes, Count: func(n int64) { sum.Add(n) }}), &sum
}

func TestEviction(t *testing.T) {
	for name, test := range map[string]struct {
		change func(c *Cache[string, string])
		want   []string // values, the least recently used first
		bytes  int
	}{
		"nothing changes": {func(*Cache[string, string]) {}, []string{"A", "B", "C"}, 60},
		"the least recently used leaves": {
			func(c *Cache[string, string]) { c.Put("d", "D", 50) }, []string{"B", "C", "D"}, 100,
		},
		"as many leave as must": {func(c *Cache[string, string]) { c.Put("d", "D", 60) }, []string{"C", "D"}, 90},
		"a look-up is a use": {
			func(c *Cache[string, string]) { c.Get("a"); c.Put("d", "D", 50) }, []string{"C", "A", "D"}, 90,
		},
		"entries are bounded": {
			func(c *Cache[string, string]) { c.Put("d", "D", 1); c.Put("e", "E", 1) },
			[]string{"B", "C", "D", "E"},
			52,
		},
		"a key is replaced": {
			func(c *Cache[string, string]) { c.Put("a", "A2", 15) }, []string{"B", "C", "A2"}, 65,
		},
		"one that is too large": {
			func(c *Cache[string, string]) { c.Put("d", "D", 101) }, []string{"A", "B", "C"}, 60,
		},
		"one that has become too large": {func(c *Cache[string, string]) { c.Put("a", "A2", 101) }, []string{"B", "C"}, 50},
		"an entry grows": {
			func(c *Cache[string, string]) { c.Grow("c", "C", 40) }, []string{"A", "B", "C"}, 100,
		},
		"growth evicts others":          {func(c *Cache[string, string]) { c.Grow("c", "C", 45) }, []string{"B", "C"}, 95},
		"growth beyond the whole cache": {func(c *Cache[string, string]) { c.Grow("c", "C", 71) }, []string{}, 0},
		"an entry becomes smaller": {
			func(c *Cache[string, string]) { c.Grow("c", "C", -5) }, []string{"A", "B", "C"}, 55,
		},
		"growth of a value that has left": {
			func(c *Cache[string, string]) { c.Grow("c", "C2", 5); c.Grow("x", "X", 5) },
			[]string{"A", "B", "C"},
			60,
		},
		"shrinking":                  {func(c *Cache[string, string]) { freed(c, 11, 30) }, []string{"C"}, 30},
		"shrinking by nothing":       {func(c *Cache[string, string]) { freed(c, 0, 0) }, []string{"A", "B", "C"}, 60},
		"shrinking by more than all": {func(c *Cache[string, string]) { freed(c, 1000, 60) }, []string{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, sum := counted(4, 100)
			c.Put("a", "A", 10)
			c.Put("b", "B", 20)
			c.Put("c", "C", 30)
			test.change(c)
			if got := c.Values(); !slices.Equal(got, test.want) || c.Len() != len(test.want) {
				t.Errorf("%q are cached, want %q", got, test.want)
			}
			if c.Bytes() != test.bytes || sum.Load() != int64(test.bytes) {
				t.Errorf("%d bytes, reported as %d; want %d", c.Bytes(), sum.Load(), test.bytes)
			}
		})
	}
}

// freed shrinks a cache, and checks how many bytes were freed.
func freed(c *Cache[string, string], bytes, want int64) {
	if got := c.Shrink(bytes); got != want {
		panic(fmt.Sprintf("%d bytes were freed, want %d", got, want))
	}
}

func TestGet(t *testing.T) {
	c := New[int, string](Options{MaxEntries: 2, MaxBytes: 10})
	c.Put(1, "one", 5)
	if value, ok := c.Get(1); value != "one" || !ok {
		t.Errorf("got %q, %v", value, ok)
	}
	if value, ok := c.Get(2); value != "" || ok {
		t.Errorf("got %q, %v", value, ok)
	}
}

// Under concurrent use, the bounds hold, and the bytes that are reported are those that are cached.
func TestConcurrentUse(t *testing.T) {
	const entries, bytes = 8, 500
	c, sum := counted(entries, bytes)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 2000 {
				key := fmt.Sprint((worker*7 + i*3) % 20)
				switch i % 5 {
				case 0, 1:
					c.Put(key, key, 10+i%90)
				case 2:
					if value, ok := c.Get(key); ok && value != key {
						t.Errorf("%q has the value %q", key, value)
					}
				case 3:
					c.Grow(key, key, 5)
				case 4:
					c.Shrink(int64(i % 50))
				}
				if n, used := c.Len(), c.Bytes(); n > entries || used > bytes {
					t.Errorf("%d entries of %d bytes", n, used)
				}
			}
		})
	}
	all.Wait()
	if sum.Load() != int64(c.Bytes()) {
		t.Errorf("%d bytes, reported as %d", c.Bytes(), sum.Load())
	}
	if c.Shrink(1 << 30); c.Bytes() != 0 || c.Len() != 0 || sum.Load() != 0 {
		t.Errorf("%d bytes of %d entries are left, reported as %d", c.Bytes(), c.Len(), sum.Load())
	}
}
