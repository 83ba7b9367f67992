package relay

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"revox-graphql/internal/idhash"
)

// Cursor marks a place in a list whose rows move. It names the element that stood there, a few of its neighbours, and
// the position. It is complete in itself: any replica can resume from it, also after a restart.
//
// The text form is opaque to clients. A checksum distinguishes a cursor from a text that only looks like one. Nothing
// in a cursor is secret, and a forged cursor can do no more than any other query.
type Cursor struct {
	// List tags the list, that is its filter: a cursor is valid for one list.
	List uint16
	// Position is where the element stood, from 0 to MaxPosition.
	Position int
	// Since is when the cursor's response was requested, by the clock of Process, to the nanosecond.
	Since time.Time
	// Process tags the process that made the cursor; 0 is unknown. Only that process can compare Since exactly with its
	// own times: the clocks of two machines differ.
	Process Process
	// Started is the time by which a list may be ordered: when the element's call started, in milliseconds since 1970;
	// 0 where that is unknown. It is a hint where to search, and no proof.
	Started int64
	// Noise is by how many seconds the order by that time was seen not to hold around the element, rounded up.
	Noise uint32
	// Element is the element itself.
	Element Hash
	// Before and After are its neighbours on either side, nearest first, at most Neighbours of them.
	Before, After []Hash
}

// Process tags a process, in 24 bits; 0 is unknown.
type Process uint32

// NewProcess returns a random tag, never 0.
func NewProcess() Process {
	return Process(1 + rand.Uint32N(1<<(8*processBytes)-1)) //nolint:gosec // it distinguishes processes, and is no secret
}

// Hash stands for an element's id, see package idhash.
type Hash = idhash.Hash

const (
	hashBytes = idhash.Bits / 8
	// Neighbours is how many neighbours a cursor has on either side, at most: so many may leave the list together with
	// the element before the place is lost.
	Neighbours = 3
	// MaxPosition bounds the positions of cursors, so that arithmetic on a forged one cannot overflow.
	MaxPosition = 1 << 40

	processBytes = 3

	// maxCursor is more than the bytes of the longest cursor, before they become text: six numbers of at most 10 bytes
	// each, seven hashes, and 9 bytes of fixed length.
	maxCursor = 6*binary.MaxVarintLen64 + (1+2*Neighbours)*hashBytes + 9

	// cursorVersion is the form that is written. Version 1 has times to the millisecond, and neither Process nor
	// Started.
	cursorVersion = 2
)

// ErrInvalidCursor is returned for a text that is not a cursor of this list.
var ErrInvalidCursor = errors.New("not a cursor of this list")

// NewHash hashes an id.
func NewHash(id string) Hash { return idhash.Of(id) }

// String returns the cursor's text form.
func (c Cursor) String() string { return string(c.Append(nil)) }

// Append appends the cursor's text form: about 85 characters of URL-safe base64.
func (c Cursor) Append(dst []byte) []byte {
	dst = slices.Grow(dst, base64.RawURLEncoding.EncodedLen(maxCursor))
	b, start := dst, len(dst)
	b = append(b, cursorVersion)
	b = binary.AppendUvarint(b, uint64(c.List))
	b = binary.AppendUvarint(b, uint64(c.Position))
	b = binary.AppendUvarint(b, uint64(max(0, c.Since.UnixNano())))
	b = appendWord(b, uint64(c.Process), processBytes)
	if b = binary.AppendVarint(b, c.Started); c.Started != 0 {
		b = binary.AppendUvarint(b, uint64(c.Noise))
	}
	b = append(b, byte(len(c.Before)<<4|len(c.After)))
	b = appendWord(b, uint64(c.Element), hashBytes)
	for _, h := range c.Before {
		b = appendWord(b, uint64(h), hashBytes)
	}
	for _, h := range c.After {
		b = appendWord(b, uint64(h), hashBytes)
	}
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
	var raw [maxCursor]byte // the bytes move here, so that their text takes their place without an allocation
	return base64.RawURLEncoding.AppendEncode(dst, raw[:copy(raw[:], b[start:])])
}

// ParseCursor reads the text form, of this version or the one before. It returns [ErrInvalidCursor] for any other text.
func ParseCursor(text string) (Cursor, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 5 || b[0] < 1 || b[0] > cursorVersion {
		return Cursor{}, ErrInvalidCursor
	}
	version := b[0]
	b, sum := b[:len(b)-4], b[len(b)-4:]
	if crc32.ChecksumIEEE(b) != binary.BigEndian.Uint32(sum) {
		return Cursor{}, ErrInvalidCursor
	}
	r := reader{rest: b[1:]}
	c := Cursor{List: uint16(r.uvarint(1<<16 - 1)), Position: int(r.uvarint(MaxPosition))}
	if version == 1 {
		c.Since = time.UnixMilli(int64(r.uvarint(1 << 45))) // the year 3084
	} else {
		c.Since = time.Unix(0, int64(r.uvarint(math.MaxInt64))) // the year 2262
		c.Process = Process(r.word(processBytes))
		if c.Started = r.varint(maxStarted); c.Started != 0 {
			c.Noise = uint32(r.uvarint(math.MaxUint32))
		}
	}
	counts := r.take(1)[0]
	c.Element = Hash(r.word(hashBytes))
	c.Before = r.hashes(int(counts >> 4))
	c.After = r.hashes(int(counts & 15))
	if r.failed || len(r.rest) > 0 {
		return Cursor{}, ErrInvalidCursor
	}
	return c, nil
}

// maxStarted bounds the times of cursors in milliseconds, the year 9999, so that arithmetic on a forged one cannot
// overflow.
const maxStarted = 253402300799999

func appendWord(b []byte, v uint64, bytes int) []byte {
	var word [8]byte
	binary.BigEndian.PutUint64(word[:], v)
	return append(b, word[8-bytes:]...)
}

// reader decodes the bytes of a cursor. After the first failure it yields zeros.
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

func (r *reader) varint(limit int64) int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 || v > limit || v < -limit {
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

func (r *reader) word(bytes int) uint64 {
	var word [8]byte
	copy(word[8-bytes:], r.take(bytes))
	return binary.BigEndian.Uint64(word[:])
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
		hashes[i] = Hash(r.word(hashBytes))
	}
	return hashes
}
