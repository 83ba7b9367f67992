// Tables writes the tables of the documentation that come from Go code: `go generate ./...` runs it.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"revox-graphql/gateway/config"
	"revox-graphql/internal/errcode"
)

// folder is the documentation, seen from each package that runs this program.
const folder = "../../docs"

// tables are the rows of each table in Markdown. In its file, a table stands between <!-- name --> and <!-- /name -->.
var tables = []struct{ file, name, rows string }{
	{"configuration.md", "settings", config.Table()},
	{"errors.md", "error codes", errcode.Table()},
}

func main() {
	for _, t := range tables {
		if err := write(filepath.Join(folder, t.file), t.name, t.rows); err != nil {
			fmt.Fprintln(os.Stderr, "tables:", err)
			os.Exit(1)
		}
	}
}

func write(path, name, rows string) error {
	former, err := os.ReadFile(path) //nolint:gosec // a constant
	if err != nil {
		return err
	}
	markdown, err := replace(former, name, rows)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, markdown, 0o644) //nolint:gosec // as Git has it
}

// replace puts the rows in place of the former ones.
func replace(markdown []byte, name, rows string) ([]byte, error) {
	begin, end := "<!-- "+name+" -->", "<!-- /"+name+" -->"
	before, rest, begins := bytes.Cut(markdown, []byte(begin))
	_, after, ends := bytes.Cut(rest, []byte(end))
	if !begins || !ends {
		return nil, fmt.Errorf("the file has no lines %s and %s", begin, end)
	}
	return fmt.Appendf(nil, "%s%s\n\n%s\n%s%s", before, begin, rows, end, after), nil
}
