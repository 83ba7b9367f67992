package auth

import (
	"fmt"
	"log/slog"
	"strings"

	"revox-graphql/internal/reload"
	"revox-graphql/upstream"
)

// Key is the gateway's own key for Revox: one that never changes, or what a file holds. The zero Key is none.
type Key struct {
	fixed upstream.Credential
	file  *reload.File[upstream.Credential]
}

// maxKeyFile bounds the file of a key, in bytes.
const maxKeyFile = 64 << 10

// NewKey returns a key that never changes. White space around it does not count, because the last line break of a file
// comes along easily. The error completes a sentence that begins with the name of the setting.
func NewKey(text string) (Key, error) {
	credential, err := parseKey([]byte(text))
	return Key{fixed: credential}, err
}

// OpenKey returns the key that a file holds. The file is read again when it has changed, so a key is replaced without a
// restart. A file that cannot be used changes nothing: the key before it stays in force.
func OpenKey(path string) (Key, error) {
	file, err := reload.Open(path, reload.Options[upstream.Credential]{
		Parse: func(content []byte) (upstream.Credential, error) {
			credential, err := parseKey(content)
			if err != nil {
				err = fmt.Errorf("holds a key that %w", err)
			}
			return credential, err
		},
		Entries:  func(upstream.Credential) int { return 1 },
		MaxBytes: maxKeyFile,
	})
	return Key{file: file}, err
}

func parseKey(content []byte) (upstream.Credential, error) {
	key := strings.TrimSpace(string(content))
	if err := CheckToken(key); err != nil {
		return upstream.Credential{}, err
	}
	return upstream.NewCredential(key), nil
}

// Current is the key that goes to Revox now. A change of the file is logged.
func (k Key) Current(log *slog.Logger) upstream.Credential {
	if k.file != nil {
		return k.file.Current(log)
	}
	return k.fixed
}
