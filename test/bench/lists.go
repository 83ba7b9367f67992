package main

import (
	"context"
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
)

// loadedUpstream is the fake, and beside it lists that it does not have. The list without statuses is the fake's, and a
// normal client's; those with statuses are for attacks: so there are distinct lists, and many attacks run at once.
type loadedUpstream struct {
	upstream
	certificate string // the file with it, where it speaks TLS; else empty

	requests, inFlight, mostInFlight atomic.Int64
	refuse                           atomic.Pointer[http.Header]  // what the next request for such a list is a 429 with
	bodies                           [hostileBodies]func() []byte // made when they are needed
}

// The lists, by the statuses that are asked for.
const (
	hostileStatus = "errored"   // no list at all
	hangingStatus = "cancelled" // never an answer
	largeStatus   = "scheduled" // rows of largeRow
	slowList      = "calling"   // as the others, but it takes slowListLatency
)

// Sizes of what is served beside the fake's list.
const (
	listRows        = 40_000    // of each list
	mediumRow       = 20 << 10  // bytes of transcript: the largest of usual ones
	largeRow        = 128 << 10 // 100 of them are nearly as much as an answer of upstream may have
	upstreamMost    = 16 << 20
	slowListLatency = 100 * time.Millisecond
	hostileBodies   = 3
)

// startLoadedUpstream serves it over HTTP, or over TLS, where a client may choose HTTP/2.
func startLoadedUpstream(dir string, tls bool) (*loadedUpstream, error) {
	u := &loadedUpstream{}
	u.upstream.Upstream = newList()
	u.bodies = [hostileBodies]func() []byte{
		sync.OnceValue(emptyRows), sync.OnceValue(manyKeys), sync.OnceValue(fullAnswer),
	}
	server := httptest.NewUnstartedServer(u)
	if server.EnableHTTP2 = tls; tls {
		server.StartTLS()
		u.certificate = dir + "/upstream.pem"
		if err := os.WriteFile(u.certificate, pemOf(server.Certificate()), 0o600); err != nil {
			server.Close()
			return nil, fmt.Errorf("the upstream's certificate: %w", err)
		}
	} else {
		server.Start()
	}
	u.url = server.URL + "/api"
	u.stop = func() {
		server.CloseClientConnections()
		_ = server.Listener.Close()
	}
	return u, nil
}

// ServeHTTP implements [http.Handler].
func (u *loadedUpstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.requests.Add(1)
	n := u.inFlight.Add(1)
	answering := sync.OnceFunc(func() { u.inFlight.Add(-1) })
	defer answering() // or before the answer is written: who has read it may ask again
	for most := u.mostInFlight.Load(); n > most && !u.mostInFlight.CompareAndSwap(most, n); {
		most = u.mostInFlight.Load()
	}
	query := r.URL.Query()
	statuses := query.Get("statuses")
	if statuses == "" {
		answering()
		u.upstream.Upstream.ServeHTTP(w, r)
		return
	}
	if header := u.refuse.Swap(nil); header != nil {
		maps.Copy(w.Header(), *header)
		http.Error(w, `{"error":{}}`, http.StatusTooManyRequests)
		return
	}
	if statuses == slowList { // a client that leaves does not end what it has begun here
		_ = pass(context.WithoutCancel(r.Context()), slowListLatency)
	}
	switch {
	case strings.Contains(statuses, hangingStatus):
		<-r.Context().Done()
	case strings.Contains(statuses, hostileStatus):
		answering()
		send(w, u.bodies[strings.Count(statuses, ",")%hostileBodies]())
	default:
		page, _ := strconv.Atoi(query.Get("page"))
		size, _ := strconv.Atoi(query.Get("page_size"))
		row := mediumRow
		if strings.Contains(statuses, largeStatus) {
			row = largeRow
		}
		body := listPageOf(statuses, page*size, size, row)
		answering()
		send(w, body)
	}
}

func send(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) //nolint:gosec // a client that has gone is no news, and it is no browser
}

// listID is the id of a row of a list with statuses.
func listID(statuses string, place int) string { return statuses + "-" + strconv.Itoa(place) }

// spoken is what every row has said, of which each takes as much as it needs. No character of it is escaped.
var spoken = sync.OnceValue(func() string { return strings.Repeat("what was said to the agent ", largeRow/27+1) })

// listPageOf is a page of a list, whose rows have so many bytes of transcript.
func listPageOf(statuses string, from, size, row int) []byte {
	end := min(from+size, listRows)
	body := make([]byte, 0, 64+max(0, end-from)*(row+256))
	body = append(body, `{"calls":[`...)
	for i := from; i < end; i++ {
		if i > from {
			body = append(body, ',')
		}
		body = append(body, `{"id":"`...)
		body = append(body, listID(statuses, i)...)
		body = append(body, `","status":"completed","phone_number":"+33100000000","structured_output":{"a":1},`...)
		body = append(body, `"transcript":[{"role":"user","content":"`...)
		body = append(body, spoken()[:row]...)
		body = append(body, `"}]}`...)
	}
	return append(body, "]}"...)
}

// emptyRows are as many rows without anything as an answer may have: 5.6 million.
func emptyRows() []byte {
	return []byte(`{"calls":[` + strings.Repeat("{},", (upstreamMost-20)/3) + "{}]}")
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
		fmt.Fprintf(&b, `{"id":"full-%d","note":"%s"},`, i, strings.Repeat("x", upstreamMost/rows-100))
	}
	b.WriteString(`{"id":"last"}]}`)
	return []byte(b.String())
}

// most is the most requests that were at upstream at once since the last time.
func (u *loadedUpstream) most() int { return int(u.mostInFlight.Swap(u.inFlight.Load())) }

// lists are distinct lists: each subset of the statuses that decide nothing, with one that does, or without.
func lists(with string) []string {
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

// listQuestion asks for calls of a list.
func listQuestion(statuses, arguments, selection string) []byte {
	if statuses != "" {
		arguments += ", statuses: [" + strings.ToUpper(statuses) + "]"
	}
	return encodeQuestion(fmt.Sprintf("{ calls(%s) { %s } }", arguments, selection), nil)
}
