package gateway

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"revox-graphql/upstream/fake"
)

// child is the program as a process of its own, to which signals can be sent.
type child struct {
	*program
	cmd    *exec.Cmd
	stderr io.ReadCloser
	lines  *bufio.Scanner // of its log
}

// handleSIGHUP lets the processes that the tests start have the default action of SIGHUP: where the tests run under
// nohup, they would inherit that the signal is ignored. A signal that is handled is not inherited. The handler stays
// for the whole process, because tests start processes side by side.
func handleSIGHUP() {
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
}

// startChild starts the program and waits until it listens. Words, if there are any, stand before the program's own
// name.
func startChild(t *testing.T, env map[string]string, words ...string) *child {
	t.Helper()
	words = append(words, os.Args[0])
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "GATEWAY_LISTEN=127.0.0.1:0")
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // by itself, the context may end the child too late: after this process
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	c := &child{&program{log: &lockedBuffer{}}, cmd, stderr, nil}
	c.lines = bufio.NewScanner(io.TeeReader(stderr, c.log))
	c.lines.Buffer(nil, 1<<20) // a line tells the whole name of an operation
	c.url = listening.FindStringSubmatch(c.await(t, "listening"))[1]
	return c
}

// await reads the log up to a line with a message.
func (c *child) await(t *testing.T, message string) string {
	t.Helper()
	said := regexp.MustCompile(`msg="?` + message)
	for c.lines.Scan() {
		if said.MatchString(c.lines.Text()) {
			return c.lines.Text()
		}
	}
	t.Fatalf("it never says %q\n%s", message, c.log)
	return ""
}

func (c *child) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// status waits for its end.
func (c *child) status() int {
	for c.lines.Scan() { // else it could be held up by its log
		continue
	}
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}

// The first signal to stop lets it finish, whichever it is, and the second ends it at once.
func TestSignals(t *testing.T) {
	long, short := map[string]string{"GATEWAY_DRAIN_DELAY": "1h"}, map[string]string{"GATEWAY_DRAIN_DELAY": "1ms"}
	for name, test := range map[string]struct {
		env     map[string]string
		signals []syscall.Signal
		status  int
	}{
		"SIGINT":                {nil, []syscall.Signal{syscall.SIGINT}, 0},
		"SIGTERM":               {nil, []syscall.Signal{syscall.SIGTERM}, 0},
		"SIGHUP":                {nil, []syscall.Signal{syscall.SIGHUP}, 0},
		"SIGINT twice":          {long, []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 130},
		"SIGTERM twice":         {long, []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, 143},
		"SIGHUP twice":          {long, []syscall.Signal{syscall.SIGHUP, syscall.SIGHUP}, 129},
		"SIGTERM, then SIGINT":  {long, []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}, 130},
		"SIGTERM after a delay": {short, []syscall.Signal{syscall.SIGTERM}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startChild(t, test.env)
			for i, sig := range test.signals {
				if i > 0 {
					c.await(t, "stopping")
				}
				c.signal(t, sig)
			}
			if status := c.status(); status != test.status {
				t.Errorf("it ended with %d, want %d\n%s", status, test.status, c.log)
			}
		})
	}
}

// After SIGHUP the requests in flight get their responses; a second signal does not wait for them.
func TestSignalsWhileARequestIsUnderWay(t *testing.T) {
	for name, test := range map[string]struct {
		signals []syscall.Signal
		status  int
	}{
		"SIGHUP":       {[]syscall.Signal{syscall.SIGHUP}, 0},
		"SIGINT twice": {[]syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 130},
	} {
		t.Run(name, func(t *testing.T) {
			arrived, goOn := make(chan struct{}, 10), make(chan struct{})
			c := startChild(t, upstreamOf(t, func(int, *http.Request) *fake.Response {
				arrived <- struct{}{}
				<-goOn
				return nil
			}))
			answered := make(chan bool)
			go func() {
				resp, err := http.Get(c.url + "graphql?query={calls(first:1){nodes{id}}}")
				if err == nil {
					_ = resp.Body.Close()
				}
				answered <- err == nil && resp.StatusCode == http.StatusOK
			}()
			<-arrived
			for i, sig := range test.signals {
				if i > 0 {
					c.await(t, "stopping")
				}
				c.signal(t, sig)
			}
			if test.status == 0 {
				c.await(t, "stopping")
				close(goOn)
			}
			if ok := <-answered; ok != (test.status == 0) {
				t.Errorf("the request is answered: %v", ok)
			}
			if status := c.status(); status != test.status {
				t.Errorf("it ended with %d\n%s", status, c.log)
			}
			if test.status != 0 {
				close(goOn)
			}
		})
	}
}

// Where SIGHUP is ignored, as nohup does, a terminal that closes is nothing to it. If it were not ignored here, the
// other signal would be the second.
func TestNohup(t *testing.T) {
	c := startChild(t, map[string]string{"GATEWAY_DRAIN_DELAY": "1ms"}, "/bin/sh", "-c", `trap "" HUP; exec "$0"`)
	c.signal(t, syscall.SIGHUP)
	c.signal(t, syscall.SIGTERM)
	if status := c.status(); status != 0 {
		t.Errorf("it ended with %d\n%s", status, c.log)
	}
	if stops := strings.Count(c.log.String(), "waiting for requests in flight"); stops != 1 {
		t.Errorf("it stops %d times\n%s", stops, c.log)
	}
}

// A query that is interrupted ends with the reason, and at the second signal at once.
func TestSignalsAndQueries(t *testing.T) {
	arrived, goOn := make(chan struct{}, 10), make(chan struct{})
	defer close(goOn)
	env := upstreamOf(t, func(int, *http.Request) *fake.Response {
		arrived <- struct{}{}
		<-goOn
		return nil
	})
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "query", "-d", "{ calls { nodes { id } } }")
		cmd.Env = slices.Concat(os.Environ(), []string{asProgram + "=1"})
		for name, value := range env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		var said strings.Builder
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-arrived
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		want := "stopped by a signal: " + sig.String()
		if status := cmd.ProcessState.ExitCode(); status != 1 || !strings.Contains(said.String(), want) {
			t.Errorf("%v: %d, %s", sig, status, said.String())
		}
	}
}

// A gateway whose log has no reader any more continues, and can be stopped.
func TestBrokenLog(t *testing.T) {
	c := startChild(t, nil)
	if err := c.stderr.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if body := c.query(t, "{ __typename }"); !strings.Contains(body, `"Query"`) {
			t.Errorf("got %s", body)
		}
	}
	c.signal(t, syscall.SIGTERM)
	if status := c.status(); status != 0 {
		t.Errorf("it ended with %d", status)
	}
}
