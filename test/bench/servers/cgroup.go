package servers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroupRoot is where Linux mounts control groups.
const CgroupRoot = "/sys/fs/cgroup"

// memoryGroup is a control group that bounds the memory of a process, as a container's does: beyond the bound the
// kernel kills it.
type MemoryGroup struct {
	dir    string
	events string // the file that counts how often the kernel has killed in the group
	peak   string // the file with the most memory that the group has had, in bytes
}

// newMemoryGroup makes a group below root, of version 2 where root is one, else of version 1. Neither may be allowed
// here: it takes root, and for version 2 a root without other processes or the machine's own.
func NewMemoryGroup(root, name string, bytes int) (*MemoryGroup, error) {
	limit := strconv.Itoa(bytes)
	if exists(filepath.Join(root, "cgroup.controllers")) {
		g := &MemoryGroup{dir: filepath.Join(root, name), events: "memory.events", peak: "memory.peak"}
		if err := writeFile(root, "cgroup.subtree_control", "+memory"); err != nil {
			return nil, fmt.Errorf("they do not bound memory here: %w", err)
		}
		return g, g.create([2]string{"memory.max", limit}, [2]string{"memory.swap.max", "0"})
	}
	memory := filepath.Join(root, "memory")
	if !exists(filepath.Join(memory, "memory.limit_in_bytes")) {
		return nil, errors.New("there are none for memory here")
	}
	g := &MemoryGroup{dir: filepath.Join(memory, name), events: "memory.oom_control", peak: "memory.max_usage_in_bytes"}
	return g, g.create([2]string{"memory.limit_in_bytes", limit}, [2]string{"memory.memsw.limit_in_bytes", limit})
}

// create makes the folder and writes its limits: the first must be there, the second, of swap, is not everywhere.
func (g *MemoryGroup) create(memory, swap [2]string) error {
	err := os.Mkdir(g.dir, 0o755) //nolint:gosec // as the kernel has these folders
	if err == nil {
		err = writeFile(g.dir, memory[0], memory[1])
	}
	if err != nil {
		g.Remove()
		return fmt.Errorf("one cannot be made: %w", err)
	}
	err = writeFile(g.dir, swap[0], swap[1])
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
		g.Remove()
		return fmt.Errorf("swap cannot be bounded: %w", err)
	}
	return nil
}

// enter is the line of a shell script by which the shell, and what it becomes, enters the group.
func (g *MemoryGroup) Enter() string {
	return "echo $$ > '" + filepath.Join(g.dir, "cgroup.procs") + "'"
}

// killed is how often the kernel has killed a process of the group.
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

// most is the most memory that the group has had, in bytes, with the kernel's own for it; 0 where it does not tell.
func (g *MemoryGroup) Peak() int {
	text, err := os.ReadFile(filepath.Join(g.dir, g.peak))
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

// remove takes the group away, which must hold no process any more.
func (g *MemoryGroup) Remove() { _ = os.Remove(g.dir) } //nolint:gosec // the folder that create has made

func exists(path string) bool {
	_, err := os.Stat(path) //nolint:gosec // below the folder that the flag names
	return err == nil
}

func writeFile(dir, name, text string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) //nolint:gosec // as above
}
