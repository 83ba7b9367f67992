// Package idhash hashes the ids of calls. A cursor names calls by these hashes (package relay). A page keeps the
// hashes of its rows (package upstream), so that a call is hashed once for each page and not once for each cursor.
package idhash

// Hash stands for an id.
type Hash uint64

// Bits is how many bits a hash has: among the 2,000 rows that a search may look at, one is mistaken for another once in
// 10^11 searches.
const Bits = 48

// Of hashes an id with FNV-1a, which gives the same hash in every process. Of does not use hash/fnv, which allocates
// memory for each hash.
func Of(id string) Hash {
	const offset, prime = 14695981039346656037, 1099511628211
	sum := uint64(offset)
	for i := range len(id) {
		sum = (sum ^ uint64(id[i])) * prime
	}
	return Hash(sum & (1<<Bits - 1))
}
