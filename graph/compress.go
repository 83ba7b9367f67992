package graph

import (
	"bytes"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
)

// The content codings of a response, the one first that makes it smallest.
const (
	encodingBrotli = "br"
	encodingGzip   = "gzip"
)

// minCompressed is the length from which a body is compressed: below it fits one packet either way.
const minCompressed = 1 << 10

// Levels that cost little: on transcripts, gzip writes 600 MB/s at 26 % of the size, and brotli 260 MB/s at 24 %. The
// next levels cost twice as much for one per cent (2 cores, November 2026).
const (
	brotliLevel = 3
	gzipLevel   = 3
)

// compressorMemory is the memory of the larger compressor (br), in bytes; that of gzip takes a third.
const compressorMemory = 3400 << 10

// compressing is how much memory it takes to compress so many bytes.
func compressing(body int) int { return compressorMemory + body/compressedShare }

// compressors are kept per encoding, because a new one takes more memory than most responses have.
var compressors = map[string]*sync.Pool{
	encodingBrotli: {New: func() any { return compressor(brotli.NewWriterV2(io.Discard, brotliLevel)) }},
	encodingGzip: {New: func() any {
		w, _ := gzip.NewWriterLevel(io.Discard, gzipLevel) // its one error is a level that does not exist
		return compressor(w)
	}},
}

type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// compress appends the encoded body to dst.
func compress(dst *bytes.Buffer, encoding string, body []byte) {
	pool := compressors[encoding]
	c := pool.Get().(compressor)
	defer pool.Put(c)
	c.Reset(dst)
	_, _ = c.Write(body) // a bytes.Buffer takes everything
	_ = c.Close()
}
