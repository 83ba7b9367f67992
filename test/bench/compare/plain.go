package compare

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"revox-graphql/test/bench/servers"
)

// plainCommand starts the server of finished bodies. It is given the folder that holds them.
const PlainCommand = "serve-plain"

// bodySuffix is that of a finished body's file; before it stands the key, which is also the query string of the
// request.
const bodySuffix = ".json"

// finished is a body with its headers.
type finished struct {
	body   []byte
	length []string
}

// plain answers every request with the body whose key is the query string. It looks at nothing else, and does nothing
// for a request that could have been done before: this is what net/http itself costs. Its headers are the gateway's,
// because they are bytes of its answers, too.
type plain map[string]finished

// The gateway gives each answer an id, of this length.
const (
	requestID = "X-Request-Id"
	madeUpID  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func (p plain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := p[r.URL.RawQuery]
	if !ok {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header["Cache-Control"] = []string{"private, no-store"}
	header["Vary"] = []string{"Authorization, Accept, Accept-Encoding"}
	header["X-Content-Type-Options"] = []string{"nosniff"}
	header["Content-Type"] = []string{"application/json; charset=utf-8"}
	header["Content-Length"] = f.length
	header[requestID] = []string{madeUpID}
	_, _ = w.Write(f.body)
}

// servePlain is the process of that server.
func ServePlain(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s takes a folder", PlainCommand)
	}
	bodies := os.DirFS(args[0])
	files, err := fs.ReadDir(bodies, ".")
	if err != nil {
		return fmt.Errorf("no finished bodies: %w", err)
	}
	p := plain{}
	for _, file := range files {
		body, err := fs.ReadFile(bodies, file.Name())
		if err != nil {
			return fmt.Errorf("no finished body: %w", err)
		}
		p[strings.TrimSuffix(file.Name(), bodySuffix)] = finished{body, []string{strconv.Itoa(len(body))}}
	}
	return servers.Serve(ctx, p)
}

// writeBodies writes what servePlain reads.
func writeBodies(dir string, questions []*requestSet) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("no folder for finished bodies: %w", err)
	}
	for _, q := range questions {
		for i := range q.responses {
			file := filepath.Join(dir, q.key(i)+bodySuffix)
			if err := os.WriteFile(file, q.responses[i], 0o600); err != nil { //nolint:gosec // in a folder of our own
				return fmt.Errorf("no finished body: %w", err)
			}
		}
	}
	return nil
}
