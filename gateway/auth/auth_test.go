package auth

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"revox-graphql/graph"
	"revox-graphql/upstream"
)

// Which clients are let in, with which credential, and which of them are distinguished.
func TestAuthenticate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte("three\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := NewTokensFile(path)
	if err != nil {
		t.Fatal(err)
	}
	own := upstream.NewCredential("sk_own")
	key := Key{fixed: own}
	anyone, tokens, forward := New(Options{Key: key}),
		New(Options{Key: key, Tokens: []string{"one", "two"}, File: file, Log: slog.New(slog.DiscardHandler)}),
		New(Options{Key: key, Forward: true})
	const noToken, noKey = "a token of this gateway", "your Revox API key"
	for name, test := range map[string]struct {
		authenticate  func(*http.Request) (graph.Client, error)
		authorization string
		denied        string // words of the error; "" for none
		credential    upstream.Credential
		alike         string // another header of the same client; "" for none
	}{
		"anyone":                        {anyone, "", "", own, "Bearer x"},
		"anyone with a token":           {anyone, "Bearer x", "", own, "Bearer y"},
		"no token":                      {tokens, "", noToken, upstream.Credential{}, ""},
		"an empty token":                {tokens, "Bearer", noToken, upstream.Credential{}, ""},
		"another token":                 {tokens, "Bearer four", noToken, upstream.Credential{}, ""},
		"a token that is longer":        {tokens, "Bearer onetwo", noToken, upstream.Credential{}, ""},
		"another scheme":                {tokens, "Basic one", noToken, upstream.Credential{}, ""},
		"a token":                       {tokens, "Bearer one", "", own, "bearer  one"},
		"another of the tokens":         {tokens, "bearer  two", "", own, ""},
		"a token of the file":           {tokens, "Bearer three", "", own, ""},
		"no key":                        {forward, "", noKey, upstream.Credential{}, ""},
		"a key of another scheme":       {forward, "Basic sk_a", noKey, upstream.Credential{}, ""},
		"a key":                         {forward, "Bearer sk_a", "", upstream.NewCredential("sk_a"), "bearer sk_a"},
		"the gateway's own as a client": {forward, "Bearer sk_own", "", own, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ask := func(authorization string) (graph.Client, error) {
				r := httptest.NewRequest(http.MethodPost, "/graphql", http.NoBody)
				r.Header.Set("Authorization", authorization)
				return test.authenticate(r)
			}
			client, err := ask(test.authorization)
			if denied := err != nil; denied != (test.denied != "") || denied && !strings.Contains(err.Error(), test.denied) {
				t.Fatalf("denied: %v", err)
			}
			if client.Credential != test.credential {
				t.Error("another credential goes upstream")
			}
			if own := strings.HasPrefix(test.authorization, "Bearer sk_"); client.OwnKey != (own && test.denied == "") {
				t.Errorf("the key is the client's own: %v", client.OwnKey)
			}
			if test.alike != "" {
				if other, err := ask(test.alike); err != nil || other != client {
					t.Errorf("%q is another client: %v", test.alike, err)
				}
			}
			if other, err := ask("Bearer two"); err == nil && test.denied == "" && test.alike != "Bearer x" &&
				test.alike != "Bearer y" && (other.ID == client.ID) != strings.Contains(test.authorization, "two") {
				t.Error("clients with different tokens are not distinguished")
			}
		})
	}
}
