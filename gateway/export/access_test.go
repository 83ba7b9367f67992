package export

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A new file is readable by its owner alone. A file that is replaced keeps its permission bits, by whatever link and
// whichever way it is replaced, and so does the file of changes.
func TestModesAreKept(t *testing.T) {
	for _, test := range []struct {
		name  string
		modes []os.FileMode // of the files that are replaced
		write func(o *Options, path, changes string) error
	}{
		{"a walk", []os.FileMode{0o644, 0o640, 0o666, 0o200}, func(o *Options, path, changes string) error {
			return errors.Join(WalkFile(t.Context(), o, path), WalkFile(t.Context(), o, changes))
		}},
		{"an update", []os.FileMode{0o644, 0o640, 0o666}, func(o *Options, path, changes string) error {
			o.Request.Query = `{ calls { nodes { id status endedAt } } }`
			return UpdateFile(t.Context(), o, path, UpdateOptions{Changes: changes})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			path, changes := filepath.Join(folder, "calls"), filepath.Join(folder, "changes")
			link := filepath.Join(folder, "link")
			if err := os.Symlink("calls", link); err != nil {
				t.Fatal(err)
			}
			for _, mode := range append([]os.FileMode{0o600}, test.modes...) {
				if mode != 0o600 { // that of the new files
					if err := errors.Join(os.Chmod(path, mode), os.Chmod(changes, mode)); err != nil {
						t.Fatal(err)
					}
				}
				if err := test.write((&engine{calls: 3}).options(t), link, changes); err != nil {
					t.Fatal(err)
				}
				for _, file := range []string{path, changes} {
					if info, err := os.Lstat(file); err != nil || info.Mode() != mode {
						t.Errorf("%s has the mode %v and not %v, %v", filepath.Base(file), info.Mode(), mode, err)
					}
				}
			}
		})
	}
}

// A file that nobody may write is rejected before the first request, by its own name and by that of a link.
func TestReadOnlyFiles(t *testing.T) {
	for _, test := range []struct{ name, readOnly, out, changes string }{
		{"a file", "calls", "calls", ""},
		{"by a link", "calls", "link", ""},
		{"changes", "changes", "calls", "changes"},
		{"an update", "calls", "calls", "changes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := &engine{calls: 3}
			o, earlier := e.options(t), (&engine{calls: 2}).options(t)
			o.Request.Query = `{ calls { nodes { id status endedAt } } }`
			t.Chdir(t.TempDir())
			for _, name := range []string{"calls", "changes"} {
				if err := WalkFile(t.Context(), earlier, name); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(os.Symlink("calls", "link"), os.Chmod(test.readOnly, 0o444)); err != nil {
				t.Fatal(err)
			}
			before := content(t, test.readOnly)
			var err error
			if test.changes == "" {
				err = WalkFile(t.Context(), o, test.out)
			} else {
				err = UpdateFile(t.Context(), o, test.out, UpdateOptions{Changes: test.changes})
			}
			_, usage := errors.AsType[*UsageError](err)
			if !usage || !strings.Contains(err.Error(), test.readOnly+" is read-only: make it writable") {
				t.Errorf("it ended with %v", err)
			}
			if len(e.requests) > 0 || content(t, test.readOnly) != before || filesOf(t, ".") != "calls changes link" {
				t.Errorf("%d requests, files %s\n%s", len(e.requests), filesOf(t, "."), content(t, test.readOnly))
			}
		})
	}
	if err := writable(os.DevNull); err != nil {
		t.Errorf("a device: %v", err)
	}
}
