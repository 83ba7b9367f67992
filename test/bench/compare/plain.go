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

// PlainCommand starts the server of stored bodies. Its argument is the folder of the bodies.
const PlainCommand = "serve-plain"

// bodySuffix is the suffix of a stored body's file name. The rest of the name is the key, which is also the query
// string of the request.
const bodySuffix = ".json"

// storedBody is a body with its Content-Length header.
type storedBody struct {
	body   []byte
	length []string
}

// plain responds to every request with the body whose key is the query string. It ignores the rest of the request, and
// has prepared everything that it can, so it shows the cost of net/http itself. Its headers are the gateway's, because
// they are bytes of the response too.
type plain map[string]storedBody

// The gateway sends a request ID of this length with each response.
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

// ServePlain serves stored bodies until ctx is done.
func ServePlain(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s requires a folder", PlainCommand)
	}
	bodies := os.DirFS(args[0])
	files, err := fs.ReadDir(bodies, ".")
	if err != nil {
		return fmt.Errorf("stored bodies: %w", err)
	}
	p := plain{}
	for _, file := range files {
		body, err := fs.ReadFile(bodies, file.Name())
		if err != nil {
			return fmt.Errorf("stored body: %w", err)
		}
		p[strings.TrimSuffix(file.Name(), bodySuffix)] = storedBody{body, []string{strconv.Itoa(len(body))}}
	}
	return servers.Serve(ctx, p)
}

// writeBodies writes the files that [ServePlain] reads.
func writeBodies(dir string, sets []*requestSet) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("folder of stored bodies: %w", err)
	}
	for _, q := range sets {
		for i := range q.responses {
			file := filepath.Join(dir, q.key(i)+bodySuffix)
			if err := os.WriteFile(file, q.responses[i], 0o600); err != nil {
				return fmt.Errorf("stored body: %w", err)
			}
		}
	}
	return nil
}
