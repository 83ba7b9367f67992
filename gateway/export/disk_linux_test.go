package export

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user without rights.
const nobody = 65534

// as calls a function with the rights to files that a user has.
func as(user int, do func() error) error {
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if err := syscall.Setfsuid(user); err != nil {
			ended <- err
			return
		}
		ended <- do()
	}()
	return <-ended
}

// A walk writes to a folder without read permission, although such a folder cannot be opened to be synced.
func TestFolderThatOnlyTakesFiles(t *testing.T) {
	o, want := (&engine{calls: 5}).options(t), lines(t, 5)
	folder := t.TempDir()
	path := filepath.Join(folder, "calls")
	for _, at := range []string{filepath.Dir(folder), folder} {
		if err := os.Chmod(at, 0o333); err != nil {
			t.Fatal(err)
		}
	}
	err := as(nobody, func() error { // root may read every folder
		if _, err := os.ReadDir(folder); os.Geteuid() == 0 && !os.IsPermission(err) {
			t.Errorf("the folder can be read: %v", err)
		}
		return WalkFile(t.Context(), o, path)
	})
	for _, at := range []string{filepath.Dir(folder), folder} {
		if err := os.Chmod(at, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err != nil || content(t, path) != want || filesOf(t, folder) != "calls" {
		t.Errorf("%v, files %s", err, filesOf(t, folder))
	}
}

// A file that is replaced keeps its owner and group where the user may set them. Else the new group has no more rights
// than all other users.
func TestOwnersAreKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may give files away")
	}
	const group = 12345
	folder := t.TempDir()
	path := filepath.Join(folder, "calls")
	for _, at := range []string{filepath.Dir(folder), folder} {
		if err := os.Chmod(at, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name            string
		by              int
		mode            os.FileMode
		owner, newOwner int
		newGroup        uint32
		newMode         os.FileMode // 0: the file is rejected
	}{
		{"by root", 0, 0o640, nobody, nobody, group, 0o640},
		{"by the owner", nobody, 0o662, nobody, nobody, 0, 0o622},
		{"by another user", nobody, 0o662, 0, nobody, 0, 0o622},
		{"by a user who may not write it", nobody, 0o644, 0, 0, group, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			_ = os.Remove(path)
			err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, test.owner, group), os.Chmod(path, test.mode))
			if err != nil {
				t.Fatal(err)
			}
			e := &engine{calls: 3}
			o := e.options(t)
			err = as(test.by, func() error { return WalkFile(t.Context(), o, path) })
			if test.newMode == 0 {
				if err == nil || !strings.Contains(err.Error(), "calls is read-only") || len(e.requests) > 0 {
					t.Errorf("%d requests, %v", len(e.requests), err)
				}
				return
			}
			info, missing := os.Stat(path)
			if err = errors.Join(err, missing); err != nil {
				t.Fatal(err)
			}
			got, ok := info.Sys().(*syscall.Stat_t)
			if !ok || int(got.Uid) != test.newOwner || got.Gid != test.newGroup || info.Mode() != test.newMode {
				t.Errorf("the new file is of %d, %d, with the mode %v", got.Uid, got.Gid, info.Mode())
			}
		})
	}
}
