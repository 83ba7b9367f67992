//go:build !linux

package slowclient

import "time"

// SentAgo implements sender; this system does not tell.
func (socket) SentAgo() (ago time.Duration, ok bool) { return 0, false }
