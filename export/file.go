package export

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
)

// stream is a sink that keeps nothing: a pipe, or a terminal.
type stream struct{ io.Writer }

func (*stream) begin() (position, error) { return position{}, nil }

func (s *stream) write(lines []byte, _ position) error {
	_, err := s.Write(lines)
	return err
}

func (*stream) finish() error { return nil }

func (*stream) advice(p position, lost bool) string {
	switch {
	case lost:
		return "start anew, without --after"
	case p.Cursor == "":
		return "nothing has been written"
	default:
		return "go on with --after " + p.Cursor
	}
}

// file is a sink that keeps its lines in step with a state, as doc.go explains. Its lock keeps others out.
type file struct {
	path   string // of the complete file
	digest string // of what decides about the lines
	part   *os.File
	length int64
	named  bool // the complete file has its name already
}

// state is what is kept beside the lines.
type state struct {
	Digest string `json:"digest"`
	Length int64  `json:"length"` // of the lines
	position
}

func (f *file) partPath() string  { return f.path + ".part" }
func (f *file) statePath() string { return f.path + ".state" }

// openFile opens the unfinished lines beside path, for one process alone.
func openFile(path, digest string) (*file, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // which is to be replaced, and not the link
	}
	f := &file{path: path, digest: digest}
	var err error
	// Calls hold personal data: others have no business to read them.
	if f.part, err = os.OpenFile(f.partPath(), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if err := lock(f.part); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is being written by another process: %w", f.partPath(), err), f.part.Close())
	}
	opened, err := f.part.Stat()
	if err == nil {
		var there fs.FileInfo
		if there, err = os.Stat(f.partPath()); err == nil && !os.SameFile(opened, there) {
			err = fs.ErrNotExist
		}
	}
	if err != nil { // whoever had the lock renamed it in between
		return nil, errors.Join(fmt.Errorf("%s has just been finished by another process: %w", path, err), f.part.Close())
	}
	return f, nil
}

// begin reads the state, and cuts off the lines that were written after it.
func (f *file) begin() (position, error) {
	var s state
	text, err := os.ReadFile(f.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return position{}, f.part.Truncate(0)
	}
	if err != nil {
		return position{}, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return position{}, fmt.Errorf("%s cannot be read: %w; %s", f.statePath(), err, f.advice(position{}, true))
	}
	if s.Digest != f.digest {
		return position{}, &UsageError{fmt.Errorf("%s is unfinished, and of another query: the document, the variables, the columns, the format or the source differ; "+
			"finish it with them, or %s", f.partPath(), f.advice(position{}, true))}
	}
	size, err := f.part.Seek(0, io.SeekEnd)
	if err != nil {
		return position{}, err
	}
	if complete, err := os.Stat(f.path); s.Done && size == 0 && err == nil && complete.Size() == s.Length {
		f.named = true
		return s.position, nil
	}
	if size < s.Length {
		return position{}, fmt.Errorf("%s has %d bytes, and %s tells of %d; %s", f.partPath(), size, f.statePath(), s.Length, f.advice(position{}, true))
	}
	if err := f.part.Truncate(s.Length); err != nil {
		return position{}, err
	}
	f.length, err = f.part.Seek(s.Length, io.SeekStart)
	return s.position, err
}

// write appends lines, and when they are on the disk replaces the state.
func (f *file) write(lines []byte, p position) error {
	n, err := f.part.Write(lines)
	f.length += int64(n)
	if err != nil {
		return err
	}
	if err := f.part.Sync(); err != nil {
		return err
	}
	text, err := json.Marshal(state{f.digest, f.length, p})
	if err != nil {
		return err
	}
	return replace(f.statePath(), append(text, '\n'))
}

// finish makes the file complete. A run that is interrupted in here leaves the rest of it to the next one.
func (f *file) finish() error {
	var err error
	if f.named {
		err = os.Remove(f.partPath())
	} else {
		err = os.Rename(f.partPath(), f.path)
	}
	if err != nil {
		return err
	}
	if err := syncFolder(f.path); err != nil {
		return err
	}
	return os.Remove(f.statePath())
}

func (f *file) close() error { return f.part.Close() }

func (f *file) advice(_ position, lost bool) string {
	if lost {
		return fmt.Sprintf("to start anew, remove %s and %s", f.partPath(), f.statePath())
	}
	return "run it again to go on"
}

// replace puts a text into a file so that at every moment it has all of the former text or all of the new one.
func replace(path string, text []byte) error {
	temporary := path + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // beside the file that the user names
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncFolder(path)
}

// syncFolder makes renaming last through a loss of power.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// digest is of everything that decides about the lines. How many calls come at once does not.
func (w *walk) digest() string {
	request := w.document.request
	request.Variables = maps.Clone(request.Variables)
	delete(request.Variables, w.document.first)
	text, _ := json.Marshal([]any{request, w.Rows, w.Source}, json.Deterministic(true)) // of texts only
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
