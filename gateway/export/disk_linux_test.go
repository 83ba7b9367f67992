package export

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
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
	self, own := os.Geteuid(), os.Getegid()
	owner, group := self, own
	if groups, err := os.Getgroups(); err == nil && len(groups) > 0 {
		group = groups[len(groups)-1]
	}
	if self == 0 {
		owner, group = nobody, 12345
	}
	path := filepath.Join(t.TempDir(), "calls")
	for _, test := range []struct {
		name               string
		may                func(owner int) bool
		asked              [][2]int
		newOwner, newGroup int
		newMode            os.FileMode
	}{
		{"both", func(int) bool { return true }, [][2]int{{owner, group}}, owner, group, 0o662},
		{"the group", func(to int) bool { return to == -1 }, [][2]int{{owner, group}, {-1, group}}, self, group, 0o662},
		{"neither", func(int) bool { return false }, [][2]int{{owner, group}, {-1, group}}, self, own, 0o622},
	} {
		t.Run(test.name, func(t *testing.T) {
			_ = os.Remove(path)
			err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, owner, group), os.Chmod(path, 0o662))
			if err != nil {
				t.Fatal(err)
			}
			var asked [][2]int
			s := newSystem()
			s.chown = func(f *os.File, owner, group int) error {
				if asked = append(asked, [2]int{owner, group}); !test.may(owner) {
					return syscall.EPERM
				}
				return f.Chown(owner, group)
			}
			if err := walkFile(t.Context(), (&engine{calls: 3}).options(t), path, s); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := info.Sys().(*syscall.Stat_t)
			if !ok || int(got.Uid) != test.newOwner || int(got.Gid) != test.newGroup || info.Mode() != test.newMode {
				t.Errorf("the new file is of %d, %d, with the mode %v", got.Uid, got.Gid, info.Mode())
			}
			if !slices.Equal(asked, test.asked) {
				t.Errorf("owner and group to be set: %v, want %v", asked, test.asked)
			}
		})
	}
}

// States are files of the walk. They do not take over the owner of an earlier one.
func TestStatesAreReadableByTheirOwnerAlone(t *testing.T) {
	s := newSystem()
	s.chown = func(_ *os.File, owner, group int) error {
		t.Errorf("owner %d and group %d are set", owner, group)
		return nil
	}
	f, err := openFile(filepath.Join(t.TempDir(), "calls"), "", s, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.saveOne(&state{}); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(f.statePath())
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("the mode is %v, %v", info.Mode(), err)
		}
		if err := os.Chmod(f.statePath(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
}

// A path that cannot be written is rejected before the first request, and the same command would fail again.
func TestPathsThatCannotBeWritten(t *testing.T) {
	unfinished := filepath.Join(t.TempDir(), "calls")
	if err := os.Mkdir(unfinished+".part", 0o700); err != nil {
		t.Fatal(err)
	}
	me := os.Geteuid()
	for _, test := range []struct {
		user       int
		path, want string
	}{
		{nobody, "/etc/passwd", "passwd is read-only"}, // although another user may write it
		{nobody, "/etc/calls", "calls.part: permission denied"},
		{nobody, "/root/folder/calls", "/root/folder/calls cannot be written: "},
		{me, "/sys/calls", "calls.part: "}, // where nobody can create a file
		{me, filepath.Join(t.TempDir(), strings.Repeat("c", 255)), "file name too long"},
		{me, unfinished, "is a directory"},
	} {
		e := &engine{calls: 3}
		o := e.options(t)
		err := as(test.user, func() error { return WalkFile(t.Context(), o, test.path) })
		if _, usage := errors.AsType[*UsageError](err); !usage || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: it ended with %v", test.path, err)
		}
		if len(e.requests) > 0 {
			t.Errorf("%s: %d requests", test.path, len(e.requests))
		}
	}
}
