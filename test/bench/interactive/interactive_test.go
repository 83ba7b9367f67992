package interactive

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Percentiles are of all parts together, and the ratios are those of the p99.
func TestRow(t *testing.T) {
	m := &measurement{exported: 3000, took: 2 * time.Second}
	for i := range 200 {
		m.without = append(m.without, time.Duration(200-i)*time.Millisecond)
		m.with = append(m.with, time.Duration(i+1)*2*time.Millisecond)
		m.beside = append(m.beside, time.Duration(200-i)*3*time.Millisecond)
	}
	want := []string{"100.00", "198.00", "200.00", "396.00", "2.00", "300.00", "594.00", "3.00", "1500"}
	if got := m.row(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// takeLines counts the lines of files that it reads in several parts, and removes the files.
func TestTakeLines(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat(strings.Repeat("x", 99)+"\n", 2000)
	for _, name := range []string{"calls.ndjson.part", "calls.ndjson.state"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"rest"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if lines, err := takeLines(dir); lines != 4000 || err != nil {
		t.Error(lines, err)
	}
	if lines, err := takeLines(dir); lines != 0 || err != nil {
		t.Error("the files are still there", lines, err)
	}
}

func TestParseOptions(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		ok   bool
	}{
		"defaults":  {[]string{"-gateway", "/bin/sh"}, true},
		"short":     {[]string{"-gateway", "/bin/sh", "-for", "10ms"}, false},
		"no rounds": {[]string{"-gateway", "/bin/sh", "-rounds", "0"}, false},
		"argument":  {[]string{"-gateway", "/bin/sh", "more"}, false},
	} {
		if _, err := parseOptions(test.args); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
