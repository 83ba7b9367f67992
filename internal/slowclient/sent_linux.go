package slowclient

import (
	"time"

	"golang.org/x/sys/unix"
)

// SentAgo implements sender.
func (s socket) SentAgo() (ago time.Duration, ok bool) {
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, false
	}
	var info *unix.TCPInfo
	var failed error
	err = raw.Control(func(fd uintptr) {
		info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	if err != nil || failed != nil {
		return 0, false
	}
	return time.Duration(info.Last_data_sent) * time.Millisecond, true
}
