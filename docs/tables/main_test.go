package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The documentation has the tables as they are in the code.
func TestTables(t *testing.T) {
	for _, table := range tables {
		markdown, err := os.ReadFile(filepath.Join(folder, table.file))
		if err != nil {
			t.Fatal(err)
		}
		want, err := replace(markdown, table.name, table.rows)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(markdown, want) {
			t.Errorf("the table of %s in %s differs: run go generate ./...", table.name, table.file)
		}
	}
}

func TestReplace(t *testing.T) {
	got, err := replace([]byte("before\n<!-- a -->\nformer\n<!-- /a -->\nafter\n"), "a", "| row |\n")
	if want := "before\n<!-- a -->\n\n| row |\n\n<!-- /a -->\nafter\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "<!-- a -->", "<!-- /a --><!-- a -->", "<!-- b --><!-- /b -->"} {
		if _, err := replace([]byte(bad), "a", ""); err == nil {
			t.Errorf("%q has no place for the table", bad)
		}
	}
}
