package export

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/go-json-experiment/json"
)

// stream is a sink that keeps nothing: a pipe, or a terminal.
type stream struct {
	io.Writer
	header bool // the output begins with a header
	begun  bool // a page was written, with the header if there is one
	torn   bool // a page was written in part
}

// begin implements [sink]: there is no earlier run to resume.
func (*stream) begin(func(io.Reader)) (*position, error) { return nil, nil } //nolint:nilnil // as said

func (s *stream) write(lines []byte, _ position) error {
	n, err := s.Write(lines)
	s.begun = s.begun || err == nil
	s.torn = err != nil && n > 0
	return err
}

func (*stream) finish() error { return nil }

func (s *stream) advice(p position, lost bool) string {
	after := "--after " + p.Cursor
	if s.header && s.begun {
		after = "--no-header " + after
	}
	var advice string
	switch {
	case lost:
		advice = "start again without a cursor"
	case p.Cursor == "" && s.torn:
		advice = "the output is incomplete: start again"
	case p.Cursor == "":
		return "nothing was written"
	case s.torn:
		advice = fmt.Sprintf("the output after these %d calls is incomplete: remove it, and continue with %s",
			p.Calls, after)
	default:
		advice = "continue with " + after
	}
	if flaws := p.flaws(); flaws != nil { // the next run does not know of them
		advice += "\n" + flaws.Error()
	}
	return advice
}

// system holds the operations that not every file system supports, or not every user may do.
type system struct {
	lock  func(*os.File) error                     // locks a file for this process alone, without waiting
	sync  func(*os.File) error                     // waits until a file, or the names in a folder, are on the disk
	chown func(f *os.File, owner, group int) error // -1 keeps the owner
}

// newSystem returns the system that the process runs on.
func newSystem() system { return system{lock, (*os.File).Sync, (*os.File).Chown} }

// lacks reports whether an error says that the file system does not support an operation: ENOSYS, ENOTSUP or
// EOPNOTSUPP; EINVAL from fsync(2) for a file that cannot be synced; ENOLCK from flock(2) if the file server keeps no
// locks.
func lacks(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOLCK)
}

// file is a sink that keeps its lines consistent with a state, as doc.go explains. Its lock excludes other processes.
type file struct {
	system
	path   string // of the complete file
	digest string // of everything that decides the lines
	part   *os.File
	length int64
	sum    hash.Hash // of the lines
	unused bool      // there is neither a line nor a state
	shared bool      // without a lock, other processes may write it too
	named  bool      // the complete file already has its name
	// finish calls complete with all lines before they get the file's name; complete may be nil.
	complete func(f *file, lines io.Reader) error

	saver  sync.WaitGroup
	saved  sync.Mutex // guards the fields below
	next   *state     // to be saved; nil if there is none
	saving bool
	failed error // of a state that was not saved
}

// state is the content of FILE.state.
type state struct {
	Digest string `json:"digest"`
	Length int64  `json:"length"` // of the lines
	Sum    string `json:"sum"`    // of the lines, SHA-256
	position
}

func (f *file) partPath() string  { return f.path + ".part" }
func (f *file) statePath() string { return f.path + ".state" }

// recentPath is the path of a state that is not synced.
func (f *file) recentPath() string { return f.path + ".recent" }

// maxLinks bounds a chain of symbolic links: Linux's own bound.
const maxLinks = 40

// target follows symbolic links, so that the walk writes their target and replaces no link by a file. Unlike
// [filepath.EvalSymlinks] it also follows a link to a file that does not exist yet, if its folder does.
func target(path string) (string, error) {
	for range maxLinks {
		folder, name := filepath.Split(path)
		folder, err := filepath.EvalSymlinks(cmp.Or(folder, "."))
		if err != nil {
			return "", err
		}
		path = filepath.Join(folder, name)
		link, err := os.Readlink(path)
		if err != nil { // not a link, or opening it will return the same error
			return path, nil //nolint:nilerr // as said
		}
		if path = link; !filepath.IsAbs(link) {
			path = folder + string(filepath.Separator) + link // without Join, which would resolve .. before links
		}
	}
	return "", fmt.Errorf("%s: %w", path, syscall.ELOOP)
}

// writable rejects a file that exists and that this user may not write: renaming another file to its name would replace
// it all the same. A file without any write bit is protected, as in vim, although root could write it.
func writable(path string) error {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil //nolint:nilerr // there is nothing to protect
	}
	if info.Mode().Perm()&0o222 != 0 {
		file, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // the user names it
		if err == nil {
			return file.Close()
		}
		if !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return &UsageError{fmt.Errorf("%s is read-only: make it writable, or name another file", path)}
}

// openError turns an error of opening a file for writing into a [UsageError] if it lasts until the user changes the
// path or the file system. Others, such as that of a full disk, may end on their own.
func openError(err error) error {
	for _, lasting := range []error{fs.ErrPermission, syscall.EROFS, syscall.EISDIR, syscall.ENAMETOOLONG} {
		if errors.Is(err, lasting) {
			return &UsageError{err}
		}
	}
	return err
}

// keepAccess lets the same users access a file that is to replace another: it takes over the owner, the group and the
// permission bits, as far as this user may set them. Where the group is another, it gets the bits of all other users.
// Without a file to replace, the mode stays as it is, and so do modes on file systems without permission bits.
func (s *system) keepAccess(f *os.File, replaced string) error {
	info, err := os.Stat(replaced)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	mode := info.Mode().Perm()
	if !takeOwner(f, info, s.chown) {
		mode = mode&^0o070 | mode&0o007<<3
	}
	if err := f.Chmod(mode); err != nil && !lacks(err) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// openFile opens the unfinished lines beside the target of path, exclusively for this process. It returns a
// [UsageError] if the path cannot be followed or written, and another error if another process has the lock.
func openFile(path, digest string, system system, notify func(line string)) (*file, error) {
	to, err := target(path)
	if err != nil {
		return nil, &UsageError{fmt.Errorf("%s cannot be written: %w", path, err)}
	}
	if err := writable(to); err != nil {
		return nil, err
	}
	f := &file{system: system, path: to, digest: digest, sum: sha256.New()}
	// Calls hold personal data: other users must not read them.
	if f.part, err = os.OpenFile(f.partPath(), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, openError(err)
	}
	if err = f.lock(f.part); err != nil {
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK):
			err = fmt.Errorf("%s is being written by another process: %w", f.partPath(), err)
		case lacks(err):
			notify(fmt.Sprintf("%s cannot be locked here (%v): make sure that no other run writes it meanwhile",
				f.partPath(), err))
			f.shared, err = true, nil
		default:
			err = fmt.Errorf("%s cannot be locked: %w", f.partPath(), err)
		}
	}
	if err == nil {
		err = f.check() // the former owner of the lock may have renamed it in between
	}
	if err != nil {
		return nil, errors.Join(err, f.part.Close())
	}
	return f, nil
}

// check makes sure that FILE.part is still the opened file.
func (f *file) check() error {
	opened, err := f.part.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(f.partPath()); err != nil || !os.SameFile(opened, there) {
		return errors.Join(fmt.Errorf("another process has just finished or replaced %s", f.partPath()), err)
	}
	return nil
}

// begin reads the last state that the lines prove, and truncates the lines that were written after it. It passes the
// lines that FILE.state counts to read, and adds them to the sum in the same pass. Of the few lines after them, it
// checks the sum first, since FILE.recent may be wrong about them.
func (f *file) begin(read func(lines io.Reader)) (*position, error) {
	s, err := f.savedState()
	if err != nil {
		return nil, err
	}
	size, err := f.part.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if s != nil && s.Done && size == 0 {
		if f.named = isFile(f.path, s); f.named {
			return &s.position, nil
		}
	}
	saved := int64(0)
	if s != nil {
		if saved = s.Length; size < saved {
			return nil, &UsageError{fmt.Errorf("%s has %d bytes, and %s expects %d; %s",
				f.partPath(), size, f.statePath(), saved, f.advice(position{}, true))}
		}
		lines := io.TeeReader(io.NewSectionReader(f.part, 0, saved), f.sum)
		read(lines)
		if _, err := io.Copy(io.Discard, lines); err != nil { // the rest that read has not read
			return nil, err
		}
		if sumOf(f.sum) != s.Sum {
			return nil, f.changed()
		}
	}
	recent, err := f.recentState(saved, size)
	if err != nil {
		return nil, err
	}
	if recent != nil {
		read(io.NewSectionReader(f.part, saved, recent.Length-saved))
		s = recent
	}
	if s == nil {
		f.unused = true
		return nil, f.cut(0)
	}
	return &s.position, f.cut(s.Length)
}

// cut truncates the lines to so many bytes.
func (f *file) cut(length int64) (err error) {
	if err := f.part.Truncate(length); err != nil {
		return err
	}
	f.length, err = f.part.Seek(length, io.SeekStart)
	return err
}

// savedState reads FILE.state; nil if there is none.
func (f *file) savedState() (*state, error) {
	text, err := os.ReadFile(f.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // as said
	}
	if err != nil {
		return nil, err
	}
	s := new(state)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, &UsageError{fmt.Errorf("%s cannot be read: %w; %s", f.statePath(), err, f.advice(position{}, true))}
	}
	if s.Digest != f.digest {
		return nil, &UsageError{fmt.Errorf("%s is the unfinished file of another query: the document, the variables, the "+
			"columns, the format, the address, the key or the version differ; finish that query, or %s",
			f.partPath(), f.advice(position{}, true))}
	}
	return s, nil
}

// recentState reads FILE.recent. It returns nil unless FILE.recent counts more than the saved lines and the lines have
// its sum: FILE.recent is not synced, so it may be incomplete or outdated.
func (f *file) recentState(saved, size int64) (*state, error) {
	s := new(state)
	text, err := os.ReadFile(f.recentPath())
	if err != nil || json.Unmarshal(text, s) != nil || s.Digest != f.digest || s.Length <= saved || s.Length > size {
		return nil, nil //nolint:nilnil,nilerr // as said
	}
	if err := f.sumUp(saved, s.Length); err != nil || sumOf(f.sum) == s.Sum {
		return s, err
	}
	f.sum.Reset()
	return nil, f.sumUp(0, saved)
}

// sumUp adds lines to the sum, from one byte of the file to another.
func (f *file) sumUp(from, to int64) error {
	_, err := io.Copy(f.sum, io.NewSectionReader(f.part, from, to-from))
	return err
}

func (f *file) changed() error {
	return &UsageError{fmt.Errorf("%s was changed after it was written; %s", f.partPath(), f.advice(position{}, true))}
}

// isFile reports whether a file has exactly the lines that a state describes.
func isFile(path string, s *state) bool {
	f, err := os.Open(path) //nolint:gosec // the user names it
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return err == nil && n == s.Length && sumOf(sum) == s.Sum
}

func sumOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// write appends lines, writes the state that counts them to FILE.recent, and starts to save it. It waits until the
// last state of the walk is saved.
func (f *file) write(lines []byte, p position) error {
	n, err := f.part.Write(lines)
	f.length += int64(n)
	if err != nil {
		return err
	}
	_, _ = f.sum.Write(lines) // to memory
	f.unused = false
	next := &state{f.digest, f.length, sumOf(f.sum), p}
	if p.Done {
		return errors.Join(f.save(next), f.wait())
	}
	if err := f.note(next); err != nil {
		return err
	}
	return f.save(next)
}

// note replaces FILE.recent without a sync: the next run finds it even if this process is killed now.
func (f *file) note(s *state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	temporary := f.recentPath() + ".new"
	if err := os.WriteFile(temporary, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, f.recentPath())
}

// save saves a state while the walk continues. A disk takes milliseconds to sync, and several pages may arrive
// meanwhile: the last of their states is saved next. save returns the error of an earlier state.
func (f *file) save(next *state) error {
	f.saved.Lock()
	defer f.saved.Unlock()
	f.next = next
	if !f.saving && f.failed == nil {
		f.saving = true
		f.saver.Go(f.saveAll)
	}
	return f.failed
}

func (f *file) saveAll() {
	for {
		f.saved.Lock()
		next := f.next
		f.next = nil
		if f.saving = next != nil && f.failed == nil; !f.saving {
			f.saved.Unlock()
			return
		}
		f.saved.Unlock()
		err := f.saveOne(next)
		f.saved.Lock()
		f.failed = err
		f.saved.Unlock()
	}
}

// saveOne replaces the state, once the lines that it counts are on the disk.
func (f *file) saveOne(s *state) error {
	if err := f.toDisk(f.part); err != nil {
		return err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return f.replace(f.statePath(), func(to *os.File) error {
		_, err := to.Write(append(text, '\n'))
		return err
	})
}

// wait waits until the last state is saved, and returns the error of any state.
func (f *file) wait() error {
	f.saver.Wait()
	return f.failed
}

// toDisk waits until the file is on the disk. If the file system does not support that, the walk continues: only a
// power failure can do harm then, not the end of the process.
func (f *file) toDisk(file *os.File) error {
	if err := f.sync(file); err != nil && !lacks(err) {
		return err
	}
	return nil
}

// finish gives the file its name. If a run is interrupted here, the next run finishes.
func (f *file) finish() error {
	var err error
	if f.named {
		err = os.Remove(f.partPath())
	} else if err = f.check(); err == nil {
		if f.shared && !isFile(f.partPath(), &state{Length: f.length, Sum: sumOf(f.sum)}) {
			return f.changed()
		}
		if f.complete != nil {
			err = f.complete(f, io.NewSectionReader(f.part, 0, f.length))
		}
		if err == nil {
			err = f.takeName()
		}
	}
	if err != nil {
		return err
	}
	if err := f.syncFolder(); err != nil {
		return err
	}
	if err := os.Remove(f.recentPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Remove(f.statePath())
}

// takeName renames FILE.part to FILE.
func (f *file) takeName() error {
	if err := f.keepAccess(f.part, f.path); err != nil {
		return err
	}
	return os.Rename(f.partPath(), f.path)
}

// close waits for the last state, and removes FILE.part if nothing was written.
func (f *file) close() error {
	_ = f.wait() // run has returned this error, or another
	if f.unused {
		_ = os.Remove(f.partPath()) // before the lock ends; the next run ignores a file that is left
	}
	return f.part.Close()
}

func (f *file) advice(_ position, lost bool) string {
	if lost {
		return fmt.Sprintf("to start again, remove %s and %s", f.partPath(), f.statePath())
	}
	return "run the command again to continue"
}

// replace replaces the content of a file atomically.
func (f *file) replace(path string, write func(to *os.File) error) error {
	temporary := path + ".new"
	to, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // beside the user's file
	if err != nil {
		return openError(err)
	}
	if err := errors.Join(write(to), f.toDisk(to), to.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return f.syncFolder()
}

// syncFolder makes a rename survive a power failure. It does nothing in a folder without read permission, which cannot
// be opened.
func (f *file) syncFolder() error {
	folder, err := os.Open(filepath.Dir(f.path))
	if errors.Is(err, fs.ErrPermission) {
		return nil
	} else if err != nil {
		return err
	}
	return errors.Join(f.toDisk(folder), folder.Close())
}

// linesVersion changes when the format of the lines changes, so that no file has both formats.
const linesVersion = 2

// digest returns a hash of everything that decides the lines, which the page size does not.
func (w *walk) digest() string {
	request := w.document.request
	request.Variables = maps.Clone(request.Variables)
	delete(request.Variables, w.document.first)
	decides := []any{linesVersion, request, w.Rows, w.Source}
	if !w.Since.IsZero() {
		decides = append(decides, w.Since.UTC())
	}
	text, _ := json.Marshal(decides, json.Deterministic(true)) // of texts and a time
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
