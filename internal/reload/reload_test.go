package reload_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"revox-graphql/internal/reload"
)

const maxBytes = 100

// parse accepts any text that does not begin with "bad".
func parse(content []byte) (string, error) {
	if bytes.HasPrefix(content, []byte("bad")) {
		return "", errors.New("begins with " + string(content))
	}
	return string(content), nil
}

func open(path string) (*reload.File[string], error) {
	return reload.Open(path, reload.Options[string]{
		Parse: parse, Entries: func(s string) int { return len(s) }, MaxBytes: maxBytes,
	})
}

// disk is a folder with one file, whose modification time is always the same.
type disk struct {
	t    *testing.T
	path string
}

func (d disk) write(content string) {
	d.t.Helper()
	d.must(os.WriteFile(d.path, []byte(content), 0o600))
	d.must(os.Chtimes(d.path, time.Time{}, time.Unix(1_000_000_000, 0)))
}

func (d disk) away() { d.must(os.Rename(d.path, d.path+".away")) }
func (d disk) back() { d.must(os.Rename(d.path+".away", d.path)) }

func (d disk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// Each step changes the file. A second later, the test asks for its value three times, a second apart.
func TestCurrent(t *testing.T) {
	type step struct {
		change func(disk)
		value  string
		logged string // in the one log line; "" if there is none
		words  string // also in that line
	}
	const again, wrong = `level=INFO msg="a file was read again"`, `level=ERROR msg="a file cannot be used`
	write := func(content string) func(disk) { return func(d disk) { d.write(content) } }
	for name, steps := range map[string][]step{
		"nothing changes":                       {{func(disk) {}, "one", "", ""}},
		"the same again":                        {{write("one"), "one", "", ""}},
		"other content, the same size and time": {{write("two"), "two", again, "entries=3"}},
		"cannot be used": {
			{write("bad1"), "one", wrong, "begins with bad1"},
			{write("bad2"), "one", wrong, "begins with bad2"},
			{write("two"), "two", again, ""},
		},
		"cannot be used, and as before": {
			{write("bad1"), "one", wrong, ""},
			{write("one"), "one", again, ""},
			{write("bad1"), "one", wrong, ""},
		},
		"not there for a while": {
			{disk.away, "one", wrong, "no such file"},
			{disk.back, "one", again, ""},
			{disk.away, "one", wrong, "no such file"},
			{write("two"), "two", again, ""},
		},
		"cannot be used, then not there, then as it was": {
			{write("bad"), "one", wrong, "begins with bad"},
			{disk.away, "one", wrong, "no such file"},
			{disk.back, "one", wrong, "begins with bad"},
		},
		"a folder in its place": {
			{func(d disk) { d.away(); d.must(os.Mkdir(d.path, 0o700)) }, "one", wrong, "is not a file"},
			{func(d disk) { d.must(os.Remove(d.path)); d.back() }, "one", again, ""},
		},
		"too large": {
			{write(strings.Repeat("x", maxBytes+1)), "one", wrong, "has more than 100 bytes"},
			{write(strings.Repeat("x", maxBytes)), strings.Repeat("x", maxBytes), again, "entries=100"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := disk{t, filepath.Join(t.TempDir(), "file")}
				d.write("one")
				file, err := open(d.path)
				if err != nil {
					t.Fatal(err)
				}
				before := "one"
				for i, step := range steps {
					var text bytes.Buffer
					log := slog.New(slog.NewTextHandler(&text, nil))
					step.change(d)
					time.Sleep(reload.Interval - time.Nanosecond)
					if got := file.Current(log); got != before || text.Len() > 0 {
						t.Errorf("step %d: within a second it is %q, %s", i, got, &text)
					}
					time.Sleep(time.Nanosecond)
					for range 3 {
						if got := file.Current(log); got != step.value {
							t.Errorf("step %d: %q, want %q", i, got, step.value)
						}
						time.Sleep(reload.Interval)
					}
					file.Current(log) // so that the next step begins right after a read
					lines := strings.Count(text.String(), "\n")
					if step.logged == "" && lines > 0 || step.logged != "" && lines != 1 ||
						!strings.Contains(text.String(), step.logged) || !strings.Contains(text.String(), step.words) {
						t.Errorf("step %d: logged is %s", i, &text)
					}
					before = step.value
				}
			})
		})
	}
}

func TestOpen(t *testing.T) {
	for name, test := range map[string]struct {
		change func(disk)
		says   string
	}{
		"not there":      {func(disk) {}, "no such file"},
		"a folder":       {func(d disk) { d.must(os.Mkdir(d.path, 0o700)) }, "is not a file"},
		"too large":      {func(d disk) { d.write(strings.Repeat("x", maxBytes+1)) }, "has more than 100 bytes"},
		"cannot be used": {func(d disk) { d.write("bad") }, "file begins with bad"},
	} {
		t.Run(name, func(t *testing.T) {
			d := disk{t, filepath.Join(t.TempDir(), "file")}
			test.change(d)
			if _, err := open(d.path); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// While the file changes, each concurrent caller gets a content that the file had.
func TestManyAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := disk{t, filepath.Join(t.TempDir(), "file")}
		d.write("one")
		file, err := open(d.path)
		if err != nil {
			t.Fatal(err)
		}
		d.write("two")
		time.Sleep(reload.Interval)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got := file.Current(slog.New(slog.DiscardHandler)); got != "one" && got != "two" {
					t.Errorf("got %q", got)
				}
			})
		}
		all.Wait()
		if got := file.Current(slog.New(slog.DiscardHandler)); got != "two" {
			t.Errorf("in the end it is %q", got)
		}
	})
}
