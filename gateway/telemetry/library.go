package telemetry

import (
	stdlog "log"
	"log/slog"
	"strings"
)

// maxLibraryBytes are logged of what a library says.
const maxLibraryBytes = 120

// libraryLog writes what libraries tell the standard logger to the gateway's own log. net/http does that where upstream
// breaks HTTP, and quotes what upstream has sent, which can be anything, a call for instance: the line ends before the
// first quotation mark.
type libraryLog struct{ log *slog.Logger }

// LogLibraries sends what libraries tell the standard logger to this log from now on. There is one standard logger in a
// program.
func LogLibraries(log *slog.Logger) {
	stdlog.SetFlags(0)
	stdlog.SetOutput(libraryLog{log})
}

// Write implements [io.Writer] for one line.
func (l libraryLog) Write(line []byte) (int, error) {
	says, _, _ := strings.Cut(string(line), `"`)
	says = says[:min(len(says), maxLibraryBytes)]
	says = strings.TrimSuffix(strings.TrimSpace(strings.ToValidUTF8(says, "")), " starting with")
	l.log.Warn("a library reports trouble", "says", says)
	return len(line), nil
}
