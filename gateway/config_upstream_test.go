package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"revox-graphql/upstream"
)

// A page is served while it is read afresh for as long as the TTL, unless that is set.
func TestRevalidateDefault(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want time.Duration
	}{
		"default":           {nil, 15 * time.Second},
		"as long as TTL":    {map[string]string{"GATEWAY_CACHE_TTL": "1m"}, time.Minute},
		"set":               {map[string]string{"GATEWAY_CACHE_REVALIDATE": "5s"}, 5 * time.Second},
		"not at all":        {map[string]string{"GATEWAY_CACHE_TTL": "1m", "GATEWAY_CACHE_REVALIDATE": "0s"}, 0},
		"zero without unit": {map[string]string{"GATEWAY_CACHE_REVALIDATE": "0"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := parse(test.env)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.CacheRevalidate.or(s.CacheTTL); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	for _, bad := range []string{"soon", "-1s"} {
		if _, err := parse(map[string]string{"GATEWAY_CACHE_REVALIDATE": bad}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// A key that cannot be right stops the start with a line that names the variable and the reason, and never the key.
// White space around it is what a file's last line break leaves behind.
func TestKeys(t *testing.T) {
	const key = "sk_canary_51c9"
	for name, test := range map[string]struct{ value, says string }{
		"as it is":                {key, ""},
		"a line break behind":     {key + "\n", ""},
		"Windows' line break":     {key + "\r\n", ""},
		"spaces around":           {"  " + key + "\t", ""},
		"a no-break space behind": {key + "\u00a0", ""},
		"a line break inside":     {key + "\n" + key, "has more than one line"},
		"double quotes":           {`"` + key + `"`, "is in quotes"},
		"single quotes":           {"'" + key + "'", "is in quotes"},
		"one quote":               {key + `"`, "is in quotes"},
		"Bearer":                  {"Bearer " + key, "Bearer"},
		"bearer, in quotes":       {`"bearer ` + key + `"`, "is in quotes"},
		"bearer":                  {"bearer\u0020" + key, "Bearer"},
		"nothing but Bearer":      {"Bearer ", "Bearer"},
		"a space inside":          {"sk canary 51c9", "white space"},
		"a zero-width space":      {key + "\u200b", "U+200B"},
		"a byte order mark":       {"\ufeff" + key, "U+FEFF"},
		"another alphabet":        {"sk_с" + key, "U+0441"},
		"a control character":     {key + "\x7f", "U+007F"},
		"not UTF-8":               {key + "\xff", "U+FFFD"},
		"only white space":        {" \n", "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(says string, s *settings, err error) {
				t.Helper()
				switch {
				case says == "" && (err != nil || s.demo):
					t.Errorf("refused: %v", err)
				case says != "" && (err == nil || !strings.Contains(err.Error(), says)):
					t.Errorf("got %v", err)
				case err != nil && (strings.Contains(err.Error(), "canary") || strings.Count(err.Error(), "\n") > 0):
					t.Errorf("tells too much: %v", err)
				}
			}
			s, err := parse(map[string]string{"REVOX_API_KEY": test.value})
			check(test.says, s, err)
			if err != nil && !strings.HasPrefix(err.Error(), "REVOX_API_KEY ") {
				t.Errorf("got %v", err)
			}
			if err == nil && s.apiKey != upstream.NewCredential(key) {
				t.Error("another key")
			}
			s, err = parse(map[string]string{"REVOX_API_KEY": key, "GATEWAY_TOKENS": "other," + test.value})
			check(test.says, s, err)
			if err != nil && !strings.HasPrefix(err.Error(), "--tokens (GATEWAY_TOKENS) ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Upstream sees who asks, and in which version.
func TestUserAgent(t *testing.T) {
	agents := make(chan string, 10)
	rest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agents <- r.Header.Get("User-Agent")
		_, _ = io.WriteString(w, `{"calls": []}`)
	}))
	t.Cleanup(rest.Close)
	p := start(t, map[string]string{
		"REVOX_API_KEY": "sk", "REVOX_BASE_URL": rest.URL, "GATEWAY_UPSTREAM_FIRST_PAGE": "0",
	})
	p.query(t, `{ calls(first: 1) { nodes { id } } }`)
	if agent := <-agents; !regexp.MustCompile(`^revox-graphql/[!#-'*+.^_|~0-9A-Za-z-]+$`).MatchString(agent) {
		t.Errorf("got %q", agent)
	}
}
