package tests

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const releaseVersion = "v9.8.7"

// release runs `make release` for this machine in a folder with the sources, and returns the files that it makes.
func release(t *testing.T, sources string) (folder string, names []string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "release")
	// GraphiQL is built already, and copying its files has changed their times.
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-C", sources, "release",
		"-o", "explorer", "-o", "gateway/explorer/dist/index.html",
		"VERSION="+releaseVersion, "RELEASE="+folder, "PLATFORMS=linux/"+runtime.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return folder, names
}

// copySources copies what a clone of the repository has, and GraphiQL.
func copySources(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = repository
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(repository, name))
		if os.IsNotExist(err) { // removed, and not yet committed
			continue
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), content, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const dist = "gateway/explorer/dist"
	if err := os.RemoveAll(filepath.Join(to, dist)); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(to, dist), os.DirFS(filepath.Join(repository, dist))); err != nil {
		t.Fatal(err)
	}
	return to
}

// A release has a binary with its version, what it is made of, and checksums; and another folder gives the same bytes.
func TestRelease(t *testing.T) {
	folder, names := release(t, repository)
	binary := "revox-graphql_" + releaseVersion + "_linux_" + runtime.GOARCH
	graphiQL := "revox-graphql_" + releaseVersion + "_graphiql.cdx.json"
	want := []string{"SHA256SUMS", graphiQL, binary, binary + ".cdx.json"}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Fatalf("it has the files %q", names)
	}
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = folder
	if out, err := check.CombinedOutput(); err != nil || bytes.Count(out, []byte(": OK\n")) != len(names)-1 {
		t.Errorf("%v: %s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(folder, binary), "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "revox-graphql "+releaseVersion+" ") {
		t.Errorf("%v: %s", err, out)
	}
	info, err := buildinfo.ReadFile(filepath.Join(folder, binary))
	if err != nil {
		t.Fatal(err)
	}
	modules := components(t, filepath.Join(folder, binary+".cdx.json"))
	for _, module := range info.Deps {
		if modules[module.Path] != module.Version {
			t.Errorf("the SBOM has %s %q, and the binary %s", module.Path, modules[module.Path], module.Version)
		}
	}
	if packages := components(t, filepath.Join(folder, graphiQL)); packages["graphiql"] == "" || packages["react"] == "" {
		t.Errorf("the SBOM of GraphiQL has %q", slices.Sorted(maps.Keys(packages)))
	}
	again, _ := release(t, copySources(t))
	for _, name := range []string{binary, binary + ".cdx.json"} {
		first, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if second, err := os.ReadFile(filepath.Join(again, name)); err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s differs in another folder: %v", name, err)
		}
	}
}

// components returns the names and versions in an SBOM.
func components(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		Format     string `json:"bomFormat"`
		Components []struct{ Group, Name, Version string }
	}
	if err := json.Unmarshal(text, &bom); err != nil || bom.Format != "CycloneDX" {
		t.Fatalf("%s is no SBOM: %v", path, err)
	}
	versions := map[string]string{}
	for _, c := range bom.Components {
		name := c.Name
		if c.Group != "" {
			name = c.Group + "/" + c.Name
		}
		versions[name] = c.Version
	}
	return versions
}
