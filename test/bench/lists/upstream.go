package lists

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"revox-graphql/test/bench/servers"
)

// loadedUpstream is the fake, and beside it lists that it does not have. The list without statuses is the fake's, and a
// normal client's; those with statuses are for attacks: so there are distinct lists, and many attacks run at once.
type Upstream struct {
	servers.Upstream
	Certificate string // the file with it, where it speaks TLS; else empty

	Requests, MaxInFlight, inFlight atomic.Int64
	RefuseNext                      atomic.Pointer[http.Header]  // what the next request for such a list is a 429 with
	bodies                          [hostileBodies]func() []byte // made when they are needed
}

// The lists, by the statuses that are asked for.
const (
	Hostile = "errored"   // no list at all
	Hanging = "cancelled" // never an answer
	Large   = "scheduled" // rows of LargeRow
	Slow    = "calling"   // as the others, but it takes slowListLatency
)

// Sizes of what is served beside the fake's list.
const (
	Rows            = 40_000    // of each list
	mediumRow       = 20 << 10  // bytes of transcript: the largest of usual ones
	LargeRow        = 128 << 10 // 100 of them are nearly as much as an answer of upstream may have
	maxBody         = 16 << 20
	slowListLatency = 100 * time.Millisecond
	hostileBodies   = 3
)

// startLoadedUpstream serves it over HTTP, or over TLS, where a client may choose HTTP/2.
func Start(dir string, tls bool) (*Upstream, error) {
	u := &Upstream{}
	u.Upstream.Upstream = servers.NewList()
	u.bodies = [hostileBodies]func() []byte{
		sync.OnceValue(emptyRows), sync.OnceValue(manyKeys), sync.OnceValue(fullAnswer),
	}
	server := httptest.NewUnstartedServer(u)
	if server.EnableHTTP2 = tls; tls {
		server.StartTLS()
		u.Certificate = dir + "/upstream.pem"
		if err := os.WriteFile(u.Certificate, pemOf(server.Certificate()), 0o600); err != nil {
			server.Close()
			return nil, fmt.Errorf("the upstream's certificate: %w", err)
		}
	} else {
		server.Start()
	}
	u.URL = server.URL + "/api"
	u.Stop = func() {
		server.CloseClientConnections()
		_ = server.Listener.Close()
	}
	return u, nil
}

// ServeHTTP implements [http.Handler].
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.Requests.Add(1)
	n := u.inFlight.Add(1)
	answering := sync.OnceFunc(func() { u.inFlight.Add(-1) })
	defer answering() // or before the answer is written: who has read it may ask again
	for most := u.MaxInFlight.Load(); n > most && !u.MaxInFlight.CompareAndSwap(most, n); {
		most = u.MaxInFlight.Load()
	}
	query := r.URL.Query()
	statuses := query.Get("statuses")
	if statuses == "" {
		answering()
		u.Upstream.Upstream.ServeHTTP(w, r)
		return
	}
	if header := u.RefuseNext.Swap(nil); header != nil {
		maps.Copy(w.Header(), *header)
		http.Error(w, `{"error":{}}`, http.StatusTooManyRequests)
		return
	}
	if statuses == Slow { // a client that leaves does not end what it has begun here
		_ = servers.Sleep(context.WithoutCancel(r.Context()), slowListLatency)
	}
	switch {
	case strings.Contains(statuses, Hanging):
		<-r.Context().Done()
	case strings.Contains(statuses, Hostile):
		answering()
		send(w, u.bodies[strings.Count(statuses, ",")%hostileBodies]())
	default:
		page, _ := strconv.Atoi(query.Get("page"))
		size, _ := strconv.Atoi(query.Get("page_size"))
		row := mediumRow
		if strings.Contains(statuses, Large) {
			row = LargeRow
		}
		content := body(statuses, page*size, size, row)
		answering()
		send(w, content)
	}
}

func send(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) //nolint:gosec // a client that has gone is no news, and it is no browser
}

// ID is the id of a row of a list with statuses.
func ID(statuses string, place int) string { return statuses + "-" + strconv.Itoa(place) }

// spoken is what every row has said, of which each takes as much as it needs. No character of it is escaped.
var spoken = sync.OnceValue(func() string { return strings.Repeat("what was said to the agent ", LargeRow/27+1) })

// body is a page of a list, whose rows have so many bytes of transcript.
func body(statuses string, from, size, row int) []byte {
	end := min(from+size, Rows)
	body := make([]byte, 0, 64+max(0, end-from)*(row+256))
	body = append(body, `{"calls":[`...)
	for i := from; i < end; i++ {
		if i > from {
			body = append(body, ',')
		}
		body = append(body, `{"id":"`...)
		body = append(body, ID(statuses, i)...)
		body = append(body, `","status":"completed","phone_number":"+33100000000","structured_output":{"a":1},`...)
		body = append(body, `"transcript":[{"role":"user","content":"`...)
		body = append(body, spoken()[:row]...)
		body = append(body, `"}]}`...)
	}
	return append(body, "]}"...)
}

// emptyRows are as many rows without anything as an answer may have: 5.6 million.
func emptyRows() []byte {
	return []byte(`{"calls":[` + strings.Repeat("{},", (maxBody-20)/3) + "{}]}")
}

// manyKeys is one row with a million fields.
func manyKeys() []byte {
	var b strings.Builder
	b.WriteString(`{"calls":[{"id":"keys"`)
	for i := range 1_000_000 {
		fmt.Fprintf(&b, `,"k%06d":0`, i)
	}
	b.WriteString("}]}")
	return []byte(b.String())
}

// fullAnswer has 20 rows in as many bytes as an answer may have.
func fullAnswer() []byte {
	const rows = 20
	var b strings.Builder
	b.WriteString(`{"calls":[`)
	for i := range rows {
		fmt.Fprintf(&b, `{"id":"full-%d","note":"%s"},`, i, strings.Repeat("x", maxBody/rows-100))
	}
	b.WriteString(`{"id":"last"}]}`)
	return []byte(b.String())
}

// most is the most requests that were at upstream at once since the last time.
func (u *Upstream) TakeMaxInFlight() int { return int(u.MaxInFlight.Swap(u.inFlight.Load())) }

// Names are distinct lists: each subset of the statuses that decide nothing, with one that does, or without.
func Names(with string) []string {
	free := []string{"calling", "completed", "initializing", "queued_for_calling"}
	var all []string
	for set := range 1 << len(free) {
		var names []string
		for i, name := range free {
			if set>>i&1 == 1 {
				names = append(names, name)
			}
		}
		if with != "" {
			names = append(names, with)
		}
		if len(names) > 0 {
			all = append(all, strings.Join(names, ","))
		}
	}
	return all
}

func pemOf(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}
