// Document writes the table of settings into the documentation: go generate ./gateway/config.
package main

import (
	"fmt"
	"os"

	"revox-graphql/gateway/config"
)

func main() {
	if err := write(config.Documentation); err != nil {
		fmt.Fprintln(os.Stderr, "document:", err)
		os.Exit(1)
	}
}

func write(path string) error {
	former, err := os.ReadFile(path) //nolint:gosec // a constant
	if err != nil {
		return err
	}
	markdown, err := config.Document(former)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, markdown, 0o644) //nolint:gosec // as Git has it
}
