// Package explorer serves GraphiQL, the page to try out queries.
//
// The page is a small Vite project in this directory. `npm ci && npm run build` writes it, and a compressed copy of
// each file, into dist, and the Go build embeds dist. The page loads nothing from other hosts, and the policy in every
// response makes the browser enforce that.
//
// A binary built without Node, for example by `go install`, has an empty dist. It serves the hand-written page in
// unbuilt instead, which says how to build the real page, and can run a query.
package explorer

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"

	"revox-graphql/internal/negotiate"
)

//go:embed all:dist
var dist embed.FS

//go:embed unbuilt
var unbuilt embed.FS

// policy allows the page its own files and its own host. GraphiQL's editor, Monaco, positions its lines and widgets by
// inline styles, and has fonts and pictures as data: URLs; it needs nothing else.
const policy = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"font-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Built reports whether this binary has GraphiQL, or only the page that says how to build it.
func Built() bool {
	return holdsPage(sub(dist, "dist"))
}

// Handler serves the page at / and its files beside it. It responds to other paths with 404, and to methods other than
// GET and HEAD with 405.
func Handler() http.Handler {
	pages := sub(dist, "dist")
	if !holdsPage(pages) {
		pages = sub(unbuilt, "unbuilt")
	}
	return newHandler(pages)
}

func holdsPage(files fs.FS) bool {
	_, err := fs.Stat(files, "index.html")
	return err == nil
}

// sub is fs.Sub for an embedded directory.
func sub(files embed.FS, folder string) fs.FS {
	inner, err := fs.Sub(files, folder)
	if err != nil {
		panic(err)
	}
	return inner
}

// handler serves a fixed set of files by their whole paths, so no path can reach anything else.
type handler struct {
	files     fs.FS
	resources map[string]resource // by URL path
}

// resource is a file as the build wrote it: once as it is and, if compressible, once per encoding.
type resource struct {
	contentType  string
	cacheControl string
	codings      []string           // of the variants, best first
	variants     map[string]variant // by content coding, "" is the file as it is
}

type variant struct {
	file string
	etag string // empty for what never changes under its name
	size int64
}

// codings are the content codings the build writes, best first, and the suffix of their files.
var codings = []struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

// contentTypes is a separate table, because that of package mime differs between machines.
var contentTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml",
	".ttf":   "font/ttf",
	".woff2": "font/woff2",
}

// newHandler serves index.html at / and every other file at its own path, except those whose name starts with a dot.
// It panics if the files cannot be read: they are part of the program.
func newHandler(files fs.FS) http.Handler {
	h := &handler{files: files, resources: make(map[string]resource)}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") || codingSuffix(name) != "" {
			return err
		}
		url := "/" + name
		if name == "index.html" {
			url = "/"
		}
		h.resources[url], err = newResource(files, name)
		return err
	})
	if err != nil {
		panic(fmt.Sprintf("explorer: reading the embedded files: %v", err))
	}
	return h
}

func codingSuffix(name string) string {
	for _, coding := range codings {
		if strings.HasSuffix(name, coding.suffix) {
			return coding.suffix
		}
	}
	return ""
}

func newResource(files fs.FS, name string) (resource, error) {
	r := resource{contentType: contentTypes[path.Ext(name)], variants: make(map[string]variant)}
	if r.contentType == "" {
		r.contentType = "application/octet-stream"
	}
	// Vite puts a hash of the content into the names of its assets.
	hashed := strings.HasPrefix(name, "assets/")
	if hashed {
		r.cacheControl = "public, max-age=31536000, immutable"
	} else {
		r.cacheControl = "no-cache"
	}

	plain, err := newVariant(files, name, !hashed)
	if err != nil {
		return resource{}, err
	}
	r.variants[""] = plain
	for _, coding := range codings {
		compressed := name + coding.suffix
		if _, err := fs.Stat(files, compressed); err != nil {
			continue
		}
		if r.variants[coding.name], err = newVariant(files, compressed, !hashed); err != nil {
			return resource{}, err
		}
		r.codings = append(r.codings, coding.name)
	}
	return r, nil
}

func newVariant(files fs.FS, name string, tagged bool) (variant, error) {
	info, err := fs.Stat(files, name)
	if err != nil {
		return variant{}, err
	}
	v := variant{file: name, size: info.Size()}
	if tagged {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return variant{}, err
		}
		sum := sha256.Sum256(content)
		v.etag = `"` + hex.EncodeToString(sum[:12]) + `"`
	}
	return v, nil
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Frame-Options", "DENY")

	resource, found := h.resources[r.URL.Path]
	if !found {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "This path supports GET and HEAD only.", http.StatusMethodNotAllowed)
		return
	}

	coding := negotiate.Encoding(r.Header.Values("Accept-Encoding"), resource.codings...)
	chosen := resource.variants[coding]
	header.Set("Content-Type", resource.contentType)
	header.Set("Cache-Control", resource.cacheControl)
	header.Add("Vary", "Accept-Encoding")
	if chosen.etag != "" {
		header.Set("ETag", chosen.etag)
	}
	if coding != "" {
		header.Set("Content-Encoding", coding)
		// ServeFileFS omits the length of an encoded response unless it is already set.
		header.Set("Content-Length", strconv.FormatInt(chosen.size, 10))
	}
	http.ServeFileFS(w, r, h.files, chosen.file)
}
