package telemetry

import (
	stdlog "log"
	"log/slog"
	"strings"

	"revox-graphql/internal/seldom"
)

// maxLibraryBytes is how many bytes of a library's message are logged.
const maxLibraryBytes = 120

// libraryLog writes messages of the standard logger to the gateway's log. net/http logs there when upstream violates
// HTTP, and quotes what upstream sent, which may be a call. So the logged message ends before the first quotation
// mark.
type libraryLog struct{ *seldom.Log }

// LogLibraries sends messages of the standard logger to log from now on. It changes the standard logger of the whole
// program.
func LogLibraries(log *slog.Logger) {
	stdlog.SetFlags(0)
	stdlog.SetOutput(libraryLog{seldom.New(log)})
}

// Write implements [io.Writer] for one line.
func (l libraryLog) Write(line []byte) (int, error) {
	message, _, _ := strings.Cut(string(line), `"`)
	message = message[:min(len(message), maxLibraryBytes)]
	message = strings.TrimSuffix(strings.TrimSpace(strings.ToValidUTF8(message, "")), " starting with")
	l.Warn("a library reported an error", "message", message)
	return len(line), nil
}
