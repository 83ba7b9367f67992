package upstream

import (
	"log/slog"
	"unique"
)

// Credential is the bearer key sent upstream. It never prints itself: every formatting verb, encoder and logger gets a
// fixed text. Two are equal when their keys are.
//
// Methods do not protect it inside an unexported field of a struct that is printed: fmt does not call them there. A
// handle does, which shows as an address.
type Credential struct{ key unique.Handle[string] }

// NewCredential wraps a bearer key. The empty key is the zero Credential, for an endpoint that asks for none.
func NewCredential(key string) Credential {
	if key == "" {
		return Credential{}
	}
	return Credential{unique.Make(key)}
}

// secret is the key itself.
func (c Credential) secret() string {
	if c == (Credential{}) {
		return ""
	}
	return c.key.Value()
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
