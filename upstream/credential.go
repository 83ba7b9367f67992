package upstream

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"unique"
)

// Credential is the bearer key sent upstream. It never prints itself: every formatting verb, encoder and logger gets a
// fixed text. Two are equal when their keys are.
//
// Methods do not protect it inside an unexported field of a struct that is printed: fmt does not call them there. A
// handle does, which shows as an address.
type Credential struct {
	key    unique.Handle[string]
	tenant Tenant
}

// NewCredential wraps a bearer key. The empty key is the zero Credential, for an endpoint that asks for none.
func NewCredential(key string) Credential {
	if key == "" {
		return Credential{}
	}
	return Credential{unique.Make(key), newTenant(key)}
}

// Tenant identifies the credential wherever something is kept, limited or counted for it.
func (c Credential) Tenant() Tenant { return c.tenant }

// Keyless is a Credential of the same tenant without its key, for what is kept for longer than a request takes. It can
// find what is in memory, and request nothing.
func (c Credential) Keyless() Credential { return Credential{tenant: c.tenant} }

// UnprovenShare is the part of what is bounded, one in so many, that the tenants whose key upstream has never accepted
// have together.
const UnprovenShare = 8

// secret is the key itself.
func (c Credential) secret() string {
	if c.key == (unique.Handle[string]{}) {
		return ""
	}
	return c.key.Value()
}

// Authorization is the value of the header of that name, for the request to upstream alone; "" without a key.
func (c Credential) Authorization() string {
	if secret := c.secret(); secret != "" {
		return "Bearer " + secret
	}
	return ""
}

// Fingerprint is the HMAC-SHA-256 of a purpose with the key, in hexadecimal. It tells keys apart in what outlives a
// process, where [Tenant] cannot. The key cannot be computed from it, but a weak key can be guessed with it, so it must
// be kept as private as what it protects.
func (c Credential) Fingerprint(purpose string) string {
	mac := hmac.New(sha256.New, []byte(c.secret()))
	_, _ = mac.Write([]byte(purpose))
	return hex.EncodeToString(mac.Sum(nil))
}

const redacted = "[redacted]"

// String implements [fmt.Stringer] without the key.
func (Credential) String() string { return redacted }

// GoString implements [fmt.GoStringer] without the key.
func (Credential) GoString() string { return redacted }

// MarshalText implements [encoding.TextMarshaler] without the key.
func (Credential) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements [slog.LogValuer] without the key.
func (Credential) LogValue() slog.Value { return slog.StringValue(redacted) }

// Tenant says whose data something is: half of the HMAC-SHA-256 of a key, under a random number of this process. So
// nothing that is kept for long holds a key, and what is kept can neither be turned back into one nor compared with
// that of another process. The zero Tenant is that of the zero Credential.
type Tenant [16]byte

func newTenant(key string) Tenant {
	mac := hmac.New(sha256.New, tenantKey)
	_, _ = mac.Write([]byte(key))
	return Tenant(mac.Sum(nil)[:len(Tenant{})])
}

// tenantKey never changes.
var tenantKey = func() []byte {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // it never fails
	return key
}()

// String is the first 4 bytes in hexadecimal, enough to tell tenants apart in a log.
func (t Tenant) String() string { return hex.EncodeToString(t[:4]) }
