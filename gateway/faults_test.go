package gateway

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"revox-graphql/upstream/fake"
)

const (
	// canary is the key, and part of every bearer token: it goes upstream and nowhere else.
	canary = "sk_canary_51c9"
	// hidden stands in every faulty body, where a client must not see it.
	hidden = "hidden-7d2e"
	// odd is the id of the one call in the bodies that are odd but can be used.
	odd = "odd-call"
	// refused is the code where upstream rejects the gateway's own key.
	refused = "UPSTREAM_UNAUTHENTICATED"

	// The query reads nothing that looks like a secret, so a response that has one leaks it.
	faultQuery = `{ calls(first: 4) { nodes { id } } }`
)

// fault is one way in which upstream fails or is odd, and what clients then get.
type fault struct {
	name     string
	down     bool              // nobody listens at upstream's address
	toxics   []string          // what the proxy in front of upstream does, as toxiproxy's JSON
	response answerer          // of upstream; nil is the real one
	env      map[string]string // settings that differ
	id       string            // of the call that comes where there is no error; "" is upstream's newest
	code     string            // of the error; "" if there is none
	theirs   string            // of the error where the key is the client's; "" is the same
	retry    float64           // its retryAfter; 0 if there is none
	asked    int               // requests that arrive upstream while nothing is cached
	warm     int               // requests that arrive while a page is refreshed; 0 is as many
	spare    int               // how many more may arrive then
	ends     bool              // attempts are counted, and not requests: one may end before its request has arrived
	also     func(*testing.T)  // what else must hold in the end; may be nil
}

// answerer answers the n-th request; nil is the real answer.
type answerer = func(n int, r *http.Request) *fake.Response

// quick returns the settings for a fault that lasts as long as an attempt: the timeout allows three, also on a busy
// machine, and an attempt is long enough for a healthy response there.
func quick() map[string]string {
	return map[string]string{"GATEWAY_UPSTREAM_ATTEMPT_TIMEOUT": "2s", "GATEWAY_UPSTREAM_TIMEOUT": "60s"}
}

// unhurried returns the settings for a fault with large responses, which take long to read on a busy machine.
func unhurried() map[string]string {
	return map[string]string{"GATEWAY_UPSTREAM_ATTEMPT_TIMEOUT": "60s", "GATEWAY_UPSTREAM_TIMEOUT": "300s"}
}

// faults are all of them.
func faults(t *testing.T) []fault {
	t.Helper()
	always := func(a fake.Response) answerer {
		return func(int, *http.Request) *fake.Response { return &a }
	}
	// first is the first page of a list that has no other.
	first := func(a fake.Response) answerer {
		return func(_ int, r *http.Request) *fake.Response {
			if r.URL.Query().Get("page") != "0" {
				return &fake.Response{Body: []byte(`{"calls": []}`)}
			}
			return &a
		}
	}
	once := func(a fake.Response) answerer {
		return func(n int, _ *http.Request) *fake.Response {
			if n > 1 {
				return nil
			}
			return &a
		}
	}
	status := func(status int, header ...string) fake.Response {
		a := fake.Response{Status: status, Header: http.Header{}, Body: []byte(`{"error": "` + hidden + `"}`)}
		for i := 0; i < len(header); i += 2 {
			a.Header.Set(header[i], header[i+1])
		}
		return a
	}
	body := func(format string, args ...any) fake.Response {
		return fake.Response{Body: fmt.Appendf(nil, format, args...)}
	}
	var visits atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	t.Cleanup(elsewhere.Close)

	const call = `"status": "completed", "phone_number": "` + hidden + `", "recording_url": "https://recordings.example/` +
		hidden + `"`
	const unavailable, invalid, timeout = "UPSTREAM_UNAVAILABLE", "UPSTREAM_INVALID_RESPONSE", "UPSTREAM_TIMEOUT"
	huge := make([]byte, 64<<20)
	unannounced := http.Header{"Content-Length": nil} // so it comes in chunks
	bomb := http.Header{"Content-Encoding": {"gzip"}}

	return []fault{
		{name: "connection refused", down: true, code: unavailable},
		{
			// An idle connection that ends under a request has the request sent once more, over a new one.
			name: "reset before a response", toxics: []string{`{"type": "reset_peer", "attributes": {"timeout": 0}}`},
			code: unavailable, asked: 3, warm: 4,
		},
		{
			// With a toxicity of 0 the second toxic never does its work, and all the same ends connections by a reset.
			name: "reset mid-body", toxics: []string{
				`{"type": "limit_data", "attributes": {"bytes": 500}}`,
				`{"type": "reset_peer", "toxicity": 0}`,
			},
			code: unavailable, asked: 3,
		},
		{
			name: "closed mid-body", toxics: []string{`{"type": "limit_data", "attributes": {"bytes": 500}}`}, code: unavailable,
			asked: 3,
		},
		{
			name: "10 s stall", toxics: []string{`{"type": "timeout", "attributes": {"timeout": 10000}}`},
			env: quick(), code: timeout, asked: 3, ends: true,
		},
		{
			name: "1 byte a second", toxics: []string{`{"type": "slicer", "attributes": {"average_size": 1, "delay": 1000000}}`},
			env: quick(), code: timeout, asked: 3, ends: true,
		},
		{name: "500 once", response: once(status(500)), asked: 2},
		{name: "500 for ever", response: always(status(500)), code: unavailable, asked: 3},
		{
			name: "503, `Retry-After: 3`", response: always(status(503, "Retry-After", "3")), code: unavailable, retry: 3,
			asked: 1,
		},
		{
			name: "429, `retry-after-ms: 1500`", response: always(status(429, "Retry-After-Ms", "1500")),
			code: "UPSTREAM_RATE_LIMITED", retry: 2, asked: 3,
		},
		{name: "429 once, `retry-after-ms: 50`", response: once(status(429, "Retry-After-Ms", "50")), asked: 2},
		{name: "401", response: always(status(401)), code: refused, theirs: "UNAUTHENTICATED", asked: 1},
		// The first shows that the page must go, and the second that there is no other.
		{name: "403", response: always(status(403)), code: refused, theirs: "FORBIDDEN", asked: 1, warm: 2},
		// A firewall in front of Revox, and not Revox: the pages stay.
		{
			name: "403, `cf-mitigated`", code: unavailable, asked: 1,
			response: always(status(403, "Cf-Mitigated", "challenge", "Content-Type", "text/html")),
		},
		{
			name: "403, `Retry-After: 3`", code: "UPSTREAM_RATE_LIMITED", retry: 3, asked: 1,
			response: always(status(403, "Retry-After", "3")),
		},
		{name: "407", response: always(status(407)), code: unavailable, asked: 3},
		{
			name: "byte order mark", id: odd, asked: certain,
			response: first(body("\uFEFF{\"calls\": [{\"id\": \"%s\", %s}]}", odd, call)),
		},
		{name: "404", response: always(status(404)), code: invalid, asked: 1},
		{name: "422", response: always(status(422)), code: invalid, asked: 1},
		{
			name: "redirect", response: always(status(307, "Location", elsewhere.URL+"/"+hidden)), code: invalid, asked: 1,
			also: func(t *testing.T) {
				t.Helper()
				if n := visits.Load(); n != 0 {
					t.Errorf("%d requests followed the redirect", n)
				}
			},
		},
		{name: "truncated JSON", response: always(body(`{"calls": [{"id": "%s", %s`, odd, call)), code: invalid, asked: 1},
		// Every page is too large: it is halved down to a single call.
		{
			name: "64 MB", env: unhurried(), response: always(fake.Response{Body: huge}), code: invalid,
			asked: halvings, warm: 1, spare: halvings - 1,
		},
		{
			name: "64 MB, unannounced", env: unhurried(), response: always(fake.Response{Body: huge, Header: unannounced}),
			code: invalid, asked: halvings, warm: 1, spare: halvings - 1,
		},
		{
			name: "gzip bomb", env: unhurried(), response: always(fake.Response{Body: zipped(t, huge[:17<<20]), Header: bomb}),
			code: invalid, asked: halvings, warm: 1, spare: halvings - 1,
		},
		{name: "HTML with 200", response: always(body("<html>%s</html>", hidden)), code: invalid, asked: 1},
		{name: "invalid UTF-8", response: first(body("{\"calls\": [{\"id\": %q, \"end_reason\": \"caf\xe9\", %s}]}", odd,
			call)), id: odd, asked: certain},
		{name: "duplicate keys", response: first(body(`{"calls": [], "calls": [{"id": "%s", "id": "%s", %s}]}`, hidden, odd,
			call)), id: odd, asked: certain},
		{
			name: "20,000-fold nesting", code: invalid, asked: 1,
			response: always(body(`{"calls": [{"id": "%s", "structured_output": %s%s}]}`, odd, strings.Repeat("[", 20_000),
				strings.Repeat("]", 20_000))),
		},
		{
			name: "trailing bytes", response: always(body(`{"calls": [{"id": "%s", %s}]} %s`, odd, call, hidden)), code: invalid,
			asked: 1,
		},
		{name: "`calls` missing", response: always(body(`{"data": [{"id": "%s", %s}]}`, odd, call)), code: invalid, asked: 1},
		{
			name: "`calls` not a list", response: always(body(`{"calls": {"id": "%s", %s}}`, odd, call)), code: invalid,
			asked: 1,
		},
		{
			name: "wrong content type", id: odd, asked: certain,
			response: first(fake.Response{
				Header: http.Header{"Content-Type": {"text/html"}},
				Body:   fmt.Appendf(nil, `{"calls": [{"id": "%s", %s}]}`, odd, call),
			}),
		},
	}
}

const (
	// halvings are the requests from the smallest requested page down to a single call: for
	// 12, 6, 3 and 1.
	halvings = 4
	// certain are the requests to be certain of a list of one call: for its page, for the next one, and
	// for its page once more.
	certain = 3
)

// zipped is the body, compressed.
func zipped(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(body)
	if err := cmp.Or(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// reply is a response of the gateway.
type reply struct {
	Data *struct {
		Calls *struct{ Nodes []struct{ ID string } }
	}
	Errors []struct {
		Message    string
		Path       []any
		Locations  []struct{ Line, Column int }
		Extensions struct {
			Code       string
			RetryAfter float64
		}
	}
	Extensions *struct{ Stale float64 }
}

func (r reply) String() string {
	switch {
	case len(r.Errors) > 0 && r.Errors[0].Extensions.RetryAfter > 0:
		return fmt.Sprintf("`%s`, `retryAfter` %v", r.Errors[0].Extensions.Code, r.Errors[0].Extensions.RetryAfter)
	case len(r.Errors) > 0:
		return fmt.Sprintf("`%s`", r.Errors[0].Extensions.Code)
	case r.stale():
		return "the same, `stale`"
	default:
		return "data"
	}
}

// code is of the one error, "" if there is none.
func (r reply) code() string {
	if len(r.Errors) == 0 {
		return ""
	}
	return r.Errors[0].Extensions.Code
}

// id is that of the first call, "" if there is none.
func (r reply) id() string {
	if len(r.Errors) > 0 {
		return ""
	}
	return r.Data.Calls.Nodes[0].ID
}

func (r reply) stale() bool { return r.Extensions != nil }

// ask requests some calls, with a key or without, checks that the response is well-formed and leaks no secret, and
// reads it.
func (p *program) ask(t *testing.T, key string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"graphql",
		strings.NewReader(fmt.Sprintf(`{"query": %q}`, faultQuery)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, body := do(t, req)
	var head bytes.Buffer
	if err := resp.Header.Write(&head); err != nil {
		t.Fatal(err)
	}
	keepsSecrets(t, "a response's head", head.String())
	keepsSecrets(t, "a response", body)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Fatalf("status %d, %s: %s", resp.StatusCode, resp.Header.Get("Content-Type"), body)
	}
	var r reply
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil || decoder.More() {
		t.Fatalf("%v: %s", err, body)
	}
	if flaw := r.flaw(); flaw != "" {
		t.Fatalf("%s: %s", flaw, body)
	}
	return r
}

// flaw returns what is wrong with the shape of a response, "" if nothing is.
func (r reply) flaw() string {
	switch {
	case r.Data == nil:
		return "no data"
	case len(r.Errors) == 0 && (r.Data.Calls == nil || len(r.Data.Calls.Nodes) == 0):
		return "neither calls nor an error"
	case len(r.Errors) > 0 && (len(r.Errors) > 1 || r.Data.Calls != nil || r.Errors[0].Message == "" ||
		r.code() == "" || len(r.Errors[0].Path) != 1 || len(r.Errors[0].Locations) != 1):
		return "not one error in place of the calls"
	case r.stale() && r.Extensions.Stale <= 0:
		return "stale for no time"
	}
	return ""
}

// askUntil asks until the response will do. What it waits for has no time of its own; the ticks only spare the
// processor.
func (p *program) askUntil(t *testing.T, enough func(reply) bool) reply {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		switch r := p.ask(t, ""); {
		case enough(r):
			return r
		case time.Now().After(deadline):
			t.Errorf("this is still all that comes: %v", r)
			return r
		}
	}
}

// finish stops the program, and checks that neither its metrics nor its log leak a secret.
func (p *program) finish(t *testing.T) {
	t.Helper()
	_, metrics := p.get(t, "metrics")
	keepsSecrets(t, "/metrics", metrics)
	p.stop()
	if err := <-p.stopped; err != nil {
		t.Errorf("it ended with %v", err)
	}
	// This line is for the operator, and names both addresses.
	log := regexp.MustCompile(`(?m)^.*msg=listening .*$`).ReplaceAllString(p.log.String(), "")
	log = regexp.MustCompile(` client=\S+`).ReplaceAllString(log, "") // the client's own address
	keepsSecrets(t, "the log", log)
}

// keepsSecrets fails if a text has a key, something of a body of upstream's, or an address.
func keepsSecrets(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range []string{canary, hidden, "://", "127.0.0.", "recordings.example"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s tells %q: %s", what, secret, text)
		}
	}
}

// Each fault is met by a gateway that knows nothing yet, and by one that has a page in memory which is past its time.
// The whole way is real: client, program, a proxy that spoils the connection, and the fake upstream. Nothing that is
// responded, counted or logged leaks the key, the upstream's address or the content of its faulty bodies.
//
// With -v it prints what came of each; with a page in memory, of the first response and of the first that was another.
func TestFaults(t *testing.T) {
	all := faults(t)
	table := make([]string, 2*len(all))
	t.Cleanup(func() { // after all the parallel tests
		t.Log("\n| fault | cache | what the client got | ms | upstream requests |\n| --- | --- | --- | --- | --- |\n" +
			strings.Join(table, "\n"))
	})
	for i, f := range all {
		t.Run(f.name+"/cold", func(t *testing.T) {
			t.Parallel()
			table[2*i] = meetCold(t, f)
		})
		t.Run(f.name+"/warm", func(t *testing.T) {
			t.Parallel()
			table[2*i+1] = meetWarm(t, f)
		})
	}
}

// meetCold meets a fault with nothing in memory.
func meetCold(t *testing.T, f fault) (row string) {
	t.Helper()
	s := newStage(t, f)
	s.spoil(t)
	s.goOn()
	start := time.Now()
	got := s.ask(t, "")
	took := time.Since(start)
	asked := s.asked(t)
	s.expect(t, got)
	if got.stale() || asked != f.asked {
		t.Errorf("%v, with %d upstream requests: expected %d", got, asked, f.asked)
	}
	return s.end(t, "cold", got, fmt.Sprint(took.Milliseconds()), asked)
}

// refreshPause is how long the page cache refreshes nothing after a failed refresh.
const refreshPause = time.Second

// meetWarm meets a fault with an old page in memory.
func meetWarm(t *testing.T, f fault) (row string) {
	t.Helper()
	s := newStage(t, f)
	old := s.ask(t, "")
	s.fake.ResetRequests()
	s.spoil(t)

	// Upstream answers nothing before this has come, so that it cannot have been waited for.
	start := time.Now()
	first := s.ask(t, "")
	took := time.Since(start)
	if first.id() != old.id() || first.stale() {
		t.Errorf("not the old data at once: %v", first)
	}
	// On a busy machine, the gateway may have begun to refresh the page again by the time that the requests are counted.
	// The first refresh ended after before: a request that was sent later did not see its end yet.
	before, last := start, start
	s.goOn()

	then := s.askUntil(t, func(r reply) bool {
		ended := r.stale() || r.code() != "" || r.id() != old.id()
		if !ended {
			before, last = last, time.Now()
		}
		return ended
	})
	tookAll := time.Since(start)
	asked := s.asked(t)
	refreshes := 1 + int(time.Since(before)/refreshPause) // at most
	if f.code == "" || f.code == refused {
		s.expect(t, then)
	} else if !then.stale() || then.id() != old.id() {
		t.Errorf("neither old data nor marked as such: %v", then)
	}
	least := cmp.Or(f.warm, f.asked)
	most := least + f.spare + (refreshes-1)*f.asked
	if f.code == "" {
		most++ // the page that the refresh has brought is past its time at once, and may be refreshed already
	}
	if asked < least || asked > most {
		t.Errorf("%d upstream requests, expected %d to %d", asked, least, most)
	}
	return s.end(t, "warm", fmt.Sprintf("old data, then %v", then),
		fmt.Sprintf("%d, %d", took.Milliseconds(), tookAll.Milliseconds()), asked)
}

// stage is a program with an upstream that is well until it is spoiled.
type stage struct {
	*program
	fault fault
	fake  *fake.Upstream
	proxy *toxiproxy.Proxy
	goOn  func() // lets upstream answer with the fault
	held  chan struct{}
}

func newStage(t *testing.T, f fault) *stage {
	t.Helper()
	s := &stage{fault: f, fake: fake.New(fake.Config{Seed: 1, Calls: 100}), held: make(chan struct{})}
	s.goOn = sync.OnceFunc(func() { close(s.held) })
	rest := httptest.NewServer(s.fake)
	t.Cleanup(rest.Close)
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	host := "127.0.0.1"
	if f.down && runtime.GOOS == "linux" {
		// Once the proxy stops, another program may get its port, but none listens at this address.
		host = "127.0.0.2"
	}
	s.proxy = toxiproxy.NewProxy(server, "upstream", host+":0", rest.Listener.Addr().String())
	if err := s.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.proxy.Stop)
	env := map[string]string{
		"REVOX_API_KEY": canary, "REVOX_BASE_URL": "http://" + s.proxy.Listen + "/api",
		"GATEWAY_UPSTREAM_FIRST_PAGE": "0", "GATEWAY_CACHE_TTL": "1ns", "GATEWAY_CACHE_REVALIDATE": "5m",
	}
	maps.Copy(env, f.env)
	s.program = start(t, env)
	return s
}

// spoil turns the fault on, and has a new call arrive.
func (s *stage) spoil(t *testing.T) {
	t.Helper()
	s.fake.Insert(1)
	s.fake.Behave(func(b *fake.Behaviour) {
		b.Fault = func(n int, r *http.Request) *fake.Response {
			select {
			case <-s.held:
			case <-r.Context().Done():
			}
			if s.fault.response == nil {
				return nil
			}
			return s.fault.response(n, r)
		}
	})
	for _, toxic := range s.fault.toxics {
		if _, err := s.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			t.Fatal(err)
		}
	}
	if s.fault.down {
		s.proxy.Stop()
	}
}

// asked is how many requests have arrived, or how many attempts have timed out.
func (s *stage) asked(t *testing.T) int {
	t.Helper()
	if !s.fault.ends {
		return len(s.fake.Requests())
	}
	_, metrics := s.get(t, "metrics")
	count := regexp.MustCompile(`\nrevox_graphql_upstream_request_duration_seconds_count{result="timeout"} (\d+)`)
	found := count.FindStringSubmatch(metrics)
	if found == nil {
		t.Fatal("no attempt has timed out")
	}
	attempts, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return attempts
}

// expect fails if a response is not what the fault is to end in.
func (s *stage) expect(t *testing.T, got reply) {
	t.Helper()
	if s.fault.code == "" {
		if want := cmp.Or(s.fault.id, s.fake.IDs()[0]); got.id() != want {
			t.Errorf("got %v with call %q, expected %q", got, got.id(), want)
		}
	} else if got.code() != s.fault.code || got.Errors[0].Extensions.RetryAfter != s.fault.retry {
		t.Errorf("got %v, expected %s with retryAfter %v", got, s.fault.code, s.fault.retry)
	}
}

// end stops the program and says what came of the fault, as a row of the table.
func (s *stage) end(t *testing.T, cache string, got any, ms string, asked int) (row string) {
	t.Helper()
	if s.fault.also != nil {
		s.fault.also(t)
	}
	s.finish(t)
	return fmt.Sprintf("| %s | %s | %v | %s | %d |", s.fault.name, cache, got, ms, asked)
}

// crowd starts a program that forwards keys, before an upstream that has another fault for each: the n-th key, counted
// from 0, meets the n-th fault, once it has had so many good responses.
func crowd(t *testing.T, all []fault, good int) (p *program, rest *httptest.Server) {
	t.Helper()
	upstream := fake.New(fake.Config{Seed: 1, Calls: 100})
	asked := make([]atomic.Int64, len(all))
	upstream.Behave(func(b *fake.Behaviour) {
		b.Fault = func(_ int, r *http.Request) *fake.Response {
			i := slices.IndexFunc(all, func(f fault) bool { return r.Header.Get("Authorization") == "Bearer "+f.key() })
			if n := int(asked[i].Add(1)) - good; n > 0 {
				return all[i].response(n, r)
			}
			return nil
		}
	})
	rest = httptest.NewServer(upstream)
	t.Cleanup(rest.Close)
	return start(t, map[string]string{
		"GATEWAY_CREDENTIALS": "forward", "REVOX_BASE_URL": rest.URL + "/api",
		"GATEWAY_UPSTREAM_FIRST_PAGE": "0", "GATEWAY_CACHE_TTL": "1ns", "GATEWAY_CACHE_REVALIDATE": "5m",
	}), rest
}

// key is a client's key that meets the fault.
func (f fault) key() string { return canary + "-" + strings.ReplaceAll(f.name, " ", "-") }

// answered are the faults of upstream's responses, as opposed to those of the connection.
func answered(all []fault) []fault {
	return slices.DeleteFunc(all, func(f fault) bool { return f.response == nil })
}

// Clients' own keys are kept as secret as the gateway's, with which TestFaults asks. All faults are met at once, and no
// credential meets another's.
func TestTheKeyStaysSecret(t *testing.T) {
	all := answered(faults(t))
	p, _ := crowd(t, all, 0)
	var group sync.WaitGroup
	for _, f := range all {
		group.Go(func() {
			got := p.ask(t, f.key())
			code := cmp.Or(f.theirs, f.code)
			if got.code() != code || code != "" && got.Errors[0].Extensions.RetryAfter != f.retry {
				t.Errorf("%s: got %v", f.name, got)
			}
		})
	}
	group.Wait()
	p.finish(t)
}

// The program is stopped while every fault has been met by a page that is refreshed in the background, and some of
// these refreshes still go on: one would wait for ever.
func TestNothingLeaks(t *testing.T) {
	all := append(answered(faults(t)), fault{name: "stall", response: func(_ int, r *http.Request) *fake.Response {
		<-r.Context().Done()
		return nil
	}})
	var met sync.WaitGroup
	for i, f := range all {
		met.Add(1)
		done := sync.OnceFunc(met.Done)
		all[i].response = func(n int, r *http.Request) *fake.Response {
			done()
			return f.response(n, r)
		}
	}
	before := goleak.IgnoreCurrent()
	p, rest := crowd(t, all, 1)
	var group sync.WaitGroup
	for _, f := range all {
		group.Go(func() {
			for range 2 {
				if got := p.ask(t, f.key()); got.code() != "" {
					t.Errorf("%s: got %v", f.name, got)
				}
			}
		})
	}
	group.Wait()
	met.Wait()
	p.finish(t)
	rest.Close()
	http.DefaultClient.CloseIdleConnections() // of this test's own client
	goleak.VerifyNone(t, before)
}

// What the gateway does not know reaches the clients whole, and its operator once.
func TestUnrecognizedValues(t *testing.T) {
	upstream := fake.New(fake.Config{})
	upstream.SetRows(json.RawMessage(`{"id": "a", "status": "completed", "result": "robot", "mood": "happy"}`))
	rest := httptest.NewServer(upstream)
	t.Cleanup(rest.Close)
	p := start(t, map[string]string{
		"REVOX_API_KEY": canary, "REVOX_BASE_URL": rest.URL, "GATEWAY_UPSTREAM_FIRST_PAGE": "0", "GATEWAY_CACHE_TTL": "0",
	})
	for range 3 { // each reads the call again
		body := p.query(t, `{ calls { nodes { id status result extra } } }`)
		const want = `{"data":{"calls":{"nodes":[{"id":"a","status":"COMPLETED","result":"UNRECOGNIZED",` +
			`"extra":{"result":"robot","mood":"happy"}}]}}}`
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(body)); err != nil || compact.String() != want {
			t.Errorf("got %s", body)
		}
	}
	_, metrics := p.get(t, "metrics")
	served := 0 // one more than was read: the first time the end of the list is confirmed
	for _, r := range upstream.Requests() {
		served += r.Rows
	}
	if served != 4 {
		t.Errorf("the call was served %d times", served)
	}
	for _, unrecognized := range []string{`field="mood",value=""`, `field="result",value="robot"`} {
		if !strings.Contains(metrics, fmt.Sprintf("\nrevox_graphql_upstream_unrecognized_total{%s} %d\n", unrecognized,
			served)) {
			t.Errorf("not counted %d times: %s", served, unrecognized)
		}
	}
	for _, unrecognized := range []string{"field=mood ", "field=result value=robot"} {
		if n := strings.Count(p.log.String(), unrecognized); n != 1 {
			t.Errorf("the log has it %d times: %s", n, unrecognized)
		}
	}
	p.finish(t)
}
