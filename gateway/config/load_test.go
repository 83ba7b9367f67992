package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"revox-graphql/upstream"
)

// parse reads the settings of a command line that serves.
func parse(env map[string]string, args ...string) (*Settings, error) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	Register(flags, false)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	return Load(flags, func(name string) string { return env[name] }, false)
}

// A flag takes precedence over a variable, and that over a default. An empty variable is none.
func TestSettingsComeInOrder(t *testing.T) {
	env := map[string]string{
		"GATEWAY_CACHE_TTL": "1m", "GATEWAY_CACHE_BYTES": "1MB", "GATEWAY_INTROSPECTION": "false",
		"GATEWAY_UPSTREAM_FIRST_PAGE": "1", "REVOX_API_KEY": "sk_canary", "GATEWAY_TOKENS": "a,b", "GATEWAY_LISTEN": "",
	}
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		want string // some settings, in the order below
	}{
		"defaults":    {nil, nil, "127.0.0.1:8080 " + defaultBaseURL + " 15s 268435456 true -1 true []"},
		"environment": {env, nil, "127.0.0.1:8080 " + defaultBaseURL + " 1m0s 1000000 false 1 false [a b]"},
		"flags": {
			env,
			[]string{"--cache-ttl=2m", "--introspection"},
			"127.0.0.1:8080 " + defaultBaseURL + " 2m0s 1000000 true 1 false [a b]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := parse(test.env, test.args...)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint(s.Listen, " ", s.BaseURL, " ", s.CacheTTL, " ", s.CacheBytes, " ", s.Introspection, " ",
				int(s.FirstPage()), " ", s.Demo, " ", s.Tokens)
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if text := fmt.Sprintf("%+v", s); strings.Contains(text, "sk_canary") {
				t.Errorf("the key prints: %s", text)
			}
		})
	}
}

// A setting that is on or off has two flags.
func TestNegatedFlags(t *testing.T) {
	for args, want := range map[string]bool{
		"--no-introspection": false, "--no-introspection=false": true, "--introspection=false": false,
		"--no-log-requests": true,
	} {
		if s, err := parse(nil, args); err != nil || s.Introspection != want {
			t.Errorf("%s: %v, %v", args, s.Introspection, err)
		}
	}
	if _, err := parse(nil, "--no-introspection=maybe"); err == nil {
		t.Error("maybe is accepted")
	}
}

// Every wrong value stops the start with one line that names the setting.
func TestWrongSettings(t *testing.T) {
	const key = "REVOX_API_KEY=sk"
	for _, test := range []struct{ env, names, says string }{
		{"GATEWAY_LISTEN=nowhere", "--listen (GATEWAY_LISTEN)", "host:port"},
		{"GATEWAY_LISTEN=127.0.0.1:99999", "--listen (GATEWAY_LISTEN)", "0 to 65535"},
		{"GATEWAY_LISTEN=0.0.0.0:80 " + key, "--listen (GATEWAY_LISTEN)", "GATEWAY_ALLOW_ANONYMOUS"},
		{"GATEWAY_LISTEN=:80 " + key, "--listen (GATEWAY_LISTEN)", "GATEWAY_TOKENS"},
		{"REVOX_BASE_URL=https://x.example", "--base-url (REVOX_BASE_URL)", "REVOX_API_KEY"},
		{"REVOX_BASE_URL=ftp://x " + key, "--base-url (REVOX_BASE_URL)", defaultBaseURL},
		{"REVOX_BASE_URL=getrevox " + key, "--base-url (REVOX_BASE_URL)", defaultBaseURL},
		{"REVOX_BASE_URL=https://u:p@x " + key, "--base-url (REVOX_BASE_URL)", defaultBaseURL},
		{"REVOX_BASE_URL=https://x?y " + key, "--base-url (REVOX_BASE_URL)", defaultBaseURL},
		{"REVOX_BASE_URL=https://x/api/call " + key, "--base-url (REVOX_BASE_URL)", "must end before /call"},
		{"REVOX_BASE_URL=https://x/api/call/ " + key, "--base-url (REVOX_BASE_URL)", "must end before /call"},
		{"GATEWAY_CREDENTIALS=mine", "--credentials (GATEWAY_CREDENTIALS)", "server, forward"},
		{"GATEWAY_CREDENTIALS=forward " + key, "--credentials (GATEWAY_CREDENTIALS)", "REVOX_API_KEY"},
		{"REVOX_API_KEY_FILE=key " + key, "--api-key-file (REVOX_API_KEY_FILE)", "unset one of them"},
		{"REVOX_API_KEY_FILE=key GATEWAY_CREDENTIALS=forward", "--api-key-file (REVOX_API_KEY_FILE)", "server"},
		{"REVOX_API_KEY_FILE=no/such/file", "--api-key-file (REVOX_API_KEY_FILE)", "no such file"},
		{"REVOX_API_KEY_FILE=load.go", "--api-key-file (REVOX_API_KEY_FILE)", "holds a key that has white space"},
		{"GATEWAY_CREDENTIALS=forward GATEWAY_TOKENS=a", "--tokens (GATEWAY_TOKENS)", "server"},
		{"GATEWAY_ALLOW_ANONYMOUS=perhaps", "--allow-anonymous (GATEWAY_ALLOW_ANONYMOUS)", "perhaps"},
		{"GATEWAY_UPSTREAM_PAGE_SIZE=19", "--upstream-page-size (GATEWAY_UPSTREAM_PAGE_SIZE)", "20 to 1000"},
		{"GATEWAY_UPSTREAM_PAGE_SIZE=many", "--upstream-page-size (GATEWAY_UPSTREAM_PAGE_SIZE)", "many"},
		{"GATEWAY_UPSTREAM_FIRST_PAGE=2", "--upstream-first-page (GATEWAY_UPSTREAM_FIRST_PAGE)", "auto, 0, 1"},
		{"GATEWAY_UPSTREAM_STATUSES_FORMAT=xml", "--upstream-statuses-format (GATEWAY_UPSTREAM_STATUSES_FORMAT)", "brackets"},
		{"GATEWAY_UPSTREAM_TIMEOUT=0s", "--upstream-timeout (GATEWAY_UPSTREAM_TIMEOUT)", "more than 0"},
		{"GATEWAY_UPSTREAM_TIMEOUT=30", "--upstream-timeout (GATEWAY_UPSTREAM_TIMEOUT)", "30"},
		{"GATEWAY_CACHE_TTL=banana", "--cache-ttl (GATEWAY_CACHE_TTL)", "banana"},
		{"GATEWAY_CACHE_TTL=-1s", "--cache-ttl (GATEWAY_CACHE_TTL)", "negative"},
		{"GATEWAY_CACHE_BYTES=lots", "--cache-bytes (GATEWAY_CACHE_BYTES)", "256MiB"},
		{"GATEWAY_MAX_REQUEST_BYTES=1", "--max-request-bytes (GATEWAY_MAX_REQUEST_BYTES)", "1KiB to 16MiB"},
		{"GATEWAY_MAX_REQUEST_BYTES=17MiB", "--max-request-bytes (GATEWAY_MAX_REQUEST_BYTES)", "1KiB to 16MiB"},
		{"GATEWAY_MAX_TOKENS=0", "--max-tokens (GATEWAY_MAX_TOKENS)", "1 to 100000"},
		{"GATEWAY_MAX_TOKENS=few", "--max-tokens (GATEWAY_MAX_TOKENS)", "few"},
		{"GATEWAY_MAX_DEPTH=101", "--max-depth (GATEWAY_MAX_DEPTH)", "1 to 100"},
		{"GATEWAY_MAX_ALIASES=0", "--max-aliases (GATEWAY_MAX_ALIASES)", "1 to 1000"},
		{"GATEWAY_MAX_ROOT_FIELDS=-1", "--max-root-fields (GATEWAY_MAX_ROOT_FIELDS)", "1 to 1000"},
		{"GATEWAY_MAX_COST=0", "--max-cost (GATEWAY_MAX_COST)", "1 to 100000000"},
		{"GATEWAY_MAX_ANSWER_BYTES=5GiB", "--max-answer-bytes (GATEWAY_MAX_ANSWER_BYTES)", "1KiB to 4GiB"},
		{"GATEWAY_APQ_BYTES=-1", "--apq-bytes (GATEWAY_APQ_BYTES)", "256MiB"},
		{"GATEWAY_MAX_PAGE_SIZE=0", "--max-page-size (GATEWAY_MAX_PAGE_SIZE)", "1 to 1000"},
		{"GATEWAY_UPSTREAM_PAGE_SIZE=20 GATEWAY_MAX_SHIFT=2000", "--max-shift (GATEWAY_MAX_SHIFT)", "can take 271 requests"},
		{"GATEWAY_MAX_SHIFT=0", "--max-shift (GATEWAY_MAX_SHIFT)", "1 to 1000000"},
		{"GATEWAY_MAX_SCAN_PAGES=0", "--max-scan-pages (GATEWAY_MAX_SCAN_PAGES)", "1 to 10000"},
		{"GATEWAY_INTROSPECTION=maybe", "--introspection (GATEWAY_INTROSPECTION)", "maybe"},
		{"GATEWAY_CREDENTIALS=forward GATEWAY_TOKENS_FILE=load.go", "--tokens-file (GATEWAY_TOKENS_FILE)", "server"},
		{"GATEWAY_TOKENS=,", "--tokens (GATEWAY_TOKENS)", "number 1 of them is empty"},
		{"GATEWAY_TOKENS=a,,b", "--tokens (GATEWAY_TOKENS)", "number 2 of them is empty"},
		{"GATEWAY_TOKENS=é", "--tokens (GATEWAY_TOKENS)", "U+00E9"},
		{"GATEWAY_TOKENS_FILE=no/such/file", "--tokens-file (GATEWAY_TOKENS_FILE)", "no such file"},
		{"GATEWAY_TOKENS_FILE=.", "--tokens-file (GATEWAY_TOKENS_FILE)", "not a file"},
		{"GATEWAY_TOKENS_FILE=load.go", "--tokens-file (GATEWAY_TOKENS_FILE)", "no token in line 1"},
		{"GATEWAY_CORS_ORIGINS=*", "--cors-origins (GATEWAY_CORS_ORIGINS)", "exact origins"},
		{"GATEWAY_CORS_ORIGINS=https://*.example", "--cors-origins (GATEWAY_CORS_ORIGINS)", "exact origins"},
		{"GATEWAY_CORS_ORIGINS=app.example", "--cors-origins (GATEWAY_CORS_ORIGINS)", "exact origins"},
		{"GATEWAY_CORS_ORIGINS=https://app.example/", "--cors-origins (GATEWAY_CORS_ORIGINS)", "exact origins"},
		{"GATEWAY_CORS_ORIGINS=https://app.example/x", "--cors-origins (GATEWAY_CORS_ORIGINS)", "exact origins"},
		{"GATEWAY_CORS_ORIGINS=https://a.example,null", "--cors-origins (GATEWAY_CORS_ORIGINS)", `"null"`},
		{"GATEWAY_CORS_ORIGINS=https://App.example", "--cors-origins (GATEWAY_CORS_ORIGINS)", "as browsers send them"},
		{"GATEWAY_CORS_ORIGINS=https://app.example:443", "--cors-origins (GATEWAY_CORS_ORIGINS)", "as browsers send them"},
		{"GATEWAY_CORS_ORIGINS=https://u@app.example", "--cors-origins (GATEWAY_CORS_ORIGINS)", "exact origins"},
		{"GATEWAY_HOSTS=https://calls.example", "--hosts (GATEWAY_HOSTS)", "without scheme"},
		{"GATEWAY_HOSTS=calls.example:80", "--hosts (GATEWAY_HOSTS)", "port"},
		{"GATEWAY_HOSTS=*", "--hosts (GATEWAY_HOSTS)", "names like"},
		{"GATEWAY_MAX_CONCURRENT_REQUESTS=0", "--max-concurrent-requests (GATEWAY_MAX_CONCURRENT_REQUESTS)", "1 to 100000"},
		{"GATEWAY_MAX_CONNECTIONS=-1", "--max-connections (GATEWAY_MAX_CONNECTIONS)", "negative"},
		{"GATEWAY_MAX_CONNECTIONS=2000000000", "--max-connections (GATEWAY_MAX_CONNECTIONS)", "ulimit -n"},
		{"GATEWAY_METRICS_LISTEN=nowhere", "--metrics-listen (GATEWAY_METRICS_LISTEN)", "host:port"},
		{"GATEWAY_DRAIN_DELAY=-1s", "--drain-delay (GATEWAY_DRAIN_DELAY)", "0s to 1h"},
		{
			"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=localhost:4318",
			"--otlp-traces-endpoint (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)", "/v1/traces",
		},
		{"GATEWAY_IDLE_TIMEOUT=0s", "--idle-timeout (GATEWAY_IDLE_TIMEOUT)", "1s to 24h"},
		{"GATEWAY_IDLE_TIMEOUT=25h", "--idle-timeout (GATEWAY_IDLE_TIMEOUT)", "1s to 24h"},
		{"GATEWAY_DEMO_CALLS_PER_MINUTE=-1", "--demo-calls-per-minute (GATEWAY_DEMO_CALLS_PER_MINUTE)", "0 to 60000"},
	} {
		t.Run(test.env, func(t *testing.T) {
			env := map[string]string{}
			for pair := range strings.FieldsSeq(test.env) {
				name, value, _ := strings.Cut(pair, "=")
				env[name] = value
			}
			_, err := parse(env)
			if err == nil {
				t.Fatal("accepted")
			}
			if text := err.Error(); !strings.HasPrefix(text, test.names) || !strings.Contains(text, test.says) ||
				strings.Contains(text, "\n") {
				t.Errorf("got %s", text)
			}
		})
	}
	for _, args := range []string{"--nothing", "--cache-ttl"} {
		if _, err := parse(nil, args); err == nil {
			t.Errorf("%s was accepted", args)
		}
	}
}

func TestSettingsThatAreGood(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, env := range []map[string]string{
		{"REVOX_API_KEY": "sk"},
		{"REVOX_API_KEY": "sk", "GATEWAY_LISTEN": "localhost:0"},
		{"REVOX_API_KEY": "sk", "GATEWAY_LISTEN": "[::1]:0"},
		{"REVOX_API_KEY": "sk", "GATEWAY_LISTEN": ":80", "GATEWAY_TOKENS": "a"},
		{"REVOX_API_KEY": "sk", "GATEWAY_LISTEN": ":80", "GATEWAY_ALLOW_ANONYMOUS": "true"},
		{"REVOX_API_KEY": "sk", "REVOX_BASE_URL": "http://127.0.0.1:9000/api"},
		{"GATEWAY_CREDENTIALS": "forward", "REVOX_BASE_URL": "https://x.example/api", "GATEWAY_LISTEN": ":80"},
		{"REVOX_API_KEY": "sk", "GATEWAY_LISTEN": ":80", "GATEWAY_TOKENS_FILE": tokens},
		{
			"GATEWAY_CORS_ORIGINS": "https://app.example:8443, http://localhost:5173,http://[::1]:3000",
			"GATEWAY_HOSTS":        "a.example, b,[::1],10.0.0.1",
		},
		{"GATEWAY_LISTEN": ":80"},
		{"GATEWAY_CACHE_TTL": "0"},
	} {
		if _, err := parse(env); err != nil {
			t.Errorf("%v: %v", env, err)
		}
	}
}

// A page is served while it is revalidated for as long as the TTL, unless the setting says otherwise.
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
			if got := s.CacheRevalidate; got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	for _, bad := range []string{"soon", "-1s"} {
		if _, err := parse(map[string]string{"GATEWAY_CACHE_REVALIDATE": bad}); err == nil {
			t.Errorf("%s is accepted", bad)
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
			check := func(says string, s *Settings, err error) {
				t.Helper()
				switch {
				case says == "" && (err != nil || s.Demo):
					t.Errorf("rejected: %v", err)
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
			if err == nil && s.Key.Current(nil) != upstream.NewCredential(key) {
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
