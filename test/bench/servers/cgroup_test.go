package servers

import (
	"os"
	"path/filepath"
	"testing"
)

// A group is created in either version, with its limit. A group that cannot be created is an error.
func TestMemoryGroup(t *testing.T) {
	for name, test := range map[string]struct {
		files  []string // that the root has
		limit  string   // the file that must have the limit, below the root
		wanted bool
	}{
		"version 2":     {[]string{"cgroup.controllers", "cgroup.subtree_control"}, "stress/memory.max", true},
		"version 1":     {[]string{"memory/memory.limit_in_bytes"}, "memory/stress/memory.limit_in_bytes", true},
		"none":          {nil, "", false},
		"no memory":     {[]string{"cpu/cpu.shares"}, "", false},
		"exists before": {[]string{"memory/memory.limit_in_bytes", "memory/stress/tasks"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for _, file := range test.files {
				write(t, filepath.Join(root, file), "")
			}
			g, err := NewMemoryGroup(root, "stress", 1<<30)
			if (err == nil) != test.wanted {
				t.Fatalf("error: %v", err)
			}
			if !test.wanted {
				return
			}
			if got, _ := os.ReadFile(filepath.Join(root, test.limit)); string(got) != "1073741824" {
				t.Errorf("the limit is %q", got)
			}
			dir := filepath.Dir(filepath.Join(root, test.limit))
			if got, want := g.Enter(), "echo $$ > '"+dir+"/cgroup.procs'"; got != want {
				t.Errorf("%s, not %s", got, want)
			}
		})
	}
}

// The counts of the kernel are read from the files of the group, and missing files count as 0.
func TestMemoryGroupCounts(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "events"), "low 0\nmax 12\noom 2\noom_kill 1\n")
	write(t, filepath.Join(dir, "peak"), "987654321\n")
	there, not := MemoryGroup{dir, "events", "peak"}, MemoryGroup{dir, "other", "other"}
	if there.Kills() != 1 || there.Peak() != 987654321 {
		t.Errorf("killed %d, most %d", there.Kills(), there.Peak())
	}
	if not.Kills() != 0 || not.Peak() != 0 {
		t.Errorf("without files: killed %d, most %d", not.Kills(), not.Peak())
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
