package servers

import (
	"errors"
	"testing"
	"testing/synctest"
)

// A held log is not read. Writes return an error once it is closed.
func TestHeldLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &processLog{url: make(chan string, 1)}
		if n, err := l.Write([]byte("before\n")); n != 7 || err != nil {
			t.Fatal(n, err)
		}
		closeLog := l.hold()
		written := make(chan error, 1)
		go func() {
			_, err := l.Write([]byte("after\n"))
			written <- err
		}()
		synctest.Wait()
		if len(written) > 0 {
			t.Error("the held log was read")
		}
		closeLog()
		closeLog() // the second does nothing
		if err := <-written; !errors.Is(err, errLogClosed) || l.String() != "before\n" {
			t.Errorf("%v, %q", err, l.String())
		}
	})
}
