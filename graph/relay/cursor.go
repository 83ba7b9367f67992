package relay

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"hash/fnv"
	"time"
)

// Cursor marks a place in a list whose rows move: it names the element that stood there and a few of its neighbours,
// and where they stood. It is complete in itself, so any replica can resume from it, also after a restart.
//
// The text form is opaque to clients. A checksum tells a cursor from a text that merely looks like one; nothing in it
// is secret, and a forged one can do no more than any other query.
type Cursor struct {
	// List tags the list, that is its filter: a cursor is good for one list.
	List uint16
	// Position is where the element stood, from 0 to MaxPosition.
	Position int
	// Since is when the answer was asked for that the cursor comes from, to the millisecond.
	Since time.Time
	// Element is the element itself.
	Element Hash
	// Before and After are its neighbours on either side, nearest first, at most Neighbours of them.
	Before, After []Hash
}

// Hash stands for an element's id. 48 bits: among the 2,000 rows that a search may look at, one that is mistaken for
// another comes up once in 10^11 searches.
type Hash uint64

const (
	hashBytes = 6
	// Neighbours is how many a cursor remembers on either side: that many may leave the list together with the element
	// before the place is lost.
	Neighbours = 3
	// MaxPosition bounds the positions of cursors, so that arithmetic on a forged one cannot overflow.
	MaxPosition = 1 << 40

	cursorVersion = 1
)

// ErrInvalidCursor says that a text is not a cursor of this list.
var ErrInvalidCursor = errors.New("not a cursor of this list")

// NewHash hashes an id with FNV-1a, which is the same in every process.
func NewHash(id string) Hash {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return Hash(h.Sum64() & (1<<(8*hashBytes) - 1))
}

// String is the cursor's text form.
func (c Cursor) String() string { return string(c.Append(nil)) }

// Append appends the cursor's text form: about 70 characters of URL-safe base64.
func (c Cursor) Append(dst []byte) []byte {
	b := append(make([]byte, 0, 96), cursorVersion)
	b = binary.AppendUvarint(b, uint64(c.List))
	b = binary.AppendUvarint(b, uint64(c.Position))
	b = binary.AppendUvarint(b, uint64(max(0, c.Since.UnixMilli())))
	b = append(b, byte(len(c.Before)<<4|len(c.After)))
	b = appendHash(b, c.Element)
	for _, h := range c.Before {
		b = appendHash(b, h)
	}
	for _, h := range c.After {
		b = appendHash(b, h)
	}
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.AppendEncode(dst, b)
}

// ParseCursor reads the text form. Its only error is [ErrInvalidCursor].
func ParseCursor(text string) (Cursor, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 5 || b[0] != cursorVersion {
		return Cursor{}, ErrInvalidCursor
	}
	b, sum := b[:len(b)-4], b[len(b)-4:]
	if crc32.ChecksumIEEE(b) != binary.BigEndian.Uint32(sum) {
		return Cursor{}, ErrInvalidCursor
	}
	r := reader{rest: b[1:]}
	c := Cursor{
		List:     uint16(r.uvarint(1<<16 - 1)),
		Position: int(r.uvarint(MaxPosition)),
		Since:    time.UnixMilli(int64(r.uvarint(1 << 45))), // the year 3084
	}
	counts := r.take(1)[0]
	c.Element = r.hash()
	c.Before = r.hashes(int(counts >> 4))
	c.After = r.hashes(int(counts & 15))
	if r.failed || len(r.rest) > 0 {
		return Cursor{}, ErrInvalidCursor
	}
	return c, nil
}

func appendHash(b []byte, h Hash) []byte {
	var word [8]byte
	binary.BigEndian.PutUint64(word[:], uint64(h))
	return append(b, word[8-hashBytes:]...)
}

// reader takes a cursor apart; what fails once yields zeros from then on.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > limit {
		r.failed = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) take(n int) []byte {
	if r.failed || len(r.rest) < n {
		r.failed = true
		return make([]byte, n)
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) hash() Hash {
	var word [8]byte
	copy(word[8-hashBytes:], r.take(hashBytes))
	return Hash(binary.BigEndian.Uint64(word[:]))
}

func (r *reader) hashes(n int) []Hash {
	if n == 0 {
		return nil
	}
	if n > Neighbours {
		r.failed = true
		return nil
	}
	hashes := make([]Hash, n)
	for i := range hashes {
		hashes[i] = r.hash()
	}
	return hashes
}
