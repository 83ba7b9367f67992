// Package lists is an upstream with further lists for load tests: distinct, large, slow, hostile and hanging ones.
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

// Upstream is the fake with further lists. The list without statuses is the fake's, for a normal client. Those with
// statuses are for load tests: so there are many distinct lists, and several loads can run at once.
type Upstream struct {
	servers.Upstream
	Certificate string // the path of its file with TLS, else empty

	Requests, MaxInFlight, inFlight atomic.Int64
	RefuseNext                      atomic.Pointer[http.Header]  // of a 429 to the next request; nil: none
	bodies                          [hostileBodies]func() []byte // made at first use
}

// The statuses that decide what a list contains. Other statuses make it a distinct list with mediumRow bytes per row.
const (
	Hostile = "errored"   // not a list
	Hanging = "cancelled" // never a response
	Large   = "scheduled" // rows of LargeRow bytes
	Slow    = "calling"   // delayed by slowListLatency
)

// Sizes of the further lists.
const (
	Rows            = 40_000    // of each list
	mediumRow       = 20 << 10  // bytes of transcript: the largest usual one
	LargeRow        = 128 << 10 // 100 of them nearly fill a response of the upstream
	maxBody         = 16 << 20
	slowListLatency = 100 * time.Millisecond
	hostileBodies   = 3
)

// Start serves the upstream over HTTP, or over TLS, where a client may choose HTTP/2. It writes the certificate to dir.
func Start(dir string, tls bool) (*Upstream, error) {
	u := &Upstream{}
	u.Upstream.Upstream = servers.NewList()
	u.bodies = [hostileBodies]func() []byte{
		sync.OnceValue(emptyRows), sync.OnceValue(manyKeys), sync.OnceValue(fullBody),
	}
	server := httptest.NewUnstartedServer(u)
	if server.EnableHTTP2 = tls; tls {
		server.StartTLS()
		u.Certificate = dir + "/upstream.pem"
		if err := os.WriteFile(u.Certificate, pemOf(server.Certificate()), 0o600); err != nil {
			server.Close()
			return nil, fmt.Errorf("certificate of the upstream: %w", err)
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
	finished := sync.OnceFunc(func() { u.inFlight.Add(-1) })
	defer finished() // at the latest: a client may send its next request before the handler returns
	for most := u.MaxInFlight.Load(); n > most && !u.MaxInFlight.CompareAndSwap(most, n); {
		most = u.MaxInFlight.Load()
	}
	query := r.URL.Query()
	statuses := query.Get("statuses")
	if statuses == "" {
		finished()
		u.Upstream.ServeHTTP(w, r)
		return
	}
	if header := u.RefuseNext.Swap(nil); header != nil {
		maps.Copy(w.Header(), *header)
		http.Error(w, `{"error":{}}`, http.StatusTooManyRequests)
		return
	}
	if statuses == Slow { // a client that leaves does not end its request here
		_ = servers.Sleep(context.WithoutCancel(r.Context()), slowListLatency)
	}
	switch {
	case strings.Contains(statuses, Hanging):
		<-r.Context().Done()
	case strings.Contains(statuses, Hostile):
		finished()
		send(w, u.bodies[strings.Count(statuses, ",")%hostileBodies]())
	default:
		page, _ := strconv.Atoi(query.Get("page"))
		size, _ := strconv.Atoi(query.Get("page_size"))
		row := mediumRow
		if strings.Contains(statuses, Large) {
			row = LargeRow
		}
		content := body(statuses, page*size, size, row)
		finished()
		send(w, content)
	}
}

func send(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) //nolint:gosec // the client may have left, and is not a browser
}

// ID returns the ID of a row of a list with statuses.
func ID(statuses string, place int) string { return statuses + "-" + strconv.Itoa(place) }

// spoken is the text of a transcript, long enough for every row. JSON escapes none of its characters.
var spoken = sync.OnceValue(func() string { return strings.Repeat("what was said to the agent ", LargeRow/27+1) })

// body returns a page of a list. Each row has a transcript of so many bytes.
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

// emptyRows returns as many empty rows as fit in a response: 5.6 million.
func emptyRows() []byte {
	return []byte(`{"calls":[` + strings.Repeat("{},", (maxBody-20)/3) + "{}]}")
}

// manyKeys returns one row with a million fields.
func manyKeys() []byte {
	var b strings.Builder
	b.WriteString(`{"calls":[{"id":"keys"`)
	for i := range 1_000_000 {
		fmt.Fprintf(&b, `,"k%06d":0`, i)
	}
	b.WriteString("}]}")
	return []byte(b.String())
}

// fullBody returns 20 rows that fill a response.
func fullBody() []byte {
	const rows = 20
	var b strings.Builder
	b.WriteString(`{"calls":[`)
	for i := range rows {
		fmt.Fprintf(&b, `{"id":"full-%d","note":"%s"},`, i, strings.Repeat("x", maxBody/rows-100))
	}
	b.WriteString(`{"id":"last"}]}`)
	return []byte(b.String())
}

// TakeMaxInFlight returns the greatest number of concurrent requests since its last call.
func (u *Upstream) TakeMaxInFlight() int { return int(u.MaxInFlight.Swap(u.inFlight.Load())) }

// Names returns the statuses of distinct lists: each subset of four statuses, and the given status with each. Without
// a given status, one of the lists is Slow.
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
