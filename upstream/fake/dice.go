package fake

import "math"

// dice is a SplitMix64 generator: one word of state, a few nanoseconds a throw, and the same throws for the same seed
// for ever, which is not promised of a generator in a library.
type dice uint64

// golden is the odd constant that SplitMix64 steps by.
const golden = 0x9E3779B97F4A7C15

// newDice returns dice of their own for a call, or for whatever else salt stands for.
func newDice(seed, salt uint64) dice {
	return dice(mix(seed + mix(salt*golden+1)))
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

func (d *dice) next() uint64 {
	*d += golden
	return mix(uint64(*d))
}

// below throws a whole number from 0 to n-1. n must be positive and, for an even chance, small.
func (d *dice) below(n int) int {
	return int((d.next() >> 33) % uint64(n))
}

// between throws a whole number from least to most.
func (d *dice) between(least, most int) int {
	return least + d.below(most-least+1)
}

// oneIn is true once in n throws.
func (d *dice) oneIn(n int) bool {
	return d.below(n) == 0
}

// exponential throws a waiting time whose mean is 1.
func (d *dice) exponential() float64 {
	return -math.Log(1 - float64(d.next()>>11)/(1<<53))
}

// pick throws one of several.
func pick[T any](d *dice, of []T) T {
	return of[d.below(len(of))]
}

// weighed throws an index, each with the chance its weight gives it.
func weighed[T any](d *dice, of []T, weight func(*T) int) int {
	total := 0
	for i := range of {
		total += weight(&of[i])
	}
	n := d.below(total)
	for i := range of {
		if n -= weight(&of[i]); n < 0 {
			return i
		}
	}
	return len(of) - 1
}
