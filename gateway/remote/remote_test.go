package remote

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"revox-graphql/gateway/export"
)

// An address is that of an endpoint: nothing else is accepted, and /graphql is the default path.
func TestAddress(t *testing.T) {
	for address, want := range map[string]string{
		"http://127.0.0.1:8080":             "http://127.0.0.1:8080/graphql",
		"https://gateway.example/":          "https://gateway.example/graphql",
		"https://gateway.example/x/graphql": "https://gateway.example/x/graphql",
		"":                                  "",
		"127.0.0.1:8080":                    "",
		"ftp://gateway.example":             "",
		"http://":                           "",
		"http://user:password@x":            "",
		"http://x/graphql?query={a}":        "",
		"http://x/#query":                   "",
	} {
		gateway, err := New(address, "")
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is accepted", address)
		case want != "" && (err != nil || gateway.String() != want):
			t.Errorf("%q: %v, %v", address, gateway, err)
		}
	}
}

// What a server at the address may respond, and what comes of it.
func TestAsk(t *testing.T) {
	const request = `{"query":"{ __typename }"}`
	for name, test := range map[string]struct {
		status    int
		header    http.Header
		body      string
		says      string // in the error; "" for none
		temporary bool
		wait      time.Duration
	}{
		"data":               {200, nil, `{"data":{"__typename":"Query"}}`, "", false, 0},
		"null":               {200, nil, `{"data":null}`, "", false, 0},
		"as Revox sent it":   {200, nil, `{"data":{"call":{"structuredOutput":{"a":1,"a":"\ud83d"}}}}`, "", false, 0},
		"errors":             {400, nil, `{"errors":[{"message":"no"}]}`, "", false, 0},
		"no token":           {401, nil, `{"errors":[{"message":"no"}]}`, "", false, 0},
		"overloaded":         {503, nil, `{"errors":[{"message":"no"}]}`, "", false, 0},
		"another server":     {404, nil, "not found", "404 Not Found and not with GraphQL", false, 0},
		"other JSON":         {200, nil, `{"calls":[]}`, "200 OK and not with GraphQL", false, 0},
		"no JSON":            {200, nil, `{"data`, "200 OK and not with GraphQL", false, 0},
		"cut off":            {200, nil, `{"data":`, "", false, 0}, // which its reader finds out
		"data comes late":    {200, nil, ` {"extensions":{"data":1},"data":{}}`, "", false, 0},
		"a redirect":         {307, http.Header{"Location": {"/elsewhere"}}, "", "307 Temporary Redirect", false, 0},
		"a proxy":            {502, nil, "<html>", "502 Bad Gateway", true, 0},
		"a proxy that waits": {503, http.Header{"Retry-After": {"7"}}, "<html>", "503", true, 7 * time.Second},
		"a date":             {429, http.Header{"Retry-After": {"tomorrow"}}, "", "429", true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.URL.Path != "/graphql" || r.Method != http.MethodPost || string(body) != request ||
					r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s %s %s %v", r.Method, r.URL, body, r.Header)
				}
				maps.Copy(w.Header(), test.header)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer server.Close()
			gateway, err := New(server.URL, "secret")
			if err != nil {
				t.Fatal(err)
			}
			body, err := gateway.Ask(t.Context(), []byte(request))
			if test.says == "" {
				if err != nil || string(body) != test.body {
					t.Errorf("got %s, %v", body, err)
				}
				return
			}
			temporary, ok := errors.AsType[*export.TemporaryError](err)
			if err == nil || !strings.Contains(err.Error(), test.says) || ok != test.temporary ||
				ok && temporary.RetryAfter != test.wait || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A server that cannot be reached may be reached later, unless the caller has given up.
func TestUnreached(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	gateway, err := New(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = gateway.Ask(t.Context(), []byte("{}"))
	if _, temporary := errors.AsType[*export.TemporaryError](err); !temporary ||
		!strings.HasPrefix(err.Error(), server.URL+"/graphql cannot be reached: ") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	given := errors.New("given up")
	cancel(given)
	if _, err = gateway.Ask(ctx, []byte("{}")); !errors.Is(err, given) {
		t.Errorf("got %v", err)
	}
}

// On the same machine, compressing a response and reading that takes longer than sending it as it is.
func TestCompression(t *testing.T) {
	for address, want := range map[string]bool{
		"http://127.0.0.1:8080": false, "http://localhost:8080/graphql": false, "http://[::1]:8080": false,
		"https://gateway.example": true, "http://10.0.0.1:8080": true,
	} {
		gateway, err := New(address, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := !gateway.client.Transport.(*http.Transport).DisableCompression; got != want { // made by New
			t.Errorf("%s: compression %v, want %v", address, got, want)
		}
	}
}

func TestDemo(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		header string
		body   string
		demo   bool
		says   string
		later  bool // a later request may get the response
	}{
		"a gateway":      {200, "", `{"data":{}}`, false, "", false},
		"a demo":         {200, "demo", `{"data":{}}`, true, "", false},
		"documents":      {400, "", `{"errors":[]}`, false, "", false},
		"a wrong token":  {401, "", `{"errors":[]}`, false, "does not accept the token", false},
		"another server": {200, "", "hello", false, "not with GraphQL", false},
		"a proxy":        {503, "", "hello", false, "not with GraphQL", true},
		"overloaded":     {503, "", `{"errors":[]}`, false, "responds with 503 Service Unavailable", true},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header["Authorization"] != nil {
					t.Error("there is no token to send")
				}
				w.Header().Set("X-Revox-Upstream", test.header)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer server.Close()
			gateway, err := New(server.URL, "")
			if err != nil {
				t.Fatal(err)
			}
			demo, err := gateway.Demo(t.Context())
			if demo != test.demo || (err != nil) != (test.says != "") ||
				err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %t, %v", demo, err)
			}
			if _, temporary := errors.AsType[*export.TemporaryError](err); temporary != test.later {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestHealth(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			http.Error(w, "stopping", http.StatusServiceUnavailable)
		}
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/healthz", http.StatusFound)
		}
	}))
	defer server.Close()
	for path, says := range map[string]string{
		"/healthz": "",
		"/readyz":  ": 503 Service Unavailable: stopping",
		"/moved":   ": 302 Found: ",
	} {
		err := Health(t.Context(), server.URL+path)
		if (err == nil) != (says == "") || err != nil && !strings.HasPrefix(err.Error(), server.URL+path+says) {
			t.Errorf("%s: %v", path, err)
		}
	}
	const nobody = "http://127.0.0.1:1/healthz" // a port that the system assigns to no program
	if err := Health(t.Context(), nobody); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
}
