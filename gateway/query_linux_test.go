package gateway

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What cannot be written ends the walk, with its reason. The device that is always full is Linux's own.
func TestDiskFull(t *testing.T) {
	_, env := startREST(t, 250)
	_, log, status := runQuery(t, env, "--all", "--out", "/dev/full")
	if status != 1 || !strings.Contains(log, "stopped after 0 calls: ") ||
		!strings.Contains(log, "no space left on device") {
		t.Errorf("%d, %s", status, log)
	}
	for _, args := range [][]string{{"query", "--all"}, {"query", "-d", "{ __typename }"}} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		err = run(t.Context(), args, environ(env), full, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "no space left on device") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// asProcess is the program itself, in a process of its own.
func asProcess(t *testing.T, env map[string]string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// --out may name standard output, by any of its names.
func TestOutIsStandardOutput(t *testing.T) {
	_, env := startREST(t, 150)
	want, _, _ := runQuery(t, env, "--all", "--columns", "id")
	for _, out := range []string{"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"} {
		var piped bytes.Buffer
		cmd := asProcess(t, env, "query", "--all", "--columns", "id", "--out", out)
		cmd.Stdout = &piped
		if err := cmd.Run(); err != nil || piped.String() != want {
			t.Errorf("%s, a pipe: %v, %d bytes", out, err, piped.Len())
		}
		// A file that standard output is appended to keeps what it has.
		path := filepath.Join(t.TempDir(), "log")
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = file.WriteString("before\n")
		cmd = asProcess(t, env, "query", "--all", "--columns", "id", "--out", out)
		cmd.Stdout = file
		if err != nil || cmd.Run() != nil || file.Close() != nil {
			t.Errorf("%s, a file: it failed", out)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "before\n"+want {
			t.Errorf("%s, a file: %v, %d bytes", out, err, len(text))
		}
	}
}

// --out may name a pipe or a device, which stays one.
func TestOutIsNoFile(t *testing.T) {
	_, env := startREST(t, 150)
	want, _, _ := runQuery(t, env, "--all", "--columns", "id")
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		text, err := os.ReadFile(fifo)
		read <- string(text)
		if err != nil {
			t.Error(err)
		}
	}()
	out, log, status := runQuery(t, env, "--all", "--columns", "id", "--out", fifo)
	if got := <-read; status != 0 || out != "" || got != want {
		t.Errorf("a named pipe: %d, %s, %d bytes", status, log, len(got))
	}
	link := filepath.Join(filepath.Dir(fifo), "link")
	if err := os.Symlink("/dev/null", link); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{"/dev/null", link} {
		if out, log, status := runQuery(t, env, "--all", "--columns", "id", "--out", out); status != 0 || out != "" {
			t.Errorf("a device: %d, %s", status, log)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(fifo))
	if err != nil || len(entries) != 2 || entries[0].Type() != os.ModeNamedPipe || entries[1].Type() != os.ModeSymlink {
		t.Errorf("%v, it leaves %v", err, entries)
	}
}

// Whoever reads standard output may close it early, as head does: then the program ends as others do, by SIGPIPE. For a
// pipe that has a name it is an error, which says how to continue.
func TestReaderThatLeaves(t *testing.T) {
	_, env := startREST(t, 3000)
	leave := func(pipe io.ReadCloser) {
		if line, err := bufio.NewReader(pipe).ReadString('\n'); err != nil || !json.Valid([]byte(line)) {
			t.Errorf("%v: %s", err, line)
		}
		_ = pipe.Close()
	}
	cmd := asProcess(t, env, "query", "--all")
	pipe, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		t.Fatal("it does not start", err)
	}
	leave(pipe)
	_ = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGPIPE {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}

	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		if pipe, err := os.Open(fifo); err == nil {
			leave(pipe)
		}
	}()
	_, log, status := runQuery(t, env, "--all", "--out", fifo)
	if status != 1 || !strings.Contains(log, "broken pipe; ") || !strings.Contains(log, "continue with --after ") {
		t.Errorf("a named pipe: %d, %s", status, log)
	}
}

// --changes may name standard output, a pipe or a device, which stays one. A symbolic link is followed.
func TestWhereChangesGo(t *testing.T) {
	l := startLiving(t, 150)
	lines, _ := l.run(t, 0, "calls")
	want := strings.ReplaceAll(strings.Join(lines, ""), `{"id":`, `{"op":"add","id":`)
	update := func(changes string) (out, log string, status int) {
		return runQuery(t, l.env, "--all", "--columns", "id,status,endedAt,endReason",
			"--out", l.path("calls of "+filepath.Base(changes)), "--update", "--changes", changes)
	}
	if out, log, status := update("-"); status != 0 || out != want {
		t.Errorf("standard output: %d, %s, %d bytes", status, log, len(out))
	}

	if err := syscall.Mkfifo(l.path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(l.path("fifo"), os.O_RDWR, 0) // so that opening it to write does not wait
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		text, err := io.ReadAll(io.LimitReader(pipe, int64(len(want))))
		read <- string(text)
		if err != nil {
			t.Error(err)
		}
	}()
	_, log, status := update(l.path("fifo"))
	info, err := os.Stat(l.path("fifo"))
	if status != 0 || err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Fatalf("a named pipe: %d, %s; it is %v", status, log, info.Mode())
	}
	if got := <-read; got != want {
		t.Errorf("a named pipe: %d bytes, want %d", len(got), len(want))
	}

	for link, to := range map[string]string{"device": "/dev/null", "link": "changes"} {
		if err := os.Symlink(to, l.path(link)); err != nil {
			t.Fatal(err)
		}
		_, log, status := update(l.path(link))
		if is, err := os.Readlink(l.path(link)); status != 0 || err != nil || is != to {
			t.Errorf("a link to %s: %d, %s; it is %v, %v", to, status, log, is, err)
		}
	}
	if text, err := os.ReadFile(l.path("changes")); err != nil || string(text) != want {
		t.Errorf("behind a link: %v, %d bytes", err, len(text))
	}
}

// Where changes cannot be written, nothing is read.
func TestWhereChangesCannotGo(t *testing.T) {
	l := startLiving(t, 150)
	l.run(t, 0, "calls")
	l.ResetRequests()
	if err := os.Symlink("calls", l.path("other")); err != nil {
		t.Fatal(err)
	}
	for _, changes := range []string{l.dir, l.path("none/changes"), l.dir + "/./calls", l.path("other")} {
		_, log, status := runQuery(t, l.env, "--all", "--out", l.path("calls"), "--update", "--changes", changes)
		if status != 2 || len(l.Requests()) > 0 {
			t.Errorf("%s: %d, %s, %d requests", changes, status, log, len(l.Requests()))
		}
	}
}
