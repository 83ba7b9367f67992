package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"revox-graphql/upstream"
)

func parse(env map[string]string, args ...string) (*settings, error) {
	return parseSettings(args, func(name string) string { return env[name] }, io.Discard)
}

func TestSettingsComeInOrder(t *testing.T) {
	s, err := parse(nil)
	if err != nil || s.Listen != "127.0.0.1:8080" || s.CacheTTL != 15*time.Second || s.CacheBytes != 256<<20 || !s.Introspection ||
		s.baseURL.String() != defaultBaseURL || s.firstPage != upstream.FirstPageAuto || !s.demo {
		t.Errorf("defaults: %+v, %v", s, err)
	}
	env := map[string]string{
		"GATEWAY_CACHE_TTL": "1m", "GATEWAY_CACHE_BYTES": "1MB", "GATEWAY_INTROSPECTION": "false",
		"GATEWAY_UPSTREAM_FIRST_PAGE": "1", "REVOX_API_KEY": "sk_canary", "GATEWAY_TOKENS": "a,b", "GATEWAY_LISTEN": "",
	}
	s, err = parse(env)
	if err != nil || s.CacheTTL != time.Minute || s.CacheBytes != 1_000_000 || s.Introspection || s.demo ||
		s.firstPage != upstream.FirstPageOne || fmt.Sprint(s.Tokens) != "[a b]" || s.Listen != "127.0.0.1:8080" {
		t.Errorf("environment: %+v, %v", s, err)
	}
	s, err = parse(env, "--cache-ttl=2m", "--introspection")
	if err != nil || s.CacheTTL != 2*time.Minute || !s.Introspection || s.CacheBytes != 1_000_000 {
		t.Errorf("flags: %+v, %v", s, err)
	}
	if text := fmt.Sprintf("%+v", s); strings.Contains(text, "sk_canary") {
		t.Errorf("the key prints: %s", text)
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
		{"GATEWAY_CREDENTIALS=mine", "--credentials (GATEWAY_CREDENTIALS)", `"server","forward"`},
		{"GATEWAY_CREDENTIALS=forward " + key, "--credentials (GATEWAY_CREDENTIALS)", "REVOX_API_KEY"},
		{"GATEWAY_CREDENTIALS=forward GATEWAY_TOKENS=a", "--tokens (GATEWAY_TOKENS)", "server"},
		{"GATEWAY_ALLOW_ANONYMOUS=perhaps", "--allow-anonymous (GATEWAY_ALLOW_ANONYMOUS)", "perhaps"},
		{"GATEWAY_UPSTREAM_PAGE_SIZE=19", "--upstream-page-size (GATEWAY_UPSTREAM_PAGE_SIZE)", "20 to 1000"},
		{"GATEWAY_UPSTREAM_PAGE_SIZE=many", "--upstream-page-size (GATEWAY_UPSTREAM_PAGE_SIZE)", "many"},
		{"GATEWAY_UPSTREAM_FIRST_PAGE=2", "--upstream-first-page (GATEWAY_UPSTREAM_FIRST_PAGE)", `"auto","0","1"`},
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
		{"GATEWAY_MAX_SHIFT=0", "--max-shift (GATEWAY_MAX_SHIFT)", "1 to 1000000"},
		{"GATEWAY_MAX_SCAN_PAGES=0", "--max-scan-pages (GATEWAY_MAX_SCAN_PAGES)", "1 to 10000"},
		{"GATEWAY_INTROSPECTION=maybe", "--introspection (GATEWAY_INTROSPECTION)", "maybe"},
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
				t.Fatal("taken")
			}
			if text := err.Error(); !strings.HasPrefix(text, test.names) || !strings.Contains(text, test.says) || strings.Contains(text, "\n") {
				t.Errorf("got %s", text)
			}
		})
	}
	for _, args := range []string{"--nothing", "argument", "--cache-ttl"} {
		if _, err := parse(nil, args); err == nil {
			t.Errorf("%s was taken", args)
		}
	}
}

func TestSettingsThatAreGood(t *testing.T) {
	for _, env := range []map[string]string{
		{"REVOX_API_KEY": "sk"},
		{"REVOX_API_KEY": "sk", "GATEWAY_LISTEN": "localhost:0"},
		{"REVOX_API_KEY": "sk", "GATEWAY_LISTEN": "[::1]:0"},
		{"REVOX_API_KEY": "sk", "GATEWAY_LISTEN": ":80", "GATEWAY_TOKENS": "a"},
		{"REVOX_API_KEY": "sk", "GATEWAY_LISTEN": ":80", "GATEWAY_ALLOW_ANONYMOUS": "true"},
		{"REVOX_API_KEY": "sk", "REVOX_BASE_URL": "http://127.0.0.1:9000/api"},
		{"GATEWAY_CREDENTIALS": "forward", "REVOX_BASE_URL": "https://x.example/api", "GATEWAY_LISTEN": ":80"},
		{"GATEWAY_LISTEN": ":80"},
		{"GATEWAY_CACHE_TTL": "0"},
	} {
		if _, err := parse(env); err != nil {
			t.Errorf("%v: %v", env, err)
		}
	}
}
