//go:build unix

package export

import (
	"errors"
	"os"
	"syscall"
)

// lock takes a file for this process, for as long as it is open. It does not wait.
func lock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) { // over a network it may wait for the server
			return err
		}
	}
}
