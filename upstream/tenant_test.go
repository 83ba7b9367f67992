package upstream_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"revox-graphql/upstream"
)

// A tenant is that of its credential within a process, and in no two processes the same: what is logged of it cannot be
// compared with a list of keys.
func TestTenant(t *testing.T) {
	const key, child = "sk_canary", "REVOX_TEST_PRINT_TENANT"
	own := upstream.NewCredential(key).Tenant()
	if os.Getenv(child) != "" {
		_, _ = os.Stdout.WriteString("tenant " + own.String() + "\n")
		return
	}
	if own != upstream.NewCredential(key).Tenant() || own == upstream.NewCredential("other").Tenant() ||
		own == (upstream.Tenant{}) || upstream.NewCredential("").Tenant() != (upstream.Tenant{}) {
		t.Error("tenants do not tell credentials apart")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTenant$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "tenant ") {
		t.Fatalf("%v: %s", err, out)
	}
	if strings.Contains(string(out), own.String()) {
		t.Error("another process has the same tenant")
	}
}
