package telemetry

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"revox-graphql/internal/seldom"
)

func TestLibrariesLog(t *testing.T) {
	tests := map[string]struct{ line, says string }{
		"plain":         {"http: superfluous response.WriteHeader call\n", `"http: superfluous response.WriteHeader call"`},
		"with a quote":  {"Unsolicited response starting with \"sk_secret\"; err=<nil>\n", `"Unsolicited response"`},
		"long":          {strings.Repeat("x", 1000) + "\n", strings.Repeat("x", maxLibraryBytes)},
		"cut in a rune": {strings.Repeat("x", maxLibraryBytes-1) + "é\n", strings.Repeat("x", maxLibraryBytes-1)},
		"two lines":     {"one\ntwo\n", `"one\ntwo"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			log := libraryLog{seldom.New(slog.New(slog.NewTextHandler(&out, nil)))}
			if n, err := log.Write([]byte(test.line)); n != len(test.line) || err != nil {
				t.Errorf("wrote %d: %v", n, err)
			}
			_, got, _ := strings.Cut(out.String(), `level=WARN msg="a library reported an error" message=`)
			if got != test.says+" times=1\n" {
				t.Errorf("got %q", out.String())
			}
		})
	}
}
