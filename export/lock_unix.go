//go:build unix

package export

import (
	"os"
	"syscall"
)

// lock takes a file for this process, for as long as it is open. It does not wait.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
