// Package dice generates random numbers that are the same for the same seed in every version of Go.
package dice

import "math"

// Dice is a SplitMix64 generator: one word of state, a few nanoseconds per number, and the same numbers for the same
// seed in every version, which no generator of a library promises.
type Dice uint64

// golden is the odd constant by which SplitMix64 increases its state.
const golden = 0x9E3779B97F4A7C15

// New returns a generator of its own for each pair of seed and salt, for example for each call.
func New(seed, salt uint64) Dice {
	return Dice(mix(seed + mix(salt*golden+1)))
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// Next returns 64 random bits.
func (d *Dice) Next() uint64 {
	*d += golden
	return mix(uint64(*d))
}

// Below returns a random number from 0 to n-1. n must be positive and, for equal chances, far below 2^31.
func (d *Dice) Below(n int) int {
	return int((d.Next() >> 33) % uint64(n))
}

// Between returns a random number from least to most.
func (d *Dice) Between(least, most int) int {
	return least + d.Below(most-least+1)
}

// OneIn returns true with the probability 1/n.
func (d *Dice) OneIn(n int) bool {
	return d.Below(n) == 0
}

// Exponential returns a random waiting time whose mean is 1.
func (d *Dice) Exponential() float64 {
	return -math.Log(1 - float64(d.Next()>>11)/(1<<53))
}

// Pick returns a random one of several.
func Pick[T any](d *Dice, of []T) T {
	return of[d.Below(len(of))]
}

// Weighted returns a random index; the probability of each is proportional to its weight.
func Weighted[T any](d *Dice, of []T, weight func(*T) int) int {
	total := 0
	for i := range of {
		total += weight(&of[i])
	}
	n := d.Below(total)
	for i := range of {
		if n -= weight(&of[i]); n < 0 {
			return i
		}
	}
	return len(of) - 1
}
