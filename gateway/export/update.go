package export

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/ast"
)

// Updating a file
//
// A complete file has the calls as they were, newest first. An update reads the list from its newest call on, until it
// has passed all calls of the file that were not final, and the file has the same calls in the same order. The calls
// that were read replace the file's lines down to there; the lines below stay. A call is final if its status is final
// and it ended some time ago: until then, Revox may still add to it.
//
// A call from the end of the file that was re-sorted to the head of the list seems to prove that all lines above it are
// no longer listed. So the more lines would be dropped, the more calls in a row must prove it. Where nothing proves
// it, the update reads to the end of the list, or until it has read every call of the file: a file of `--since` does
// not end with the list.
//
// An interrupted update leaves the file as it was. It takes so little time that it need not be resumed.

// UpdateOptions are the options of an update.
type UpdateOptions struct {
	// Changes is the path of a file that gets a line for each call that was added or updated, with the member "op"; no
	// file is written if it is empty. A symbolic link is followed.
	Changes string
	// ChangesTo gets the changes instead of that file, if it is not nil: a pipe or a device must not be replaced by a
	// file.
	ChangesTo io.Writer
	// Grace is how long ago a call must have ended to be final.
	Grace time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// sameCalls is how many calls in a row must be those of the file, in its order, before an update ends. One would
// suffice in a list that grows only at its head, but a re-sorted call can be next to another by chance. If lines of the
// file were skipped, there must be more calls in a row than such lines.
const sameCalls = 8

// The errors of an update that does not fit the file.
var (
	errOtherCalls = errors.New("it has none of the calls that Revox lists, and may be another account's or another " +
		"query's; remove it to export all calls")
	errOtherColumns = errors.New("its lines have other columns: give the same, or remove it to export all calls")
)

// UpdateFile brings a file up to date that [WalkFile] has written. If the file does not exist, or is unfinished,
// UpdateFile does the same as WalkFile, and all lines that the file did not have are changes. The lines must be NDJSON
// with a call's id, status and endedAt. Its errors are those of WalkFile; it returns a [UsageError] for options that
// an update cannot have.
func UpdateFile(ctx context.Context, o *Options, path string, u UpdateOptions) error {
	to, err := target(path)
	if err != nil {
		return &UsageError{fmt.Errorf("%s cannot be written: %w", path, err)}
	}
	w, err := newWalk(o)
	if err != nil {
		return err
	}
	if name := w.document.choice; name != "" {
		return &UsageError{fmt.Errorf("--update cannot be used with `%s`: an older call that comes to pass would be missed, "+
			"since only the newest calls are read", name)}
	}
	if err := u.follow(to); err != nil {
		return &UsageError{err}
	}
	_, missing := os.Stat(to)
	_, unfinished := os.Stat(to + ".state")
	whole := unfinished == nil || errors.Is(missing, fs.ErrNotExist)
	if whole && u.Changes == "" && u.ChangesTo == nil {
		return WalkFile(ctx, o, path)
	}
	before, err := openLines(to, w, &u)
	if err != nil {
		return err
	}
	defer func() { _ = before.Close() }()
	if whole {
		return w.toFile(ctx, path, newSystem(), func(f *file, lines io.Reader) error {
			return u.write(f, func(to io.Writer) error { return before.compare(lines, to) })
		})
	}
	after, err := openFile(path, "", newSystem(), o.Notify)
	if err != nil {
		return err
	}
	return errors.Join(w.update(ctx, before, after, &u), after.close())
}

// follow replaces the path of the changes by the target of its links, which must not be the updated file.
func (u *UpdateOptions) follow(updated string) (err error) {
	if u.Changes == "" {
		return nil
	}
	if u.Changes, err = target(u.Changes); err != nil {
		return fmt.Errorf("the changes cannot be written: %w", err)
	}
	if u.Changes == updated {
		return errors.New("the changes and the calls would be written to the same file")
	}
	return writable(u.Changes)
}

// write writes the changes, if they are wanted.
func (u *UpdateOptions) write(f *file, write func(to io.Writer) error) error {
	switch {
	case u.ChangesTo != nil:
		return write(u.ChangesTo)
	case u.Changes != "":
		return f.replace(u.Changes, func(to *os.File) error {
			return errors.Join(f.keepAccess(to, u.Changes), write(to))
		})
	default:
		return nil
	}
}

// update writes the new lines, and gives them the file's name.
func (w *walk) update(ctx context.Context, before *oldLines, after *file, u *UpdateOptions) error {
	after.unused = true // until it has the file's name
	if err := after.part.Truncate(0); err != nil {
		return err
	}
	var changes changes
	r := renewal{walk: w, before: before, to: after.part, changes: &changes, unread: len(before.ends)}
	rest, err := r.read(ctx)
	if err != nil {
		return fmt.Errorf("%s stays as it was: %w", after.path, err)
	}
	if err := w.at.flaws(); err != nil {
		return fmt.Errorf("%s stays as it was: %w", after.path, err)
	}
	gone := 0
	for i := range before.ends {
		switch {
		case before.seen[i]:
		case i < rest:
			gone++
		default:
			line, err := before.line(i)
			if err != nil {
				return err
			}
			if _, err := after.part.Write(line); err != nil {
				return err
			}
		}
	}
	if err := after.toDisk(after.part); err != nil {
		return err
	}
	// Before the rename: a run that is interrupted in between finds the same changes again.
	err = u.write(after, func(to io.Writer) error {
		_, err := to.Write(changes.text)
		return err
	})
	if err != nil {
		return err
	}
	if err := after.check(); err != nil {
		return err
	}
	if err := after.takeName(); err != nil {
		return err
	}
	after.unused = false
	if err := after.syncFolder(); err != nil {
		return err
	}
	w.Notify(fmt.Sprintf("%d calls added, %d updated, %d no longer listed", changes.added, changes.updated, gone))
	return nil
}

// renewal is the state of an update.
type renewal struct {
	*walk
	before  *oldLines
	to      io.Writer
	changes *changes
	met     bool // a call of the file was read
	rest    int  // the line after that of the last such call
	skipped int  // how many lines above rest have a call that was not read
	unread  int  // how many lines of the file have a call that was not read
	same    int  // how many calls in a row were those of the file, in its order
}

// read reads the list until the file's lines follow, and writes a line for each call. It returns the index of the first
// line that may follow.
func (r *renewal) read(ctx context.Context) (rest int, err error) {
	for {
		request, err := r.document.at(r.at.Cursor, false)
		if err != nil {
			return 0, err
		}
		page, err := r.ask(ctx, request)
		if err != nil {
			return 0, err
		}
		r.at.Problems += len(page.problems)
		r.at.Twice += r.ids.twice(page.calls)
		if page.reordered {
			r.at.Reordered++
		}
		if done, err := r.write(page.calls); done || err != nil {
			return r.rest, err
		}
		switch {
		case !page.more && !r.met && len(r.before.ends) > 0:
			return 0, &UsageError{errOtherCalls}
		case !page.more:
			return len(r.before.ends), nil
		case r.standsStill(page):
			return 0, errors.New("the page has no cursor to continue from; try another --page-size")
		}
		r.at.Cursor = page.endCursor
	}
}

// write writes the lines of calls, and reports whether the rest of the file's lines may follow.
func (r *renewal) write(calls []jsontext.Value) (done bool, err error) {
	for i := range calls {
		line, err := r.rows.lines(calls[i:i+1], false)
		if err != nil {
			return false, err
		}
		if r.before.names != nil && !slices.Equal(r.before.names, memberNames(line)) {
			return false, &UsageError{errOtherColumns}
		}
		if _, err := r.to.Write(line); err != nil {
			return false, err
		}
		at, known := r.before.find(member(line, r.before.id))
		if err := r.changes.add(r.before, at, known, line); err != nil {
			return false, err
		}
		switch {
		case !known:
			r.same = 0
			continue
		case r.met && at == r.rest:
			r.same++
		default:
			r.same = 1
		}
		r.pass(at)
		if r.unread == 0 || r.rest > r.before.open && r.same >= max(sameCalls, r.skipped+1) {
			return true, nil
		}
	}
	return false, nil
}

// pass notes that the call of a line was read.
func (r *renewal) pass(at int) {
	for ; r.rest < at; r.rest++ {
		if !r.before.seen[r.rest] {
			r.skipped++
		}
	}
	for r.rest > at {
		if r.rest--; !r.before.seen[r.rest] {
			r.skipped--
		}
	}
	if !r.before.seen[at] {
		r.before.seen[at] = true
		r.unread--
	}
	r.met, r.rest = true, at+1
}

// changes are the lines of the file of changes.
type changes struct {
	text           []byte
	added, updated int
}

// add adds the line of a call, unless the file has the same line.
func (c *changes) add(before *oldLines, i int, known bool, line []byte) error {
	op := "add"
	if known {
		old, err := before.line(i)
		if err != nil {
			return err
		}
		if string(old) == string(line) {
			return nil
		}
		op = "update"
		c.updated++
	} else {
		c.added++
	}
	c.text = append(append(append(c.text, `{"op":"`...), op...), '"')
	if rest := line[1:]; rest[0] != '}' {
		c.text = append(c.text, ',')
	}
	c.text = append(c.text, line[1:]...)
	return nil
}

// compare writes the changes between the lines of a file and those that replace them.
func (l *oldLines) compare(lines io.Reader, to io.Writer) error {
	for reader := bufio.NewReaderSize(lines, 1<<20); ; {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		at, known := l.find(member(line, l.id))
		var changes changes
		if err := changes.add(l, at, known, line); err != nil {
			return err
		}
		if _, err := to.Write(changes.text); err != nil {
			return err
		}
	}
}

// oldLines are the lines of a complete file.
type oldLines struct {
	*os.File
	names []string // of the members of a line; nil without lines
	id    string   // the name of a call's id
	ends  []int64  // of the lines
	seed  maphash.Seed
	at    map[uint64]int // the index of a line by the hash of its id, as in [ids]
	open  int            // the index of the last line whose call is not final; -1 if all are
	seen  []bool         // the lines whose calls were read again
}

// openLines reads the lines of a file. If the file does not exist, there are none.
func openLines(path string, w *walk, u *UpdateOptions) (*oldLines, error) {
	names := [3]string{}
	for i, field := range []string{"id", "status", "endedAt"} {
		names[i] = w.rows.lineName(w.document.fields, field)
		if names[i] == "" {
			return nil, &UsageError{fmt.Errorf("--update needs `%s` in each line: it tells which calls may still change", field)}
		}
	}
	l := &oldLines{id: names[0], seed: maphash.MakeSeed(), at: map[uint64]int{}, open: -1}
	file, err := os.Open(path) //nolint:gosec // the user names it
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	l.File = file
	now := time.Now()
	if u.Now != nil {
		now = u.Now()
	}
	end := int64(0)
	for reader := bufio.NewReaderSize(file, 1<<20); ; {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		id := member(line, names[0])
		if err != nil || len(id) == 0 {
			return nil, errors.Join(&UsageError{fmt.Errorf("%s cannot be updated: its line %d has no `%s`", path,
				len(l.ends)+1, names[0])}, file.Close())
		}
		if l.names == nil {
			l.names = memberNames(line)
		}
		end += int64(len(line))
		l.at[l.hash(id)] = len(l.ends)
		if !isFinal(member(line, names[1]), member(line, names[2]), now.Add(-u.Grace)) {
			l.open = len(l.ends)
		}
		l.ends = append(l.ends, end)
	}
	l.seen = make([]bool, len(l.ends))
	return l, nil
}

// lineName returns the name that a field of a call has in a line; empty if lines do not have it.
func (r *rows) lineName(fields []*ast.Field, field string) string {
	for _, f := range fields {
		if f.Name == field && (len(r.Columns) == 0 || slices.Contains(r.Columns, f.Alias)) {
			return f.Alias
		}
	}
	return ""
}

// memberNames are the names of an object's members, in their order.
func memberNames(object jsontext.Value) (names []string) {
	d := jsontext.NewDecoder(bytes.NewBuffer(object), asItCame())
	if open, err := d.ReadToken(); err != nil || open.Kind() != '{' {
		return nil
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil
		}
		names = append(names, name.String())
		if d.SkipValue() != nil {
			return nil
		}
	}
	return names
}

// isFinal reports whether a call no longer changes: its status is final, and it did not end after the given time.
func isFinal(status, ended jsontext.Value, after time.Time) bool {
	if s := string(status); s != `"COMPLETED"` && s != `"ERROR"` {
		return false
	}
	var at *time.Time
	if err := json.Unmarshal(ended, &at); err != nil {
		return false
	}
	return at == nil || !at.After(after)
}

func (l *oldLines) hash(id jsontext.Value) uint64 { return maphash.Bytes(l.seed, id) }

// find returns the index of the line of a call.
func (l *oldLines) find(id jsontext.Value) (i int, known bool) {
	i, known = l.at[l.hash(id)]
	return i, known
}

// line reads the line with an index.
func (l *oldLines) line(i int) ([]byte, error) {
	from := int64(0)
	if i > 0 {
		from = l.ends[i-1]
	}
	line := make([]byte, l.ends[i]-from)
	_, err := l.ReadAt(line, from)
	return line, err
}
