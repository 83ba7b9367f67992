package export

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
)

// A network file system may be unable to sync a folder, or to lock a file: then the walk continues. Other errors end
// the walk. The error names another process only if that has the lock.
func TestFileSystemsThatLackSomething(t *testing.T) {
	isFolder := func(f *os.File) bool {
		info, err := f.Stat()
		return err == nil && info.IsDir()
	}
	folders := func(errno error) func(*os.File) error {
		return func(f *os.File) error {
			if isFolder(f) {
				return errno
			}
			return f.Sync()
		}
	}
	always := func(errno error) func(*os.File) error { return func(*os.File) error { return errno } }
	for _, test := range []struct {
		name     string
		lock     func(*os.File) error
		sync     func(*os.File) error
		fails    string // "": it does not
		reported string // "": nothing
	}{
		{name: "folders: EINVAL", sync: folders(syscall.EINVAL)},
		{name: "folders: ENOTSUP", sync: folders(syscall.ENOTSUP)},
		{name: "folders: ENOSYS", sync: folders(syscall.ENOSYS)},
		{name: "folders: EIO", sync: folders(syscall.EIO), fails: syscall.EIO.Error()},
		{name: "files too: EINVAL", sync: always(syscall.EINVAL)},
		{name: "files: EIO", sync: always(syscall.EIO), fails: syscall.EIO.Error()},
		{name: "locks: ENOLCK", lock: always(syscall.ENOLCK), reported: "cannot be locked here"},
		{name: "locks: ENOTSUP", lock: always(syscall.ENOTSUP), reported: "cannot be locked here"},
		{name: "locks: EOPNOTSUPP", lock: always(syscall.EOPNOTSUPP), reported: "cannot be locked here"},
		{name: "locks: ENOSYS", lock: always(syscall.ENOSYS), reported: "cannot be locked here"},
		{name: "locks: another system", lock: always(errors.ErrUnsupported), reported: "cannot be locked here"},
		{name: "locks: EIO", lock: always(syscall.EIO), fails: "calls.part cannot be locked: " + syscall.EIO.Error()},
		{name: "locks: held", lock: always(syscall.EWOULDBLOCK), fails: "is being written by another process"},
	} {
		t.Run(test.name, func(t *testing.T) {
			disk := newSystem()
			if test.lock != nil {
				disk.lock = test.lock
			}
			if test.sync != nil {
				disk.sync = test.sync
			}
			path := filepath.Join(t.TempDir(), "calls")
			o := (&engine{calls: 5}).options(t)
			var reported strings.Builder
			o.Notify = func(line string) { reported.WriteString(line) }
			err := walkFile(t.Context(), o, path, disk)
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) {
					t.Errorf("it ended with %v", err)
				}
				if _, err := os.Stat(path); err == nil {
					t.Error("the file has its name")
				}
				if test.lock != nil && !errors.Is(err, syscall.EWOULDBLOCK) && strings.Contains(err.Error(), "another process") {
					t.Errorf("it blames somebody: %v", err)
				}
				return
			}
			if err != nil || content(t, path) != lines(t, 5) || filesOf(t, filepath.Dir(path)) != "calls" {
				t.Errorf("%v, files %s", err, filesOf(t, filepath.Dir(path)))
			}
			if test.reported == "" && reported.Len() > 0 || !strings.Contains(reported.String(), test.reported) {
				t.Errorf("reported %q", reported.String())
			}
		})
	}
}

// If the disk is full at the last lines, no file gets the name, and the next run completes it.
func TestDiskFullAtTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls")
	last := int64(len(lines(t, 9)))
	disk := newSystem()
	disk.sync = func(f *os.File) error {
		if info, err := f.Stat(); err == nil && info.Size() == last && strings.HasSuffix(f.Name(), ".part") {
			return syscall.ENOSPC
		}
		return f.Sync()
	}
	err := walkFile(t.Context(), (&engine{calls: 9}).options(t), path, disk)
	if !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "stopped after 8 calls: ") {
		t.Errorf("it ended with %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file has its name")
	}
	if err := WalkFile(t.Context(), (&engine{calls: 9}).options(t), path); err != nil || content(t, path) != lines(t, 9) {
		t.Errorf("%v\n%s", err, content(t, path))
	}
}

// A slow disk does not delay the walk: lines that arrive while it syncs are saved with the next state.
func TestSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if the walk and the disk wait for each other
		path := filepath.Join(t.TempDir(), "calls")
		fourth := make(chan struct{})
		e := &engine{calls: 9, stop: func(request int) {
			if request == 4 {
				close(fourth)
			}
		}}
		syncs := 0
		disk := newSystem()
		disk.sync = func(f *os.File) error {
			if strings.HasSuffix(f.Name(), ".part") {
				syncs++
				<-fourth
			}
			return f.Sync()
		}
		if err := walkFile(t.Context(), e.options(t), path, disk); err != nil || content(t, path) != lines(t, 9) {
			t.Errorf("%v\n%s", err, content(t, path))
		}
		if syncs > 4 {
			t.Errorf("%d states for 5 pages", syncs)
		}
	})
}

// If somebody removes or replaces the unfinished lines during a walk, the walk does not give them the file's name.
func TestLinesTakenAwayMeanwhile(t *testing.T) {
	for _, test := range []struct {
		name    string
		lockErr error
		meddle  func(part string) error
		want    string
	}{
		{
			"replaced", nil,
			func(part string) error {
				return errors.Join(os.Remove(part), os.WriteFile(part, []byte("others"), 0o600))
			},
			"another process has just finished or replaced ",
		},
		{"removed", nil, os.Remove, "another process has just finished or replaced "},
		{
			"written by two, where there are no locks", syscall.ENOLCK,
			func(part string) error {
				f, err := os.OpenFile(part, os.O_WRONLY, 0)
				if err != nil {
					return err
				}
				_, err = f.WriteAt([]byte("others"), 0)
				return errors.Join(err, f.Close())
			},
			"was changed after it was written; to start again, remove",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "calls")
			disk := newSystem()
			if test.lockErr != nil {
				disk.lock = func(*os.File) error { return test.lockErr }
			}
			e := &engine{calls: 9, stop: func(request int) {
				if request == 3 {
					if err := test.meddle(path + ".part"); err != nil {
						t.Error(err)
					}
				}
			}}
			err := walkFile(t.Context(), e.options(t), path, disk)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("it ended with %v", err)
			}
			if _, err := os.Stat(path); err == nil {
				t.Errorf("the file has its name, with\n%s", content(t, path))
			}
		})
	}
}

// After the file has its name, and before the state is removed, somebody may write another file of that name, even of
// the same size.
func TestAnotherFileOfTheName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls")
	almostFinish(t, path, 9, true)
	others := strings.Repeat("x", len(content(t, path)))
	if err := os.WriteFile(path, []byte(others), 0o600); err != nil {
		t.Fatal(err)
	}
	err := WalkFile(t.Context(), (&engine{calls: 9}).options(t), path)
	if err == nil || !strings.Contains(err.Error(), "to start again, remove") || content(t, path) != others {
		t.Errorf("it ended with %v", err)
	}
}

// A walk that has not written anything leaves no file.
func TestNothingWrittenLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls")
	e := &engine{calls: 5, failures: []string{failure("FORBIDDEN", "")}}
	if err := WalkFile(t.Context(), e.options(t), path); err == nil {
		t.Error("it did not fail")
	}
	if got := filesOf(t, filepath.Dir(path)); got != "" {
		t.Errorf("files %s", got)
	}
}

// A walk writes the target of a symbolic link, also if the target does not exist yet. It never replaces a link.
func TestLinks(t *testing.T) {
	for _, test := range []struct {
		name  string
		links string // name=target, one after the other; a name that ends in / is a folder
		out   string
		want  string // the file that there is then; "": an error of usage
	}{
		{"a file", "", "calls", "calls"},
		{"to a file", "target=calls", "target", "calls"},
		{"to one that is not there", "link=new", "link", "new"},
		{"of links", "a=b b=c c=new", "a", "new"},
		{"into a folder", "d/ link=d/new", "link", "d/new"},
		{"into a folder by way of a link to it", "d/ e=d link=e/new", "link", "d/new"},
		{"out of a folder that is a link", "d/ d/e/ f=d/e d/e/link=../new", "f/link", "d/new"},
		{"out of it by dots of its own", "d/ d/e/ f=d/e link=f/../new", "link", "d/new"},
		{"to a folder that is not there", "link=no/new", "link", ""},
		{"to itself", "link=link", "link", ""},
		{"in a loop", "a=b b=a", "a", ""},
		{"beside a folder in a loop", "a=b b=a", "a/new", ""},
		{"below a file", "", "there/new", ""},
		{"in no folder", "", "no/new", ""},
		{"a folder's name", "", "no/", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := (&engine{calls: 3}).options(t)
			want := lines(t, 3)
			t.Chdir(t.TempDir())
			if err := os.WriteFile("there", []byte("there"), 0o600); err != nil {
				t.Fatal(err)
			}
			links := map[string]string{}
			for made := range strings.FieldsSeq(test.links) {
				var err error
				if name, to, link := strings.Cut(made, "="); link {
					links[name] = to
					err = os.Symlink(to, name)
				} else {
					err = os.Mkdir(name, 0o700)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			err := WalkFile(t.Context(), o, test.out)
			if _, usage := errors.AsType[*UsageError](err); usage != (test.want == "") || err != nil && !usage {
				t.Errorf("it ended with %v", err)
			}
			if test.want != "" && content(t, test.want) != want {
				t.Errorf("%s has\n%s", test.want, content(t, test.want))
			}
			for name, to := range links {
				if got, err := os.Readlink(name); err != nil || got != to {
					t.Errorf("the link %s leads to %s, %v", name, got, err)
				}
			}
			if got := filesOf(t, "."); strings.Contains(got, ".part") || strings.Contains(got, ".state") {
				t.Errorf("it leaves %s", got)
			}
		})
	}
}

// Two walks to different files do not affect each other, even if one file has the name of the other's unfinished
// lines.
func TestNamesThatMeet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls")
	e := &engine{calls: 9, stop: func(request int) {
		if request == 3 {
			if err := WalkFile(t.Context(), (&engine{calls: 3}).options(t), path+".part"); err != nil {
				t.Error(err)
			}
		}
	}}
	err := WalkFile(t.Context(), e.options(t), path)
	if err == nil || content(t, path+".part") != lines(t, 3) {
		t.Errorf("it ended with %v", fmt.Sprint(err))
	}
}
