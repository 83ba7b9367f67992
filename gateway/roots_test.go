package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"revox-graphql/upstream/fake"
)

// isrgRootX1 is the SHA-256 fingerprint of the root of Let's Encrypt, as its operator publishes it.
const isrgRootX1 = "96bcec06264976f37460779acf28c5a7cfe8a3c0aae11a8ffcee05c0bddf08c6"

// again runs one test in a process of its own: the roots of a process are loaded once.
func again(t *testing.T, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), env...)
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
}

// In an environment without certificates, a public root is trusted and a private one is not.
func TestRootsWithoutSystem(t *testing.T) {
	if os.Getenv("SSL_CERT_FILE") != "/nowhere" {
		again(t, "SSL_CERT_FILE=/nowhere", "SSL_CERT_DIR=/nowhere")
		return
	}
	for c := range bundle.Roots() {
		if sum := sha256.Sum256(c.Certificate); hex.EncodeToString(sum[:]) == isrgRootX1 {
			root, err := x509.ParseCertificate(c.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			// Without VerifyOptions.Roots the verifier takes the process's own, as the client of upstream does.
			if chains, err := root.Verify(x509.VerifyOptions{}); err != nil || len(chains) != 1 {
				t.Errorf("ISRG Root X1 is not trusted: %v", err)
			}
			untrusted := httptest.NewTLSServer(nil)
			defer untrusted.Close()
			if _, err := untrusted.Certificate().Verify(x509.VerifyOptions{}); err == nil {
				t.Error("the certificate of an unknown authority is trusted")
			}
			return
		}
	}
	t.Error("ISRG Root X1 is not there")
}

// SSL_CERT_FILE comes before the built-in roots: the program reads from an upstream whose certificate is in that file,
// and not from one whose certificate nobody vouches for.
func TestRootsOfTheOperator(t *testing.T) {
	if os.Getenv("REVOX_BASE_URL") != "" {
		p := start(t, map[string]string{
			"REVOX_API_KEY": "key", "REVOX_BASE_URL": os.Getenv("REVOX_BASE_URL"), "GATEWAY_UPSTREAM_FIRST_PAGE": "0",
		})
		got := p.query(t, `{ calls(first: 1) { nodes { id } } }`)
		if vouched := os.Getenv("SSL_CERT_FILE") != "/nowhere"; vouched == strings.Contains(got, "UPSTREAM_UNAVAILABLE") {
			t.Errorf("vouched for: %v, and the response is %s", vouched, got)
		}
		return
	}
	rest := httptest.NewUnstartedServer(fake.New(fake.Config{Seed: 1, Calls: 3}))
	rest.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that is to fail
	rest.StartTLS()
	defer rest.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rest.Certificate().Raw}),
		0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, "/nowhere"} {
		again(t, "REVOX_BASE_URL="+rest.URL, "SSL_CERT_FILE="+path, "SSL_CERT_DIR=/nowhere")
	}
}
