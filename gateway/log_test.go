package gateway

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// unread is how long is waited for a gateway that waits for its log, before that is a failure.
const unread = time.Minute

// endsWith waits for the end of the program without reading its log, and returns its status: -1 where it does not end.
func (c *child) endsWith() int {
	kill := time.AfterFunc(unread, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}

// A gateway whose log is not read, while its reader still holds the pipe, continues and can be stopped. Once
// somebody reads again, what was kept is there, how much was not, and what follows.
func TestUnreadLog(t *testing.T) {
	for name, reads := range map[string]bool{"never read": false, "read again": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startChild(t, nil)
			client := &http.Client{Timeout: unread}
			for range 5000 { // lines that are more than a pipe and the queue hold
				resp, err := client.Post(c.url+"graphql", "application/json", strings.NewReader(`{"query": "{ __typename }"}`))
				if err != nil {
					t.Fatal(err)
				}
				response, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || !strings.Contains(string(response), `"Query"`) {
					t.Fatalf("got %s, %v", response, err)
				}
			}
			_, metrics := c.get(t, "metrics")
			dropped := regexp.MustCompile(`(?m)^revox_graphql_log_lines_dropped_total (\d+)$`).FindStringSubmatch(metrics)
			if dropped == nil || dropped[1] == "0" {
				t.Errorf("lines dropped: %v", dropped)
			}
			if !reads {
				c.signal(t, syscall.SIGTERM)
				if status := c.endsWith(); status != 0 {
					t.Errorf("it ended with %d", status)
				}
				return
			}
			if line := c.await(t, "log lines were dropped"); !strings.HasSuffix(line, " lines="+dropped[1]) {
				t.Errorf("it says %q, and counts %s", line, dropped[1])
			}
			c.signal(t, syscall.SIGTERM)
			c.await(t, "stopping: waiting for requests in flight")
			if status := c.status(); status != 0 {
				t.Errorf("it ended with %d", status)
			}
		})
	}
}

// A start that fails ends, also where standard error is not read.
func TestUnreadErrorOfTheStart(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "--"+strings.Repeat("x", 100_000))
	cmd.Env = append(os.Environ(), asProgram+"=1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stderr.Close() }()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if status := (&child{cmd: cmd}).endsWith(); status != 2 {
		t.Errorf("it ended with %d", status)
	}
}
