package demo

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"revox-graphql/upstream/fake"
)

// Fault is something that goes wrong with every Every-th request.
type Fault struct {
	kind
	Every int
}

// Times are the times that faults need.
type Times struct {
	// RetryAfter is the value of that header; it is sent in whole seconds.
	RetryAfter time.Duration
	// Slow is how long a slow response takes.
	Slow time.Duration
}

// kind is one kind of fault.
type kind struct {
	name, help string
	// response returns what is sent, nil for that of the list. It may wait, and it may panic with [http.ErrAbortHandler]
	// to close the connection.
	response func(r *http.Request, t Times) *fake.Response
}

// kinds has the faults in the order of the help.
func kinds() []kind {
	return []kind{
		status(http.StatusUnauthorized, "the key is not accepted", nil),
		status(http.StatusForbidden, "the key may not list calls", nil),
		status(http.StatusTooManyRequests, "too many requests, with Retry-After", retryAfter),
		status(http.StatusInternalServerError, "the server fails", nil),
		{"502", "an error page in HTML, as a proxy sends it", badGateway},
		status(http.StatusServiceUnavailable, "the server is overloaded, with Retry-After", retryAfter),
		status(http.StatusGatewayTimeout, "a proxy got no response in time", nil),
		{"slow", "the response comes after --slow", slow},
		{"hang", "no response comes; the connection stays open", hang},
		{"close", "the connection is closed in place of a response", func(*http.Request, Times) *fake.Response {
			panic(http.ErrAbortHandler)
		}},
		{"reset", "the connection is reset (TCP RST) in place of a response", reset},
		{"cut", "half of the response comes, then the connection is closed", func(*http.Request, Times) *fake.Response {
			return &fake.Response{Truncate: true}
		}},
		{"garbage", "status 200, and a body that is not JSON", func(*http.Request, Times) *fake.Response {
			return &fake.Response{Body: []byte(`{"calls": [{"id": "3a84`)}
		}},
	}
}

// status is the fault of a status with an error as Revox would send it.
func status(code int, help string, header func(Times) http.Header) kind {
	text := http.StatusText(code)
	body := fmt.Appendf(nil, `{"error":{"code":%q,"message":"%s, because the demo was started with this fault."}}`,
		strings.ToLower(strings.ReplaceAll(text, " ", "_")), text)
	return kind{strconv.Itoa(code), help, func(_ *http.Request, t Times) *fake.Response {
		response := &fake.Response{Status: code, Body: body}
		if header != nil {
			response.Header = header(t)
		}
		return response
	}}
}

func retryAfter(t Times) http.Header {
	seconds := int((t.RetryAfter + time.Second - 1) / time.Second)
	return http.Header{"Retry-After": {strconv.Itoa(seconds)}}
}

func badGateway(*http.Request, Times) *fake.Response {
	return &fake.Response{
		Status: http.StatusBadGateway, Header: http.Header{"Content-Type": {"text/html"}},
		Body: []byte("<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"),
	}
}

func slow(r *http.Request, t Times) *fake.Response {
	select {
	case <-time.After(t.Slow):
	case <-r.Context().Done():
	}
	return nil
}

func hang(r *http.Request, _ Times) *fake.Response {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// connection is the key of a request's connection in its context.
type connection struct{}

// withConnection implements [http.Server.ConnContext].
func withConnection(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connection{}, c)
}

func reset(r *http.Request, _ Times) *fake.Response {
	if c, ok := r.Context().Value(connection{}).(*net.TCPConn); ok {
		_ = c.SetLinger(0) // closing it then sends RST
	}
	panic(http.ErrAbortHandler)
}

// ParseFault reads a fault: its name for every request, or "429:5" for every fifth. Its error completes a sentence that
// begins with the flag.
func ParseFault(text string) (Fault, error) {
	name, number, given := strings.Cut(text, ":")
	all := kinds()
	i := slices.IndexFunc(all, func(k kind) bool { return k.name == name })
	if i < 0 {
		return Fault{}, fmt.Errorf("must be one of %s, and is %q", strings.Join(Names(), ", "), text)
	}
	every := 1
	if given {
		var err error
		if every, err = strconv.Atoi(number); err != nil || every < 1 {
			return Fault{}, fmt.Errorf("must have a whole number of at least 1 after the colon, and is %q", text)
		}
	}
	return Fault{all[i], every}, nil
}

// Names are the names of the faults.
func Names() (names []string) {
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// Help lists the faults, a line each.
func Help() string {
	var b strings.Builder
	for _, k := range kinds() {
		fmt.Fprintf(&b, "  %-8s %s\n", k.name, k.help)
	}
	return b.String()
}

// Injector returns a function for [fake.Behaviour.Fault]. It counts the requests for calls. Where several faults are
// due at one request, the one that comes least often takes precedence, or it would never come.
func Injector(faults []Fault, t Times) func(n int, r *http.Request) *fake.Response {
	faults = slices.Clone(faults)
	slices.SortStableFunc(faults, func(a, b Fault) int { return b.Every - a.Every })
	var requests atomic.Int64
	return func(_ int, r *http.Request) *fake.Response {
		if !strings.HasSuffix(r.URL.Path, "/call") {
			return nil
		}
		n := requests.Add(1)
		for _, f := range faults {
			if n%int64(f.Every) == 0 {
				note(r.Context(), f.name)
				return f.response(r, t)
			}
		}
		return nil
	}
}
