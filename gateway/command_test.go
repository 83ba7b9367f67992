package gateway

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
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
