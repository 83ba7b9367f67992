package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"revox-graphql/gateway/config"
)

// parse reads the settings of a command line that serves.
func parse(env map[string]string, args ...string) (parsed *config.Settings, err error) {
	line := &commandLine{
		args: args, getenv: func(name string) string { return env[name] },
		do: func(_ context.Context, s *config.Settings, _ bool, _ *queryOptions) error {
			parsed = s
			return nil
		},
	}
	err = line.newCommand(io.Discard).Execute()
	return parsed, err
}

// environ is an environment as a process has it.
func environ(env map[string]string) (pairs []string) {
	for name, value := range env {
		pairs = append(pairs, name+"="+value)
	}
	return pairs
}

// All wrong settings are reported at once, a line for each, wherever they come from; the start stops as well as
// --check.
func TestAllWrongSettingsAreReported(t *testing.T) {
	env := map[string]string{
		"GATEWAY_CACHE_TTL": "banana", "GATEWAY_CACHE_BYTES": "lots", "GATEWAY_MAX_SHIFT": "0",
		"GATEWAY_MAX_PAGE_SIZE": "many",
		"GATEWAY_CORS_ORIGINS":  "*,nowhere", "GATEWAY_LISTEN": "nowhere", "GATEWAY_CREDENTIALS": "server",
	}
	args := []string{"--upstream-timeout", "soon", "--max-page-size=7", "--upstream-queue=0", "--nothing"}
	want := []string{
		"unknown flag --nothing", "--listen (GATEWAY_LISTEN)", "--upstream-timeout (GATEWAY_UPSTREAM_TIMEOUT)",
		"--upstream-queue (GATEWAY_UPSTREAM_QUEUE)", "--cache-ttl (GATEWAY_CACHE_TTL)", "--cache-bytes (GATEWAY_CACHE_BYTES)",
		"--max-shift (GATEWAY_MAX_SHIFT)", "--cors-origins (GATEWAY_CORS_ORIGINS)", "--cors-origins (GATEWAY_CORS_ORIGINS)",
	}
	for _, more := range [][]string{nil, {"--check"}} {
		err := run(t.Context(), append(more, args...), environ(env), io.Discard, io.Discard)
		if err == nil {
			t.Fatal("accepted")
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(want) {
			t.Fatalf("%d lines:\n%v", len(lines), err)
		}
		for i, line := range lines {
			if !strings.HasPrefix(line, want[i]) {
				t.Errorf("line %d is %q and not of %s", i, line, want[i])
			}
		}
	}
}

func TestCheckAndVersion(t *testing.T) {
	for flag, want := range map[string]string{"--check": "The settings are valid.\n", "--version": versionLine() + "\n"} {
		var out, log bytes.Buffer
		// Nothing listens: the port would be in use.
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		err = run(t.Context(), []string{flag, "--listen", taken.Addr().String()}, nil, &out, &log)
		if err != nil || out.String() != want || log.Len() > 0 {
			t.Errorf("%s: %q, %q, %v", flag, &out, &log, err)
		}
		_ = taken.Close()
	}
	if line := versionLine(); !regexp.MustCompile(`^revox-graphql \S+ go1\.\S+`).MatchString(line) {
		t.Errorf("got %q", line)
	}
}

// A misspelt variable would silently do nothing: the log has it, and the setting that may be meant.
func TestUnknownVariablesAreLogged(t *testing.T) {
	p := start(t, map[string]string{"GATEWAY_CACHE_TLT": "1s", "GATEWAY_TOKENS_": "secret", "REVOX_NONSENSE": "x"})
	log := p.log.String()
	for _, want := range []string{
		`level=WARN msg="unknown environment variable" name=GATEWAY_CACHE_TLT nearest=GATEWAY_CACHE_TTL`,
		`level=WARN msg="unknown environment variable" name=GATEWAY_TOKENS_ nearest=GATEWAY_TOKENS`,
		`level=WARN msg="unknown environment variable" name=REVOX_NONSENSE` + "\n",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("%s is missing in\n%s", want, log)
		}
	}
	if strings.Contains(log, "secret") {
		t.Error("the log has a value")
	}
	_, log, _ = runQuery(t, map[string]string{"GATEWAY_CACHE_TLT": "1s"}, "-d", "{ __typename }")
	if !strings.Contains(log, "name=GATEWAY_CACHE_TLT nearest=GATEWAY_CACHE_TTL") {
		t.Errorf("the log of a query is %s", log)
	}
}

// Without --all, the flags of its lines are rejected each by its own name, with the form that the response has.
func TestFlagsOfLinesRequireAll(t *testing.T) {
	for _, flag := range []string{
		"--format=table", "--columns=id", "--bom --format=csv", "--out=calls.ndjson", "--after=x", "--since=2026-11-25",
	} {
		args := append([]string{"query", "-d", "{ __typename }"}, strings.Fields(flag)...)
		out, log, status := command(t.Context(), nil, args...)
		name, _, _ := strings.Cut(flag, " ")
		name, _, _ = strings.Cut(name, "=")
		want := name + " requires --all, which reads the whole list and writes a line for each call; " +
			"a single response is printed as JSON\n"
		if status != 2 || out != "" || !strings.Contains(log, want) || strings.Count(log, "\n") > len(strings.Fields(flag)) {
			t.Errorf("%s: %d, %s, %s", flag, status, out, log)
		}
	}
}

// A shell completes commands, flags, and the names that a flag accepts.
func TestCompletion(t *testing.T) {
	for args, want := range map[string]string{
		"qu": "query", "help q": "query", "--cache-t": "--cache-ttl", "--log-format ": "json", "query --form": "--format",
		"query --upstream-first-page ": "auto",
	} {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"__complete"}, strings.Split(args, " ")...), nil, &out, io.Discard)
		if err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %v, %s", args, err, &out)
		}
	}
}

// Upstream gets the name and the version of the gateway.
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

// A malformed value is wrong usage, whatever reads it: the status is 2, and one line has the flag and the value.
// Addresses are not repeated, because they may have a password.
func TestMalformedValues(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel() // nothing serves, even if a value is accepted
	for _, test := range []struct{ args, says string }{
		{"demo --listen x", `--listen must be host:port, and is "x"`},
		{"demo --listen ::1:80", `--listen must be host:port, and is "::1:80"`},
		{"demo --listen 127.0.0.1:65536", `--listen must have a port from 0 to 65535, and is "127.0.0.1:65536"`},
		{"demo --listen 127.0.0.1:http", `--listen must have a port from 0 to 65535, and is "127.0.0.1:http"`},
		{"demo --calls x", `--calls must be a whole number, and is "x"`},
		{"demo --calls 1.5", `--calls must be a whole number, and is "1.5"`},
		{"demo --calls 9223372036854775808", `--calls is out of range: 9223372036854775808`},
		{"demo --calls -1", `--calls must not be negative, and is -1`},
		{"demo --lag -1", `--lag must not be negative, and is -1`},
		{"demo --max-page-size -1", `--max-page-size must not be negative, and is -1`},
		{"demo --first-page 2", `--first-page must be 0 or 1, and is 2`},
		{"demo --calls-per-minute x", `--calls-per-minute must be a number, and is "x"`},
		{"demo --calls-per-minute 1e999", `--calls-per-minute is out of range: 1e999`},
		{"demo --calls-per-minute 60001", `--calls-per-minute must be from 0 to 60000, and is 60001`},
		{"demo --removed-per-minute NaN", `--removed-per-minute must be from 0 to 60000, and is NaN`},
		{"demo --latency x", `--latency must be a duration like 1m30s, and is "x"`},
		{"demo --latency 5", `--latency must be a duration like 1m30s, and is "5"`},
		{"demo --latency -1s", `--latency must not be negative, and is -1s`},
		{"demo --slow -1s", `--slow must not be negative, and is -1s`},
		{"demo --retry-after -1s", `--retry-after must not be negative, and is -1s`},
		{"demo --order x", `--order must be one of newest, reversed, queued-first, started, updated, and is "x"`},
		{"demo --fault x", `--fault must be one of 401, 403, 429, 500, 502, 503, 504, slow, hang, close, reset, cut, ` +
			`garbage, and is "x"`},
		{"demo --fault 429:0", `--fault must have a whole number of at least 1 after the colon, and is "429:0"`},
		{"demo --log-requests=x", `--log-requests must be true or false, and is "x"`},
		{"demo --no-log-requests=x", `--no-log-requests must be true or false, and is "x"`},
		{"demo --help=x", `--help must be true or false, and is "x"`},
		{"health --url x", `--url must be the address of a gateway, like http://127.0.0.1:8080`},
		{"health --url http://[::1", `--url must be the address of a gateway, like http://127.0.0.1:8080`},
		{"health --url ftp://x", `--url must be the address of a gateway, like http://127.0.0.1:8080`},
		{"health --url http://x:65536", `--url must be the address of a gateway, like http://127.0.0.1:8080`},
		{"health --url http://x?y", `--url must be the address of a gateway, like http://127.0.0.1:8080`},
		{"health --timeout 0", `--timeout must be more than 0, and is 0s`},
		{"query --all --page-size x", `--page-size must be a whole number, and is "x"`},
		{"query --all --max-wait -1s", `--max-wait must not be negative, and is -1s`},
		{"query --all --out x --update --grace -1s", `--grace must not be negative, and is -1s`},
		{"query --all --header=x", `--header must be true or false, and is "x"`},
		{"query --all --url http://x:65536", "--url must be the address of a gateway's GraphQL endpoint, like " +
			"http://127.0.0.1:8080/graphql"},
		{"query --all --out", "--out has no value"},
		{"query -d", "--document has no value"},
		{"--max-shift 9223372036854775808", `--max-shift (GATEWAY_MAX_SHIFT) is out of range: 9223372036854775808`},
		{"--trace-sample 1e999", `--trace-sample (GATEWAY_TRACE_SAMPLE) is out of range: 1e999`},
		{"--listen 127.0.0.1:http", `--listen (GATEWAY_LISTEN) must have a port from 0 to 65535, and is "127.0.0.1:http"`},
		{"--otlp-endpoint http://x:65536", `--otlp-endpoint (OTEL_EXPORTER_OTLP_ENDPOINT) must be an address like ` +
			`http://localhost:4318`},
	} {
		out, log, status := command(done, nil, strings.Fields(test.args)...)
		if status != 2 || out != "" || log != test.says+"\n" {
			t.Errorf("%s: %d, %s, %s", test.args, status, out, log)
		}
	}
}

// fullDisk is a writer that stores nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// What cannot be written is an error, with the status 1, whatever a command writes.
func TestFullDisk(t *testing.T) {
	for _, args := range []string{
		"help", "help query", "--help", "query --help", "completion", "completion bash", "completion zsh --no-descriptions",
		"completion fish", "completion powershell", "version", "--version", "demo --version", "--check",
		"query -d {__typename}", "query --all --columns id",
	} {
		err := run(t.Context(), strings.Fields(args), nil, fullDisk{}, io.Discard)
		if !errors.Is(err, syscall.ENOSPC) || exitStatus(err) != 1 {
			t.Errorf("%s: %v", args, err)
		}
	}
}
