package servers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// CgroupRoot is where Linux mounts control groups.
const CgroupRoot = "/sys/fs/cgroup"

// MemoryGroup is a control group that limits the memory of a process, as a container does: the kernel kills the process
// when it exceeds the limit.
type MemoryGroup struct {
	dir    string
	events string // the file with the number of kills
	peak   string // the file with the peak memory in bytes
}

// NewMemoryGroup creates a group below root: of version 2 if root is of version 2, else of version 1. It returns an
// error if this is not allowed: it requires root privileges and, for version 2, that root is the root of all groups or
// has no processes of its own.
func NewMemoryGroup(root, name string, bytes int) (*MemoryGroup, error) {
	limit := strconv.Itoa(bytes)
	if exists(filepath.Join(root, "cgroup.controllers")) {
		g := &MemoryGroup{dir: filepath.Join(root, name), events: "memory.events", peak: "memory.peak"}
		if err := writeFile(root, "cgroup.subtree_control", "+memory"); err != nil {
			return nil, fmt.Errorf("no memory controller: %w", err)
		}
		return g, g.create([2]string{"memory.max", limit}, [2]string{"memory.swap.max", "0"})
	}
	memory := filepath.Join(root, "memory")
	if !exists(filepath.Join(memory, "memory.limit_in_bytes")) {
		return nil, errors.New("no memory controller")
	}
	g := &MemoryGroup{dir: filepath.Join(memory, name), events: "memory.oom_control", peak: "memory.max_usage_in_bytes"}
	return g, g.create([2]string{"memory.limit_in_bytes", limit}, [2]string{"memory.memsw.limit_in_bytes", limit})
}

// create makes the folder and writes its limits. The limit of memory is required, the limit of swap is not available
// everywhere.
func (g *MemoryGroup) create(memory, swap [2]string) error {
	err := os.Mkdir(g.dir, 0o755) //nolint:gosec // the mode of the kernel's own folders
	if err == nil {
		err = writeFile(g.dir, memory[0], memory[1])
	}
	if err != nil {
		g.Remove()
		return fmt.Errorf("cannot create a group: %w", err)
	}
	err = writeFile(g.dir, swap[0], swap[1])
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
		g.Remove()
		return fmt.Errorf("cannot limit swap: %w", err)
	}
	return nil
}

// Enter returns a line of a shell script by which the shell enters the group.
func (g *MemoryGroup) Enter() string {
	return "echo $$ > '" + filepath.Join(g.dir, "cgroup.procs") + "'"
}

// Kills returns how often the kernel has killed a process of the group.
func (g *MemoryGroup) Kills() int {
	text, err := os.ReadFile(filepath.Join(g.dir, g.events))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(count))
			return n
		}
	}
	return 0
}

// Peak returns the peak memory of the group in bytes, including the kernel's memory for it; 0 if it is unknown.
func (g *MemoryGroup) Peak() int {
	text, err := os.ReadFile(filepath.Join(g.dir, g.peak))
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

// Remove removes the group, which must have no process left.
func (g *MemoryGroup) Remove() { _ = os.Remove(g.dir) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func writeFile(dir, name, text string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
}
