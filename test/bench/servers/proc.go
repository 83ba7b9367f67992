package servers

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// CheckOpenFiles returns an error if this process may not have so many open files, most of which are connections. The
// gateway, which has the other ends of the connections, inherits the limit.
func CheckOpenFiles(least int) error {
	limits, err := readProc(os.Getpid(), "limits")
	if err != nil {
		return err
	}
	for line := range strings.Lines(limits) {
		if limit, ok := strings.CutPrefix(line, "Max open files"); ok {
			// A value that is not a number is "unlimited".
			if n, err := strconv.Atoi(strings.Fields(limit)[0]); err == nil && n < least {
				return fmt.Errorf("the limit of open files is %d, but %d are needed: ulimit -n %d", n, least, least)
			}
		}
	}
	return nil
}

// tick is the unit of time in /proc: USER_HZ, which is 100 on every platform on which Go supports Linux.
const tick = time.Second / 100

// CPUTime returns the user and system CPU time of a process.
func CPUTime(pid int) (time.Duration, error) {
	stat, err := readProc(pid, "stat")
	if err != nil {
		return 0, err
	}
	// The second field is the command's name in parentheses, which may contain spaces. Indexes count from the third field.
	const utime, stime = 11, 12
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) <= stime {
		return 0, fmt.Errorf("/proc/%d/stat has an unknown format: %s", pid, stat)
	}
	user, err := strconv.Atoi(fields[utime])
	if err != nil {
		return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	system, err := strconv.Atoi(fields[stime])
	if err != nil {
		return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	return time.Duration(user+system) * tick, nil
}

// Fields of /proc/PID/status.
const (
	PeakRSS    = "VmHWM"
	CurrentRSS = "VmRSS"
)

// Memory returns a size from /proc/PID/status, in bytes.
func Memory(pid int, field string) (int, error) {
	status, err := readProc(pid, "status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			kilobytes, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			if err != nil {
				return 0, fmt.Errorf("/proc/%d/status: %w", pid, err)
			}
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, field)
}

func readProc(pid int, file string) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return "", fmt.Errorf("process figures are available on Linux only: %w", err)
	}
	return string(text), nil
}
