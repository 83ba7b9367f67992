// Package tests tests the image, the systemd unit and the Kubernetes manifests, as far as that is possible without a
// container host, systemd or a cluster. It is a separate module, so that the gateway does not depend on Kubernetes.
package tests

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const repository = "../.."

// gateway runs the built binary with these settings only, and returns its output.
func gateway(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	binary := os.Getenv("GATEWAY_BIN")
	if binary == "" {
		t.Fatal("GATEWAY_BIN names no binary: run `make deploy`")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append([]string{}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// drainTimeout returns how long the gateway lets requests finish, according to its source.
func drainTimeout(t *testing.T) time.Duration {
	t.Helper()
	match := regexp.MustCompile(`const drainTimeout = (\d+) \* time\.Second`).
		FindStringSubmatch(read(t, "gateway/serve.go"))
	if match == nil {
		t.Fatal("gateway/serve.go has no drainTimeout")
	}
	return duration(t, match[1]+"s")
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// deployed returns the files with which the gateway is deployed.
func deployed(t *testing.T) []string {
	t.Helper()
	files := []string{"Dockerfile", "compose.yaml"}
	err := fs.WalkDir(os.DirFS(repository), "deploy", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !strings.HasPrefix(path, "deploy/tests/") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Every setting that a file here names exists: the gateway ignores others.
func TestSettingsExist(t *testing.T) {
	help, err := gateway(t, nil, "--help")
	if err != nil {
		t.Fatal(err)
	}
	setting := regexp.MustCompile(`\b(GATEWAY|REVOX)_[A-Z_]+\b`)
	known := map[string]bool{}
	for _, name := range setting.FindAllString(help, -1) {
		known[name] = true
	}
	found := 0
	for _, path := range deployed(t) {
		for _, name := range setting.FindAllString(read(t, path), -1) {
			found++
			if !known[name] {
				t.Errorf("%s names %s, which is not a setting", path, name)
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d settings", found)
	}
}

// The gateway detects the memory limit of its container or systemd unit, and keeps some of it free. A limit as a
// setting would replace that one.
func TestMemoryLimitsAreDetected(t *testing.T) {
	limit := regexp.MustCompile(`GOMEMLIMIT|GATEWAY_MEMORY_LIMIT`)
	for _, path := range deployed(t) {
		if found := limit.FindString(read(t, path)); found != "" {
			t.Errorf("%s sets %s", path, found)
		}
	}
}
