package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// lines returns the lines of a walk of so many calls.
func lines(t *testing.T, calls int) string {
	t.Helper()
	var out strings.Builder
	if err := Walk(t.Context(), (&engine{calls: calls}).options(t), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// filesOf returns the names of the files of a folder.
func filesOf(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return strings.Join(names, " ")
}

// interrupt walks to a file, and interrupts the walk at the n-th request.
func interrupt(t *testing.T, path string, calls, n int) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	e := &engine{calls: calls, stop: func(request int) {
		if request == n {
			cancel(errors.New("enough"))
		}
	}}
	err := WalkFile(ctx, e.options(t), path)
	if err == nil || !strings.HasSuffix(err.Error(), "enough; run the command again to continue") {
		t.Fatalf("it ended with %v", err)
	}
}

// Wherever a walk is interrupted, the next run continues it, and requests no page twice. The file is the same as
// without an interruption.
func TestResume(t *testing.T) {
	const calls = 9
	want := lines(t, calls)
	for n := 1; n <= 5; n++ {
		folder := t.TempDir()
		path := filepath.Join(folder, "calls")
		interrupt(t, path, calls, n)
		e := &engine{calls: calls}
		if err := WalkFile(t.Context(), e.options(t), path); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != want || len(e.requests) != 5-(n-1) || filesOf(t, folder) != "calls" {
			t.Errorf("interrupted at %d: %d requests, files %s\n%s", n, len(e.requests), filesOf(t, folder), got)
		}
	}
}

// The run that reaches the end also reports the errors from before an interruption.
func TestResumeKeepsFlaws(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls")
	ctx, cancel := context.WithCancelCause(t.Context())
	e := &engine{
		calls: 9, failures: []string{answered("2", `,"extensions":{"reordered":true}`, "0", "0")},
		stop: func(request int) {
			if request == 2 {
				cancel(errors.New("enough"))
			}
		},
	}
	if err := WalkFile(ctx, e.options(t), path); err == nil || errors.Is(err, ErrReordered) {
		t.Fatalf("interrupted, it ended with %v", err)
	}
	err := WalkFile(t.Context(), (&engine{calls: 9}).options(t), path)
	if !errors.Is(err, ErrReordered) || !strings.Contains(err.Error(), "walk, 1 times: ") ||
		!strings.Contains(err.Error(), "twice: 1 calls are in the output more than once") {
		t.Errorf("it ended with %v", err)
	}
	if got := filesOf(t, filepath.Dir(path)); got != "calls" {
		t.Errorf("files %s", got)
	}
}

// A crash of the process or the machine leaves the files as they were at some moment. The test makes the files of each
// such moment.
func TestResumeAfterACrash(t *testing.T) {
	const calls = 9
	want := lines(t, calls)
	extend := func(t *testing.T, path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content(t, path)+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name  string
		leave func(t *testing.T, path string)
	}{
		{"before the first state", func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path+".part", []byte(`{"id":`), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"lines without their state", func(t *testing.T, path string) {
			t.Helper()
			interrupt(t, path, calls, 3)
			extend(t, path+".part", `{"id":"4"}`+"\n"+`{"i`)
		}},
		{"half of the next state", func(t *testing.T, path string) {
			t.Helper()
			interrupt(t, path, calls, 3)
			extend(t, path+".part", `{"id":"4"}`+"\n")
			if err := os.WriteFile(path+".state.new", []byte(`{"dig`), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"all written, not yet named", func(t *testing.T, path string) { t.Helper(); almostFinish(t, path, calls, false) }},
		{"named, and the state is left", func(t *testing.T, path string) { t.Helper(); almostFinish(t, path, calls, true) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			path := filepath.Join(folder, "calls")
			if err := os.WriteFile(path, []byte("the former file"), 0o600); err != nil {
				t.Fatal(err)
			}
			test.leave(t, path)
			if err := WalkFile(t.Context(), (&engine{calls: calls}).options(t), path); err != nil {
				t.Fatal(err)
			}
			if got := content(t, path); got != want || filesOf(t, folder) != "calls" {
				t.Errorf("files %s\n%s", filesOf(t, folder), got)
			}
		})
	}
}

// After a process was killed, the next run continues after the last page that was written, although its state was not
// synced. After a power failure, the next run uses a state only if the lines prove it.
func TestRecentState(t *testing.T) {
	const calls, pages, written, saved = 9, 5, 3, 1
	overwrite := func(t *testing.T, path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	behind := filepath.Join(t.TempDir(), "calls")
	interrupt(t, behind, calls, saved+1)
	state := content(t, behind+".state")
	for name, test := range map[string]struct {
		leave    func(t *testing.T, path string)
		requests int // of the next run
	}{
		"killed": {func(t *testing.T, path string) { t.Helper(); overwrite(t, path+".state", state) }, pages - written},
		"killed before a state was synced": {func(t *testing.T, path string) {
			t.Helper()
			if err := os.Remove(path + ".state"); err != nil {
				t.Fatal(err)
			}
		}, pages - written},
		"lines that were not synced are lost": {func(t *testing.T, path string) {
			t.Helper()
			overwrite(t, path+".state", state)
			part := content(t, path+".part")
			overwrite(t, path+".part", part[:len(part)-9]+strings.Repeat("\x00", 9))
		}, pages - saved},
		"fewer lines": {func(t *testing.T, path string) {
			t.Helper()
			overwrite(t, path+".state", state)
			overwrite(t, path+".part", content(t, behind+".part"))
		}, pages - saved},
		"torn": {func(t *testing.T, path string) {
			t.Helper()
			overwrite(t, path+".state", state)
			overwrite(t, path+".recent", content(t, path+".recent")[:9])
		}, pages - saved},
		"older": {func(t *testing.T, path string) { t.Helper(); overwrite(t, path+".recent", state) }, pages - written},
		"of another query": {func(t *testing.T, path string) {
			t.Helper()
			overwrite(t, path+".state", state)
			overwrite(t, path+".recent", strings.Replace(content(t, path+".recent"), `"digest":"`, `"digest":"x`, 1))
		}, pages - saved},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "calls")
			interrupt(t, path, calls, written+1)
			test.leave(t, path)
			e := &engine{calls: calls}
			if err := WalkFile(t.Context(), e.options(t), path); err != nil {
				t.Fatal(err)
			}
			if content(t, path) != lines(t, calls) || filesOf(t, filepath.Dir(path)) != "calls" {
				t.Errorf("files %s\n%s", filesOf(t, filepath.Dir(path)), content(t, path))
			}
			if len(e.requests) != test.requests {
				t.Errorf("%d requests, not %d", len(e.requests), test.requests)
			}
		})
	}
}

// A run that resumes reads the saved lines once: it learns the ids and computes the sum in one pass, also if it cannot
// parse all lines.
func TestLinesAreReadOnce(t *testing.T) {
	for _, reads := range []int64{0, 7, 1 << 20} {
		path := filepath.Join(t.TempDir(), "calls")
		interrupt(t, path, 9, 3)
		w, err := newWalk((&engine{calls: 9}).options(t))
		if err != nil {
			t.Fatal(err)
		}
		f, err := openFile(path, w.digest(), newSystem(), w.Notify)
		if err != nil {
			t.Fatal(err)
		}
		nothing := sumOf(f.sum)
		parts := 0
		at, err := f.begin(func(lines io.Reader) {
			if parts++; sumOf(f.sum) != nothing {
				t.Error("the lines were read before")
			}
			if _, err := io.CopyN(io.Discard, lines, reads); err != nil && !errors.Is(err, io.EOF) {
				t.Error(err)
			}
		})
		text := content(t, path+".part")
		sum := sha256.Sum256([]byte(text))
		if err != nil || at.Calls != 4 || parts != 1 || sumOf(f.sum) != hex.EncodeToString(sum[:]) {
			t.Errorf("%d bytes read: %v, %+v, %d parts", reads, err, at, parts)
		}
		if err := f.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A run learns all ids of the saved lines and of the recent ones, whatever their format.
func TestLearnTwoParts(t *testing.T) {
	for name, rows := range map[string]RowOptions{
		"NDJSON": {Format: NDJSON}, "CSV": {Format: CSV, Header: true}, "CSV without a header": {Format: CSV},
		"CSV with a mark": {Format: CSV, Header: true, BOM: true}, "a mark alone": {Format: CSV, BOM: true},
	} {
		for saved := range 4 {
			t.Run(fmt.Sprint(name, ", ", saved, " pages saved"), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "calls")
				options := func(stop int) *Options {
					o := (&engine{calls: 9}).options(t)
					o.Rows = rows
					ask, n := o.Ask, 0
					o.Ask = func(ctx context.Context, request []byte) ([]byte, error) {
						if n++; n > stop {
							return nil, errors.New("enough")
						}
						return ask(ctx, request)
					}
					return o
				}
				var state []byte
				for _, stop := range []int{saved, 3 - saved} {
					state, _ = os.ReadFile(path + ".state") // there is none before the first page
					if err := WalkFile(t.Context(), options(stop), path); err == nil {
						t.Fatal("it was not interrupted")
					}
				}
				err := os.WriteFile(path+".state", state, 0o600) // as if the later states had not reached the disk
				if state == nil {
					err = os.Remove(path + ".state")
				}
				if err != nil {
					t.Fatal(err)
				}
				w, err := newWalk(options(0))
				if err != nil {
					t.Fatal(err)
				}
				f, err := openFile(path, w.digest(), newSystem(), w.Notify)
				if err != nil {
					t.Fatal(err)
				}
				at, err := f.begin(func(lines io.Reader) { w.ids.learn(lines, w.rows) })
				if err != nil || at.Calls != 6 || len(w.ids.seen) != 6 {
					t.Errorf("%v, %+v, %d ids", err, at, len(w.ids.seen))
				}
				for i := range 6 {
					if !w.ids.addCell(strconv.Itoa(i)) {
						t.Errorf("the id %d was not read", i)
					}
				}
				if err := f.close(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// almostFinish walks to the end, and stops before the state is removed, or before the file has its name.
func almostFinish(t *testing.T, path string, calls int, named bool) {
	t.Helper()
	w, err := newWalk((&engine{calls: calls}).options(t))
	if err != nil {
		t.Fatal(err)
	}
	f, err := openFile(path, w.digest(), newSystem(), w.Notify)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.run(t.Context(), unfinished{f}); err != nil {
		t.Fatal(err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	if named {
		if err := os.Rename(path+".part", path); err != nil {
			t.Fatal(err)
		}
	}
}

type unfinished struct{ *file }

func (unfinished) finish() error { return nil }

// While a walk is unfinished, the previous file stays, and no other query or process can write the unfinished one.
func TestOthersAreKeptOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls")
	if err := os.WriteFile(path, []byte("the former file"), 0o600); err != nil {
		t.Fatal(err)
	}
	interrupt(t, path, 9, 3)
	before := content(t, path+".part") + content(t, path+".state")
	for name, change := range map[string]func(*Options){
		"document":  func(o *Options) { o.Request.Query = "{ calls { nodes { extra id } } }" },
		"variables": func(o *Options) { o.Request.Query = `{ calls(after: "2") { nodes { id extra } } }` },
		"format":    func(o *Options) { o.Rows.Format = CSV },
		"columns":   func(o *Options) { o.Rows.Columns = []string{"id"} },
		"source":    func(o *Options) { o.Source = "another" },
	} {
		o := (&engine{calls: 9}).options(t)
		change(o)
		err := WalkFile(t.Context(), o, path)
		if _, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(err.Error(), "of another query") ||
			content(t, path+".part")+content(t, path+".state") != before {
			t.Errorf("another %s: %v", name, err)
		}
	}
	f, err := openFile(path, "", newSystem(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := WalkFile(t.Context(), (&engine{calls: 9}).options(t), path); err == nil ||
		!strings.Contains(err.Error(), "another process") {
		t.Errorf("two at once: %v", err)
	}
	if err := f.close(); err != nil || content(t, path) != "the former file" {
		t.Errorf("%v; the former file is now %s", err, content(t, path))
	}
	// The page size makes no difference.
	o := (&engine{calls: 9}).options(t)
	o.PageSize = 3
	if err := WalkFile(t.Context(), o, path); err != nil || content(t, path) != lines(t, 9) {
		t.Errorf("%v\n%s", err, content(t, path))
	}
}

// Files that do not belong together stay as they are.
func TestStateThatIsWrong(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"cannot be read": func(path string) error { return os.WriteFile(path+".state", []byte("{"), 0o600) },
		"expects":        func(path string) error { return os.Truncate(path+".part", 10) },
		"was changed after it was written": func(path string) error {
			f, err := os.OpenFile(path+".part", os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte(`{"id":"X"`), 0)
			return errors.Join(err, f.Close())
		},
	} {
		path := filepath.Join(t.TempDir(), "calls")
		interrupt(t, path, 9, 3)
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		err := WalkFile(t.Context(), (&engine{calls: 9}).options(t), path)
		if _, usage := errors.AsType[*UsageError](err); !usage || !strings.Contains(err.Error(), name) ||
			!strings.Contains(err.Error(), "to start again, remove") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A state whose cursor is lost would fail again, so it is an error for the user to correct.
func TestStateWhoseCursorIsLost(t *testing.T) {
	for _, code := range []string{"CURSOR_EXPIRED", "INVALID_CURSOR"} {
		path := filepath.Join(t.TempDir(), "calls")
		interrupt(t, path, 9, 3)
		err := WalkFile(t.Context(), (&engine{calls: 9, failures: []string{failure(code, "")}}).options(t), path)
		if _, usage := errors.AsType[*UsageError](err); !usage || !strings.Contains(err.Error(), "to start again, remove") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// An empty list makes an empty file, and a symbolic link keeps pointing where it did.
func TestFilesOfAllKinds(t *testing.T) {
	folder := t.TempDir()
	path, link := filepath.Join(folder, "calls"), filepath.Join(folder, "link")
	if err := WalkFile(t.Context(), (&engine{}).options(t), path); err != nil || content(t, path) != "" ||
		filesOf(t, folder) != "calls" {
		t.Errorf("%v, files %s", err, filesOf(t, folder))
	}
	if err := os.Symlink("calls", link); err != nil {
		t.Fatal(err)
	}
	if err := WalkFile(t.Context(), (&engine{calls: 3}).options(t), link); err != nil || content(t, path) != lines(t, 3) ||
		filesOf(t, folder) != "calls link" {
		t.Errorf("%v, files %s", err, filesOf(t, folder))
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := WalkFile(t.Context(), (&engine{}).options(t), filepath.Join(folder, "no", "folder")); err == nil {
		t.Error("a folder that is not there was taken")
	}
}
