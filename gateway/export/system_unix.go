//go:build unix

package export

import (
	"errors"
	"os"
	"syscall"
)

// lock locks a file for this process, for as long as it is open. It does not wait: if another process has the lock, it
// returns EWOULDBLOCK.
func lock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) { // a network file system may wait for its server
			return err
		}
	}
}

// takeOwner gives a file the group of another, and its owner too where this user may, as root does. It reports whether
// the groups are the same then.
func takeOwner(f *os.File, of os.FileInfo, chown func(f *os.File, owner, group int) error) bool {
	is, ok := of.Sys().(*syscall.Stat_t)
	return ok && (chown(f, int(is.Uid), int(is.Gid)) == nil || chown(f, -1, int(is.Gid)) == nil)
}
