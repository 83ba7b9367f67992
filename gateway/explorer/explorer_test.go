package explorer

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const script = "/assets/index-1a2b3c.js"

// built is what a build leaves in dist, with texts that tell which file they are.
func built() fs.FS {
	return fstest.MapFS{
		".gitkeep":                   file(""),
		"index.html":                 file("page"),
		"index.html.br":              file("page in brotli"),
		"index.html.gz":              file("page in gzip"),
		"assets/index-1a2b3c.js":     file("script"),
		"assets/index-1a2b3c.js.br":  file("script in brotli"),
		"assets/index-1a2b3c.js.gz":  file("script in gzip"),
		"assets/icon-4d5e6f.svg":     file("icon"),
		"assets/codicon-7a8b9c.ttf":  file("font"),
		"assets/roboto-2b3c4d.woff2": file("roboto"),
		"assets/picture-0a1b2c.webp": file("picture"),
	}
}

func file(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }

// request asks a handler; header holds names and values in turn.
func request(h http.Handler, method, target string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func wantHeader(t *testing.T, response *http.Response, name, want string) {
	t.Helper()
	if got := response.Header.Get(name); got != want {
		t.Errorf("%s: %q, want %q", name, got, want)
	}
}

func TestPaths(t *testing.T) {
	tests := []struct {
		path, contentType, body string // empty for 404
	}{
		{"/", "text/html; charset=utf-8", "page"},
		{script, "text/javascript; charset=utf-8", "script"},
		{"/assets/icon-4d5e6f.svg", "image/svg+xml", "icon"},
		{"/assets/codicon-7a8b9c.ttf", "font/ttf", "font"},
		{"/assets/roboto-2b3c4d.woff2", "font/woff2", "roboto"},
		{"/assets/picture-0a1b2c.webp", "application/octet-stream", "picture"},
		{path: "/index.html"},
		{path: "/index.html.br"},
		{path: script + ".gz"},
		{path: "/.gitkeep"},
		{path: "/assets"},
		{path: "/assets/"},
		{path: "/assets/../index.html"},
		{path: "/other"},
	}
	h := newHandler(built())
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			response := request(h, http.MethodGet, test.path)
			wantHeader(t, response, "Content-Security-Policy", policy)
			wantHeader(t, response, "X-Content-Type-Options", "nosniff")
			wantHeader(t, response, "Referrer-Policy", "no-referrer")
			wantHeader(t, response, "X-Frame-Options", "DENY")
			if test.body == "" {
				if response.StatusCode != http.StatusNotFound {
					t.Errorf("status %d, want 404", response.StatusCode)
				}
				return
			}
			if response.StatusCode != http.StatusOK {
				t.Errorf("status %d, want 200", response.StatusCode)
			}
			wantHeader(t, response, "Content-Type", test.contentType)
			wantHeader(t, response, "Content-Length", strconv.Itoa(len(test.body)))
			if got := body(t, response); got != test.body {
				t.Errorf("body %q, want %q", got, test.body)
			}
		})
	}
}

func TestEncodings(t *testing.T) {
	tests := []struct {
		name, accept, want string
	}{
		{"none asked for", "", ""},
		{"a browser", "gzip, deflate, br, zstd", "br"},
		{"brotli", "br", "br"},
		{"gzip", "gzip", "gzip"},
		{"an old name", "x-gzip", "gzip"},
		{"capitals", "GZIP", "gzip"},
		{"unknown", "zstd", ""},
		{"any", "*", "br"},
		{"any other", "br;q=0, *", "gzip"},
		{"gzip preferred", "br;q=0.5, gzip;q=0.8", "gzip"},
		{"as it is preferred", "identity, gzip;q=0.5", ""},
		{"alike", "identity, gzip", "gzip"},
		{"gzip refused", "gzip;q=0", ""},
		{"gzip refused at length", "gzip; q=0.000", ""},
		{"all refused", "identity;q=0, *;q=0", ""},
		{"capital Q", "gzip;Q=0", ""},
		{"no number", "gzip;q=much", ""},
		{"out of range", "gzip;q=7", ""},
		{"NaN", "gzip;q=NaN", ""},
		{"empty items", ", ,gzip,", "gzip"},
	}
	bodies := map[string]string{"": "script", "gzip": "script in gzip", "br": "script in brotli"}
	h := newHandler(built())
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response := request(h, http.MethodGet, script, "Accept-Encoding", test.accept)
			want := bodies[test.want]
			wantHeader(t, response, "Content-Encoding", test.want)
			wantHeader(t, response, "Content-Length", strconv.Itoa(len(want)))
			wantHeader(t, response, "Content-Type", "text/javascript; charset=utf-8")
			wantHeader(t, response, "Vary", "Accept-Encoding")
			if got := body(t, response); got != want {
				t.Errorf("body %q, want %q", got, want)
			}
		})
	}

	t.Run("several header lines", func(t *testing.T) {
		response := request(h, http.MethodGet, script, "Accept-Encoding", "deflate", "Accept-Encoding", "gzip")
		wantHeader(t, response, "Content-Encoding", "gzip")
	})
	t.Run("a file without encodings", func(t *testing.T) {
		response := request(h, http.MethodGet, "/assets/icon-4d5e6f.svg", "Accept-Encoding", "br, gzip")
		wantHeader(t, response, "Content-Encoding", "")
		wantHeader(t, response, "Vary", "Accept-Encoding")
	})
}

func TestCaching(t *testing.T) {
	h := newHandler(built())

	t.Run("assets for ever", func(t *testing.T) {
		response := request(h, http.MethodGet, script)
		wantHeader(t, response, "Cache-Control", "public, max-age=31536000, immutable")
		wantHeader(t, response, "ETag", "")
	})

	t.Run("the page by its tag", func(t *testing.T) {
		response := request(h, http.MethodGet, "/", "Accept-Encoding", "br")
		wantHeader(t, response, "Cache-Control", "no-cache")
		tag := response.Header.Get("ETag")

		again := request(h, http.MethodGet, "/", "Accept-Encoding", "br", "If-None-Match", tag)
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("status %d, want 304", again.StatusCode)
		}
		wantHeader(t, again, "ETag", tag)
		wantHeader(t, again, "Vary", "Accept-Encoding")
		wantHeader(t, again, "Content-Length", "")
		if got := body(t, again); got != "" {
			t.Errorf("body %q, want none", got)
		}

		other := request(h, http.MethodGet, "/", "Accept-Encoding", "gzip", "If-None-Match", tag)
		if other.StatusCode != http.StatusOK {
			t.Errorf("status %d for another encoding's tag, want 200", other.StatusCode)
		}
	})
}

func TestMethods(t *testing.T) {
	h := newHandler(built())

	t.Run("HEAD", func(t *testing.T) {
		response := request(h, http.MethodHead, "/", "Accept-Encoding", "gzip")
		if response.StatusCode != http.StatusOK {
			t.Errorf("status %d, want 200", response.StatusCode)
		}
		wantHeader(t, response, "Content-Length", strconv.Itoa(len("page in gzip")))
		if got := body(t, response); got != "" {
			t.Errorf("body %q, want none", got)
		}
	})
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		t.Run(method, func(t *testing.T) {
			response := request(h, method, "/")
			if response.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("status %d, want 405", response.StatusCode)
			}
			wantHeader(t, response, "Allow", "GET, HEAD")
			wantHeader(t, response, "Content-Security-Policy", policy)
		})
	}
}

// TestUnbuilt looks at the page of a binary that was built without Node, whether or not this one was.
func TestUnbuilt(t *testing.T) {
	h := newHandler(sub(unbuilt, "unbuilt"))

	page := body(t, request(h, http.MethodGet, "/"))
	for _, want := range []string{
		"make run", "npm ci &amp;&amp; npm run build", "<textarea", "./script.js",
		"./style.css",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for path, contentType := range map[string]string{
		"/script.js": "text/javascript; charset=utf-8",
		"/style.css": "text/css; charset=utf-8",
	} {
		response := request(h, http.MethodGet, path)
		wantHeader(t, response, "Content-Type", contentType)
		wantHeader(t, response, "Cache-Control", "no-cache")
		page += body(t, response)
	}
	// The policy allows no script in the page, no handler in a tag and no other host; so there must be none.
	for _, forbidden := range []string{"<script>", "onclick=", "onsubmit=", "http://", "https://", "//cdn"} {
		if strings.Contains(page, forbidden) {
			t.Errorf("the page or its files contain %q", forbidden)
		}
	}
}

// TestHandler asks the handler of this very binary for its page and for all that the page names.
func TestHandler(t *testing.T) {
	h := Handler()
	page := body(t, request(h, http.MethodGet, "/"))
	if Built() == strings.Contains(page, "built without") {
		t.Errorf("Built() is %t, which is not what the page says", Built())
	}
	named := 0
	for _, attribute := range []string{`src="`, `href="`} {
		for _, rest := range strings.Split(page, attribute)[1:] {
			address, _, _ := strings.Cut(rest, `"`)
			path, isFile := strings.CutPrefix(address, ".")
			if !isFile || path == "/graphql" || path == "/schema.graphqls" {
				continue
			}
			named++
			if response := request(h, http.MethodGet, path); response.StatusCode != http.StatusOK {
				t.Errorf("%s: status %d, want 200", path, response.StatusCode)
			}
		}
	}
	if named == 0 {
		t.Error("the page names no file of its own")
	}
}
