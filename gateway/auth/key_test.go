package auth

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/graph"
	"revox-graphql/internal/reload"
	"revox-graphql/upstream"
)

// A new key goes upstream within a second, also for clients with a token. A file that cannot be used changes nothing.
// The log tells no key.
func TestKeyFileThatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "key")
		write := func(content string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("sk_one\n")
		key, err := OpenKey(path)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		log := slog.New(slog.NewTextHandler(&text, nil))
		anyone := New(Options{Key: key, Log: log})
		withToken := New(Options{Key: key, Tokens: []string{"token"}, Log: log})
		check := func(what, want string, logged int) {
			t.Helper()
			r := httptest.NewRequest(http.MethodPost, "/graphql", http.NoBody)
			r.Header.Set("Authorization", "Bearer token")
			for _, authenticate := range []func(*http.Request) (graph.Client, error){anyone, withToken} {
				client, err := authenticate(r)
				if err != nil || client.Credential != upstream.NewCredential(want) {
					t.Errorf("%s: the key is not %s, %v", what, want, err)
				}
			}
			if lines := strings.Count(text.String(), "\n"); lines != logged {
				t.Errorf("%s: %d lines are logged: %s", what, lines, &text)
			}
		}
		check("at the start", "sk_one", 0)
		write(" sk_two")
		time.Sleep(reload.Interval)
		check("another key", "sk_two", 1)
		for n, bad := range []string{"", "sk_three\nsk_four\n", "'sk_five'", strings.Repeat("x", maxKeyFile+1)} {
			write(bad)
			time.Sleep(reload.Interval)
			check("a bad file", "sk_two", n+2)
		}
		write("sk_six")
		time.Sleep(reload.Interval)
		check("mended", "sk_six", 6)
		if strings.Contains(text.String(), "sk_") {
			t.Errorf("the log tells a key: %s", &text)
		}
	})
}
