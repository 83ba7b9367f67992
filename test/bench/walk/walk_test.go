package walk

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"revox-graphql/test/bench/servers"
)

func TestParseOptions(t *testing.T) {
	for name, test := range map[string]struct {
		args  []string
		fails string
	}{
		"no rounds":      {[]string{"-rounds", "0"}, "at least 1"},
		"negative kills": {[]string{"-kills", "-1"}, "must not be negative"},
		"an argument":    {[]string{"all"}, "no arguments"},
		"no gateway":     {[]string{"-gateway", "/nowhere"}, "make build"},
	} {
		if _, err := parseOptions(test.args); err == nil || !strings.Contains(err.Error(), test.fails) {
			t.Errorf("%s: error %v, want %q", name, err, test.fails)
		}
	}
	if o, err := parseOptions([]string{"-gateway", "/bin/sh", "-kills", "0"}); err != nil || o.kills != 0 {
		t.Errorf("%+v, error %v", o, err)
	}
}

// The file of a walk is compared with the list: calls that are in it twice, and calls that are not in it.
func TestVerify(t *testing.T) {
	rest, err := servers.StartUpstream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rest.Stop()
	w := &walker{rest: rest}
	path := filepath.Join(t.TempDir(), "calls")
	var all []string
	for _, id := range rest.IDs() {
		all = append(all, fmt.Sprintf(`{"id": %q}`, id))
	}
	for name, test := range map[string]struct {
		rows               []string
		lines, twice, lost int
		fails              bool
	}{
		"whole":     {rows: all, lines: len(all)},
		"one lost":  {rows: all[1:], lines: len(all) - 1, lost: 1},
		"one twice": {rows: append(slices.Clip(all), all[7]), lines: len(all) + 1, twice: 1},
		"one three times, one lost": {
			rows: append(all[1:len(all):len(all)], all[7], all[7]), lines: len(all) + 1, twice: 2, lost: 1,
		},
		"a truncated row": {rows: []string{`{"id": "`}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(strings.Join(test.rows, "\n")), 0o600); err != nil {
				t.Fatal(err)
			}
			lines, twice, lost, err := w.verify(path, rest.IDs())
			if (err != nil) != test.fails || lines != test.lines || twice != test.twice || lost != test.lost {
				t.Errorf("%d lines, %d twice, %d lost, error %v", lines, twice, lost, err)
			}
		})
	}
}
