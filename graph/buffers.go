package graph

import (
	"bytes"
	"sync"
)

// bufferPool has buffers for responses. Few large ones are kept: a client that reads slowly holds one for long, and
// many of them would keep all that was made in a busy time.
type bufferPool struct {
	small sync.Pool
	large chan *bytes.Buffer
}

const (
	// smallBuffer is the largest of which any number is kept, until the collector has run twice.
	smallBuffer = 64 << 10
	// largeBuffer is the largest that is kept, and keptLarge how many are: a hundred calls with all that was said take
	// 544 kB.
	largeBuffer = 1 << 20
	keptLarge   = 8
	// compressedShare is how many times smaller responses are once they are compressed, at least as a rule.
	compressedShare = 3
)

var buffers = bufferPool{
	small: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	large: make(chan *bytes.Buffer, keptLarge),
}

// get is an empty buffer for about so many bytes. It has more room than a large one at once only where there was one.
func (p *bufferPool) get(size int) *bytes.Buffer {
	if size <= smallBuffer {
		return p.small.Get().(*bytes.Buffer)
	}
	select {
	case b := <-p.large:
		return b
	default:
		b := new(bytes.Buffer)
		b.Grow(min(size, largeBuffer))
		return b
	}
}

// put gives a buffer back, and keeps nothing else of it.
func (p *bufferPool) put(b *bytes.Buffer) {
	b.Reset()
	switch {
	case b.Cap() <= smallBuffer:
		p.small.Put(b)
	case b.Cap() <= largeBuffer:
		select {
		case p.large <- b:
		default:
		}
	}
}
