package main

import (
	"io"
	"os"
	"strings"
	"testing"
)

// What cannot be written ends the walk, with its reason. The device that is always full is Linux's own.
func TestDiskFull(t *testing.T) {
	_, env := startREST(t, 250)
	_, log, status := runQuery(t, env, "--all", "--out", "/dev/full")
	if status != 1 || !strings.Contains(log, "stopped after 0 calls: ") || !strings.Contains(log, "no space left on device") {
		t.Errorf("%d, %s", status, log)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	for _, args := range [][]string{{"query", "--all"}, {"query", "-d", "{ __typename }"}} {
		err := run(t.Context(), args, func(name string) string { return env[name] }, full, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "no space left on device") {
			t.Errorf("%v: %v", args, err)
		}
	}
}
