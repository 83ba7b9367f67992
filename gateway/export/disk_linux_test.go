package export

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// A walk writes to a folder without read permission, although such a folder cannot be opened to be synced.
func TestFolderThatOnlyTakesFiles(t *testing.T) {
	o, want := (&engine{calls: 5}).options(t), lines(t, 5)
	folder := t.TempDir()
	path := filepath.Join(folder, "calls")
	const nobody = 65534
	for _, at := range []string{filepath.Dir(folder), folder} {
		if err := os.Chmod(at, 0o333); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error)
	go func() {
		runtime.LockOSThread()                           // for good: the thread ends with the goroutine
		if err := syscall.Setfsuid(nobody); err != nil { // root may read every folder
			ended <- err
			return
		}
		if _, err := os.ReadDir(folder); os.Geteuid() == 0 && !os.IsPermission(err) {
			t.Errorf("the folder can be read: %v", err)
		}
		ended <- WalkFile(t.Context(), o, path)
	}()
	err := <-ended
	for _, at := range []string{filepath.Dir(folder), folder} {
		if err := os.Chmod(at, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err != nil || content(t, path) != want || filesOf(t, folder) != "calls" {
		t.Errorf("%v, files %s", err, filesOf(t, folder))
	}
}
