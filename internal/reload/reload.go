// Package reload keeps a value that is read from a file up to date, without a restart and without a goroutine.
//
// [File.Current] reads the file at most once per second. One caller reads it; concurrent callers get the previous
// value. It detects a change by comparing the content: time and size may stay the same, since editors, configuration
// management and mounted secrets set any time. If the file cannot be read or is invalid, the previous value stays in
// force, the error is logged once, and the file is read again.
package reload

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Interval is the shortest time between two reads of a file.
const Interval = time.Second

// Options say what a file holds.
type Options[T any] struct {
	// Parse makes a value from the content. Its error is logged, so the error must not hold secrets.
	Parse func(content []byte) (T, error)
	// Entries returns how many entries a value has, for the log.
	Entries func(T) int
	// MaxBytes is the size of the largest file that is read.
	MaxBytes int64
}

// File is a file that is read again when its content has changed. It is safe for concurrent use.
type File[T any] struct {
	path   string
	opts   Options[T]
	opened time.Time    // looked counts from it by the monotonic clock, which nobody sets
	looked atomic.Int64 // nanoseconds
	value  atomic.Pointer[T]

	mu      sync.Mutex // held while the file is read
	content [sha256.Size]byte
	problem string // the last error, which has been logged; "" if there is none
}

// Open reads a file. It returns an error if the file cannot be read, is not a regular file, is too large, or cannot be
// parsed.
func Open[T any](path string, opts Options[T]) (*File[T], error) {
	f := &File[T]{path: path, opts: opts, opened: time.Now()}
	content, err := f.read()
	if err != nil {
		return nil, err
	}
	value, err := opts.Parse(content)
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	f.value.Store(&value)
	f.content = sha256.Sum256(content)
	return f, nil
}

// Current returns the value of the last content that could be used. It logs a change since the last read.
func (f *File[T]) Current(log *slog.Logger) T {
	if now := int64(time.Since(f.opened)); now-f.looked.Load() >= int64(Interval) && f.mu.TryLock() {
		f.look(log)
		f.looked.Store(now)
		f.mu.Unlock()
	}
	return *f.value.Load()
}

func (f *File[T]) look(log *slog.Logger) {
	content, err := f.read()
	if err != nil {
		f.complain(log, err)
		f.content = [sha256.Size]byte{} // the next content that can be read is used
		return
	}
	sum := sha256.Sum256(content)
	if sum == f.content {
		return // it is in use, or its error has been logged
	}
	f.content = sum
	value, err := f.opts.Parse(content)
	if err != nil {
		f.problem = "" // an error of other content is logged even if its text is the same
		f.complain(log, fmt.Errorf("%s %w", f.path, err))
		return
	}
	f.problem = ""
	f.value.Store(&value)
	log.Info("a file was read again", "file", f.path, "entries", f.opts.Entries(value))
}

func (f *File[T]) complain(log *slog.Logger, err error) {
	if problem := err.Error(); problem != f.problem {
		f.problem = problem
		log.Error("a file cannot be used: what it held before stays in force", "error", err)
	}
}

// read reads the file. It rejects pipes and devices, since opening or reading one may never end.
func (f *File[T]) read() ([]byte, error) {
	info, err := os.Stat(f.path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: f.path, Err: errors.New("is not a file")}
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var content bytes.Buffer
	content.Grow(int(min(info.Size(), f.opts.MaxBytes)) + bytes.MinRead)
	n, err := content.ReadFrom(io.LimitReader(file, f.opts.MaxBytes+1))
	if n > f.opts.MaxBytes {
		err = &fs.PathError{Op: "read", Path: f.path, Err: fmt.Errorf("has more than %d bytes", f.opts.MaxBytes)}
	}
	return content.Bytes(), err
}
