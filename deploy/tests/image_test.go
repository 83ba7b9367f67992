package tests

import (
	"archive/tar"
	"bufio"
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// nonroot is the user of the image; 65532 is what distroless images call nonroot.
const nonroot = 65532

// buildImage runs `make image` with a builder without a daemon, in a separate storage, and reads the image.
func buildImage(t *testing.T) v1.Image {
	t.Helper()
	dir := t.TempDir()
	builder := "buildah --storage-driver vfs --root " + dir + "/root --runroot " + dir + "/run"
	archive := filepath.Join(dir, "image.tar")
	for _, command := range [][]string{
		{
			"make", "--no-print-directory", "-C", repository, "image", "BUILDER=" + builder, "IMAGE=localhost/revox-graphql",
			"VERSION=" + os.Getenv("VERSION"),
		},
		append(strings.Fields(builder), "push", "--quiet", "localhost/revox-graphql", "docker-archive:"+archive),
	} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	image, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// unpack writes the image's files to a directory, as a runtime does, and returns their names.
func unpack(t *testing.T, image v1.Image) (root string, names []string) {
	t.Helper()
	root = t.TempDir()
	files := mutate.Extract(image)
	defer func() { _ = files.Close() }()
	for reader := tar.NewReader(files); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return root, names
		} else if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
		file, err := os.OpenFile(filepath.Join(root, filepath.Clean("/"+header.Name)), os.O_CREATE|os.O_WRONLY,
			header.FileInfo().Mode())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(file, reader); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(file.Chmod(header.FileInfo().Mode()), file.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestImage(t *testing.T) {
	image := buildImage(t)
	file, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config := file.Config
	t.Run("configuration", func(t *testing.T) {
		_, port := config.ExposedPorts["8080/tcp"]
		if config.User != "65532:65532" || !slices.Equal(config.Entrypoint, []string{"/revox-graphql"}) ||
			len(config.Cmd) > 0 ||
			!port || len(config.ExposedPorts) != 1 || !slices.Contains(config.Env, "GATEWAY_LISTEN=:8080") ||
			config.Labels["org.opencontainers.image.version"] != os.Getenv("VERSION") {
			t.Errorf("got %+v", config)
		}
	})
	root, names := unpack(t, image)
	if !slices.Equal(names, []string{"revox-graphql"}) {
		t.Fatalf("it has the files %q", names)
	}
	t.Run("binary", func(t *testing.T) { checkBinary(t, filepath.Join(root, "revox-graphql")) })
	if config.Healthcheck == nil || len(config.Healthcheck.Test) < 3 || config.Healthcheck.Test[1] != "/revox-graphql" {
		t.Fatalf("its health check is %+v", config.Healthcheck)
	}
	t.Run("runs", func(t *testing.T) {
		checkServes(t, inside(t, root, config.Env, "--listen", "127.0.0.1:0"), func(address string) *exec.Cmd {
			return inside(t, root, []string{"GATEWAY_LISTEN=" + address}, config.Healthcheck.Test[2:]...)
		})
	})
	// What an operator sees first: the demo starts at once, and a key needs tokens.
	t.Run("key without tokens", func(t *testing.T) {
		if out, err := inside(t, root, config.Env, "--check").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		out, err := inside(t, root, append(config.Env, "REVOX_API_KEY=key"), "--check").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "GATEWAY_TOKENS") || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// checkBinary checks that a binary needs no other file, has root certificates, and shows its version.
func checkBinary(t *testing.T, path string) {
	t.Helper()
	program, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = program.Close() }()
	if slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool {
		return p.Type == elf.PT_INTERP ||
			p.Type == elf.PT_DYNAMIC
	}) {
		t.Error("it is linked dynamically")
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(info.Deps,
		func(m *debug.Module) bool { return m.Path == "golang.org/x/crypto/x509roots/fallback" }) {
		t.Error("it has no roots")
	}
	for _, setting := range []debug.BuildSetting{{Key: "CGO_ENABLED", Value: "0"}, {Key: "-trimpath", Value: "true"}} {
		if !slices.Contains(info.Settings, setting) {
			t.Errorf("it was not built with %v", setting)
		}
	}
	out, err := exec.CommandContext(t.Context(), path, "--version").Output()
	if want := "revox-graphql " + os.Getenv("VERSION") + " "; err != nil || os.Getenv("VERSION") != "" &&
		!strings.HasPrefix(string(out), want) {
		t.Errorf("its version is %q, not %q: %v", out, want, err)
	}
}

// inside returns a command of the image as a runtime would start it: with the image's files only, and as the image's
// user. Without root, it uses a user namespace.
func inside(t *testing.T, root string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/revox-graphql", args...)
	cmd.Dir, cmd.Env = "/", env
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{
		Uid: nonroot, Gid: nonroot,
		NoSetGroups: true,
	}}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nonroot, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nonroot, HostID: os.Getgid(), Size: 1}}
	}
	return cmd
}

// checkServes starts the demo, sends a few requests, and stops it. Its health check passes meanwhile, and fails then.
func checkServes(t *testing.T, cmd *exec.Cmd, health func(address string) *exec.Cmd) {
	t.Helper()
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	var log bytes.Buffer
	url := ""
	for lines := bufio.NewScanner(io.TeeReader(output, &log)); url == "" && lines.Scan(); {
		if match := regexp.MustCompile(`msg=listening url=(\S+)`).FindStringSubmatch(lines.Text()); match != nil {
			url = match[1]
		}
	}
	for path, want := range map[string]string{
		"healthz":         "ok",
		"readyz":          "ok",
		"schema.graphqls": "type Query",
		"":                "<title>Revox GraphQL</title>",
		"metrics":         "go_goroutines",
		"graphql?query={calls(first:1){nodes{id}totalCount}}": `"totalCount":`,
	} {
		if body := get(t, url+path); !strings.Contains(body, want) {
			t.Errorf("/%s has no %s: %.300s", path, want, body)
		}
	}
	script := regexp.MustCompile(`src="\./(assets/[^"]+\.js)"`).FindStringSubmatch(get(t, url))
	if script == nil || len(get(t, url+script[1])) < 10_000 {
		t.Errorf("it has no GraphiQL: %q", script)
	}
	address := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/")
	if out, err := health(address).CombinedOutput(); err != nil || string(out) != "ok\n" {
		t.Errorf("the health check: %s, %v", out, err)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_, _ = io.Copy(&log, output)
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, &log)
	}
	failing := health(address)
	if out, _ := failing.CombinedOutput(); failing.ProcessState.ExitCode() != 1 {
		t.Errorf("the health check of a process that has ended: %s", out)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s, %v", url, resp.Status, err)
	}
	return string(body)
}
