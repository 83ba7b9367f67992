// Packages prints a table of the module's packages: how large they are, and what they import of the module. It fails
// when a package has too many hand-written files, or imports a package that is not in a lower layer.
//
//	go run ./test/packages
//
// The layers are listed in layers.txt. The table on stdout is Markdown.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// maxFiles is the largest number of hand-written files, tests not counted, in one package.
const maxFiles = 14

//go:embed layers.txt
var layersText string

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	packages, err := list(ctx)
	if err != nil {
		return err
	}
	layers, err := parseLayers(layersText)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, table(packages, layers))
	return errors.Join(err, check(packages, layers))
}

// pkg is a package of the module. Generated files are not counted.
type pkg struct {
	path      string // relative to the module; "." is the root
	files     int    // without tests
	lines     int    // of these files
	testLines int
	imports   []string // of the module, relative to it, without those of tests
}

// layers maps each package to the number of its layer. Layer 0 is the top.
type layers map[string]int

// parseLayers reads the list of layers: a line is a layer, and # begins a comment.
func parseLayers(text string) (layers, error) {
	l := layers{}
	number := 0
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		paths := strings.Fields(line)
		for _, path := range paths {
			if _, ok := l[path]; ok {
				return nil, fmt.Errorf("layers.txt: %s is listed twice", path)
			}
			l[path] = number
		}
		if len(paths) > 0 {
			number++
		}
	}
	return l, nil
}

// upward returns the imports of a package that its layer does not allow.
func (l layers) upward(p pkg) []string {
	var paths []string
	own, known := l[p.path]
	for _, path := range p.imports {
		if layer, ok := l[path]; known && ok && layer <= own {
			paths = append(paths, path)
		}
	}
	return paths
}

// check returns every rule that the packages break.
func check(packages []pkg, l layers) error {
	var broken []error
	present := map[string]bool{}
	for _, p := range packages {
		present[p.path] = true
		if _, ok := l[p.path]; !ok {
			broken = append(broken, fmt.Errorf("%s: add it to layers.txt", p.path))
		}
		if p.files > maxFiles {
			broken = append(broken, fmt.Errorf("%s: %d hand-written files, more than %d", p.path, p.files, maxFiles))
		}
		for _, path := range l.upward(p) {
			broken = append(broken, fmt.Errorf("%s: imports %s, which is not in a lower layer", p.path, path))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(l)) {
		if !present[path] {
			broken = append(broken, fmt.Errorf("layers.txt: there is no package %s", path))
		}
	}
	return errors.Join(broken...)
}

// table returns the packages as Markdown, by layer and path.
func table(packages []pkg, l layers) string {
	packages = slices.Clone(packages)
	slices.SortStableFunc(packages, func(a, b pkg) int {
		if d := l[a.path] - l[b.path]; d != 0 {
			return d
		}
		return strings.Compare(a.path, b.path)
	})
	var b strings.Builder
	fmt.Fprintln(&b, "| package | files | lines | test lines | imports | upward |")
	fmt.Fprintln(&b, "| --- | ---: | ---: | ---: | --- | --- |")
	var files, lines, testLines, upward int
	for _, p := range packages {
		up := l.upward(p)
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %s | %s |\n",
			p.path, p.files, p.lines, p.testLines, strings.Join(p.imports, ", "), strings.Join(up, ", "))
		files, lines, testLines, upward = files+p.files, lines+p.lines, testLines+p.testLines, upward+len(up)
	}
	fmt.Fprintf(&b, "| %d packages | %d | %d | %d | | %d |\n", len(packages), files, lines, testLines, upward)
	return b.String()
}

// list asks the go command for the packages of the module, and reads their files.
func list(ctx context.Context) ([]pkg, error) {
	const fields = "ImportPath,Dir,Module,GoFiles,TestGoFiles,XTestGoFiles,Imports"
	cmd := exec.CommandContext(ctx, "go", "list", "-json="+fields, "./...")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []pkg
	for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		read, err := p.read()
		if err != nil {
			return nil, err
		}
		packages = append(packages, read)
	}
}

// listed is a package as the go command prints it.
type listed struct {
	ImportPath, Dir                    string
	Module                             struct{ Path string }
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports                            []string
}

// relative returns the path of a package relative to its module; ok is false for packages of other modules.
func (p *listed) relative(path string) (relative string, ok bool) {
	if path == p.Module.Path {
		return ".", true
	}
	return strings.CutPrefix(path, p.Module.Path+"/")
}

func (p *listed) read() (pkg, error) {
	var result pkg
	result.path, _ = p.relative(p.ImportPath)
	for _, path := range p.Imports {
		if relative, ok := p.relative(path); ok {
			result.imports = append(result.imports, relative)
		}
	}
	for _, name := range p.GoFiles {
		lines, generated, err := countLines(filepath.Join(p.Dir, name))
		if err != nil {
			return pkg{}, err
		}
		if !generated {
			result.files++
			result.lines += lines
		}
	}
	for _, name := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
		lines, _, err := countLines(filepath.Join(p.Dir, name))
		if err != nil {
			return pkg{}, err
		}
		result.testLines += lines
	}
	return result, nil
}

// generatedLine marks generated files. See https://go.dev/s/generatedcode.
var generatedLine = regexp.MustCompile(`^// Code generated .* DO NOT EDIT\.$`)

// countLines returns the number of lines of a file, and whether the file is generated.
func countLines(path string) (lines int, generated bool, err error) {
	text, err := os.ReadFile(path) //nolint:gosec // a file of the module
	if err != nil {
		return 0, false, err
	}
	for line := range bytes.Lines(text) {
		lines++
		generated = generated || generatedLine.Match(bytes.TrimRight(line, "\r\n"))
	}
	return lines, generated, nil
}
