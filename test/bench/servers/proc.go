package servers

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// checkFiles checks that this process may have so many files open, which are mostly connections. The gateway may have
// as many as this process, at the other ends.
func CheckOpenFiles(least int) error {
	limits, err := readProc(os.Getpid(), "limits")
	if err != nil {
		return err
	}
	for line := range strings.Lines(limits) {
		if limit, ok := strings.CutPrefix(line, "Max open files"); ok {
			// What is no number is "unlimited".
			if n, err := strconv.Atoi(strings.Fields(limit)[0]); err == nil && n < least {
				return fmt.Errorf("only %d files may be open at once, and it takes %d: ulimit -n %d", n, least, least)
			}
		}
	}
	return nil
}

// tick is the unit of time in /proc: USER_HZ, which is 100 on every platform that Go runs Linux on.
const tick = time.Second / 100

// cpuTime is the CPU time that a process has taken, its own and the kernel's for it.
func CPUTime(pid int) (time.Duration, error) {
	stat, err := readProc(pid, "stat")
	if err != nil {
		return 0, err
	}
	// The second field is the command's name in parentheses, which may hold anything. From the third on they are numbered
	// 0.
	const utime, stime = 11, 12
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) <= stime {
		return 0, fmt.Errorf("/proc/%d/stat is not as expected: %s", pid, stat)
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

// memory is a size of a process, in bytes.
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
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file)) //nolint:gosec // of a process started here
	if err != nil {
		return "", fmt.Errorf("what a process takes is known on Linux only: %w", err)
	}
	return string(text), nil
}
