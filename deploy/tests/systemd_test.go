package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const unitPath = "deploy/revox-graphql.service"

// verify lets systemd read a unit, with the built binary in place of the installed one. For an unknown word systemd
// only prints a warning, so it must print nothing.
func verify(t *testing.T, unit string) string {
	t.Helper()
	unit = strings.Replace(unit, "ExecStart=/usr/local/bin/revox-graphql", "ExecStart="+os.Getenv("GATEWAY_BIN"), 1)
	path := filepath.Join(t.TempDir(), "revox-graphql.service")
	if err := os.WriteFile(path, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", path).CombinedOutput()
	if err != nil {
		return string(out) + err.Error()
	}
	return string(out)
}

func TestUnit(t *testing.T) {
	unit := read(t, unitPath)
	if said := verify(t, unit); said != "" {
		t.Error(said)
	}
	for _, wrong := range []string{
		"RestartSecs=2", "Restart=sometimes", "SystemCallFilter=@unknown-set",
		"ExecStart=/no/such/program",
	} {
		name, _, _ := strings.Cut(wrong, "=")
		line := regexp.MustCompile(`(?m)^` + strings.TrimSuffix(name, "s") + `=.*$`)
		if said := verify(t, line.ReplaceAllString(unit, wrong)); said == "" {
			t.Errorf("systemd takes %s", wrong)
		}
	}
}

// Systemd's own measure of how much harm a service could do to its host, from 0 to 10. The unit has 1.1, including the
// network.
func TestUnitIsConfined(t *testing.T) {
	analyze := func(path string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--threshold=12",
			"--no-pager", path).CombinedOutput()
		return string(out), err
	}
	if out, err := analyze(filepath.Join(repository, unitPath)); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	weaker := filepath.Join(t.TempDir(), "revox-graphql.service")
	unit := strings.ReplaceAll(read(t, unitPath), "DynamicUser=yes\n", "")
	if err := os.WriteFile(weaker, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := analyze(weaker); err == nil {
		t.Errorf("the threshold lets a service be root:\n%s", out)
	}
}

// Systemd waits longer than the gateway takes to stop.
func TestUnitStops(t *testing.T) {
	match := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindStringSubmatch(read(t, unitPath))
	if match == nil || duration(t, match[1]+"s") <= drainTimeout(t) {
		t.Errorf("TimeoutStopSec is %v, and requests have %v", match, drainTimeout(t))
	}
}
