package auth

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/internal/reload"
)

// A file that cannot be used keeps the former tokens in force, and is complained about once.
func TestTokensFileThatIsBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tokens")
		write := func(content string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("# whose\n\none \r\ntwo#2\n")
		file, err := NewTokensFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		log := slog.New(slog.NewTextHandler(&text, nil))
		check := func(what string, logged int, tokens ...string) {
			t.Helper()
			var want []tokenHash
			for _, token := range tokens {
				want = append(want, sha256.Sum256([]byte(token)))
			}
			if got := file.Current(log); !slices.Equal(got, want) {
				t.Errorf("%s: not the tokens %v", what, tokens)
			}
			if lines := strings.Count(text.String(), "\n"); lines != logged {
				t.Errorf("%s: %d lines are logged: %s", what, lines, &text)
			}
		}
		check("at the start", 0, "one", "two#2")
		write("three\n")
		check("within a second", 0, "one", "two#2")
		time.Sleep(reload.Interval)
		check("after a second", 1, "three")
		for n, spoil := range []func(){
			func() { write("") },
			func() { write("# no token\n") },
			func() { write("four\nfi ve\n") },
			func() { write("four\nf\x00ive\n") },
			func() { write(strings.Repeat("x", maxTokensFile+1)) },
			func() { _ = os.Remove(path) },
			func() { _ = os.Remove(path); _ = os.Mkdir(path, 0o700) },
		} {
			what := fmt.Sprintf("bad file %d", n)
			spoil()
			for range 3 {
				time.Sleep(reload.Interval)
				check(what, 2*n+2, "three")
			}
			_ = os.Remove(path)
			write(fmt.Sprintf("three\n# %d\n", n))
			time.Sleep(reload.Interval)
			check(what+", mended", 2*n+3, "three")
		}
		if strings.Contains(text.String(), "three") || strings.Contains(text.String(), "ve\n") {
			t.Errorf("the log tells a token: %s", &text)
		}
	})
	for _, content := range []string{"", "# nothing", "a b", "first-token # for Bob"} {
		path := filepath.Join(t.TempDir(), "tokens")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewTokensFile(path); err == nil {
			t.Errorf("%q was taken", content)
		}
	}
}
