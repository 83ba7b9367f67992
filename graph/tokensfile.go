package graph

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// TokensFile is a file of bearer tokens, one a line; lines that begin with # are comments. It is read again when it has
// changed, so that tokens come and go without a restart. A file that cannot be used changes nothing: who was let in is
// let in, and nobody else.
type TokensFile struct {
	path string

	mu       sync.Mutex
	looked   time.Time // when it was last looked at
	modified time.Time // as it was when it was last read,
	size     int64     // and of this size
	tokens   []tokenHash
	bad      bool // it cannot be used, and this has been logged
}

const (
	// tokensFileInterval is how often the file is looked at, at the most.
	tokensFileInterval = time.Second
	// maxTokensFile bounds the file, in bytes: each request is compared with every token.
	maxTokensFile = 1 << 20
)

// NewTokensFile reads a file of tokens. An error names no token.
func NewTokensFile(path string) (*TokensFile, error) {
	f := &TokensFile{path: path, looked: time.Now()}
	if _, err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

// current is what the file held when it could last be used.
func (f *TokensFile) current(log *slog.Logger) []tokenHash {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if now.Sub(f.looked) < tokensFileInterval {
		return f.tokens
	}
	f.looked = now
	changed, err := f.read()
	switch {
	case err != nil && !f.bad:
		log.Error("the file of tokens cannot be used: its former tokens stay in force", "error", err)
		f.bad = true
	case err == nil && changed:
		log.Info("the file of tokens was read again", "tokens", len(f.tokens))
		f.bad = false
	}
	return f.tokens
}

// read reads the file if it is not as it was when it was last read.
func (f *TokensFile) read() (changed bool, err error) {
	info, err := os.Stat(f.path)
	switch {
	case err != nil:
		f.size, f.modified = 0, time.Time{} // whatever comes next is read
		return false, err
	case !info.Mode().IsRegular(): // opening a pipe would wait for a writer
		return false, fmt.Errorf("%s is not a file", f.path)
	case info.Size() == f.size && info.ModTime().Equal(f.modified):
		return false, nil
	}
	// Taken before reading, so that what is written meanwhile is seen next time.
	f.size, f.modified = info.Size(), info.ModTime()
	if info.Size() > maxTokensFile {
		return false, fmt.Errorf("%s has more than %d bytes", f.path, maxTokensFile)
	}
	content, err := os.ReadFile(f.path)
	if err != nil {
		f.size, f.modified = 0, time.Time{}
		return false, err
	}
	tokens, err := parseTokens(string(content))
	if err != nil {
		return false, fmt.Errorf("%s %w", f.path, err)
	}
	f.tokens = tokens
	return true, nil
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
