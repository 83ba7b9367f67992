package upstream_test

import (
	"strings"
	"testing"

	"revox-graphql/upstream"
)

// A fingerprint is the same in every process, unlike a tenant, and never that of another key or purpose.
func TestFingerprint(t *testing.T) {
	const key = "sk_canary"
	got := upstream.NewCredential(key).Fingerprint("export")
	// printf export | openssl dgst -sha256 -hmac sk_canary
	if want := "8ccacb578a9e82a94491d5d40287882f9139086d5c7766d187cd628187c1fa6e"; got != want {
		t.Errorf("got %s", got)
	}
	for _, other := range []string{
		upstream.NewCredential("other").Fingerprint("export"),
		upstream.NewCredential(key).Fingerprint("another"),
		upstream.Credential{}.Fingerprint("export"),
	} {
		if other == got || strings.Contains(other, key) {
			t.Errorf("%s is taken for another", other)
		}
	}
}
