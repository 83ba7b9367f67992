// Package dice generates random numbers that are the same for the same seed in every version of Go.
package dice

import "math"

// Dice is a SplitMix64 generator: one word of state, a few nanoseconds a throw, and the same throws for the same seed
// in every version, which no generator of a library promises.
type Dice uint64

// golden is the odd constant that SplitMix64 steps by.
const golden = 0x9E3779B97F4A7C15

// New returns dice of their own for a call, or for whatever else salt stands for.
func New(seed, salt uint64) Dice {
	return Dice(mix(seed + mix(salt*golden+1)))
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// Next throws 64 bits.
func (d *Dice) Next() uint64 {
	*d += golden
	return mix(uint64(*d))
}

// Below throws a whole number from 0 to n-1. n must be positive and, for an even chance, small.
func (d *Dice) Below(n int) int {
	return int((d.Next() >> 33) % uint64(n))
}

// Between throws a whole number from least to most.
func (d *Dice) Between(least, most int) int {
	return least + d.Below(most-least+1)
}

// OneIn is true once in n throws.
func (d *Dice) OneIn(n int) bool {
	return d.Below(n) == 0
}

// Exponential throws a waiting time whose mean is 1.
func (d *Dice) Exponential() float64 {
	return -math.Log(1 - float64(d.Next()>>11)/(1<<53))
}

// Pick throws one of several.
func Pick[T any](d *Dice, of []T) T {
	return of[d.Below(len(of))]
}

// Weighted throws an index, each with the chance that its weight gives it.
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
