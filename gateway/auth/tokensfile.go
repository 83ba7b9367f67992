package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"revox-graphql/internal/reload"
)

// TokensFile is a file of bearer tokens, one on each line; lines that begin with # are comments. It is read again when
// it has changed, so tokens are added and removed without a restart. A file that cannot be used changes nothing: the
// tokens before it stay valid.
type TokensFile struct{ *reload.File[[]tokenHash] }

// maxTokensFile bounds the file, in bytes: each request is compared with every token.
const maxTokensFile = 1 << 20

// NewTokensFile reads a file of tokens. An error names no token.
func NewTokensFile(path string) (*TokensFile, error) {
	file, err := reload.Open(path, reload.Options[[]tokenHash]{
		Parse:    func(content []byte) ([]tokenHash, error) { return parseTokens(string(content)) },
		Entries:  func(tokens []tokenHash) int { return len(tokens) },
		MaxBytes: maxTokensFile,
	})
	if err != nil {
		return nil, err
	}
	return &TokensFile{file}, nil
}

func parseTokens(content string) ([]tokenHash, error) {
	var tokens []tokenHash
	n := 0
	for line := range strings.Lines(content) {
		n++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := CheckToken(line); err != nil {
			return nil, fmt.Errorf("has no token in line %d, which %w", n, err)
		}
		tokens = append(tokens, sha256.Sum256([]byte(line)))
	}
	if len(tokens) == 0 {
		return nil, errors.New("has no tokens")
	}
	return tokens, nil
}
