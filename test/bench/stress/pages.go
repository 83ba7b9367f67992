package stress

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/test/bench/lists"
	"revox-graphql/test/bench/load"
	"revox-graphql/test/bench/servers"
)

// loadWalks walks down distinct lists with large pages, and selects only ids: each response is small, but a cache that
// keeps the response's page takes much memory.
func loadWalks(ctx context.Context, s *target) error {
	const calls = 20
	all := lists.Names("")
	after := make([]string, len(all))
	var t outcomes
	s.each(ctx, len(all), func(client *http.Client, i, _ int) error {
		arguments := fmt.Sprintf("first: %d", calls)
		if after[i] != "" {
			arguments += fmt.Sprintf(", after: %q", after[i])
		}
		payload := listRequest(all[i], arguments, "nodes { id } pageInfo { hasNextPage endCursor }")
		var a *load.Connection
		for range 2 { // the second response comes from memory
			body, err := load.Post(ctx, client, s.Gateway.URL+"graphql", payload)
			if err != nil {
				body = []byte(err.Error()) // which contains the code of a rejection
			} else if a, err = load.ReadCalls(body); err == nil && len(a.Nodes) != calls {
				err = fmt.Errorf("%d calls, want %d", len(a.Nodes), calls)
			}
			if _ = t.add(ctx, response{status: http.StatusOK, code: load.ErrorCode(body), err: err}); err != nil {
				return err
			}
		}
		if after[i] = a.PageInfo.EndCursor; !a.PageInfo.HasNextPage {
			after[i] = ""
		}
		return nil
	})
	s.note("%d lists: %s", len(all), &t)
	return nil
}

// loadDisconnects requests pages that are not in memory, and disconnects before the response. The gateway must not
// begin the next upstream request before an abandoned one frees its slot.
func loadDisconnects(ctx context.Context, s *target) error {
	const patience, wanted = 5 * time.Millisecond, 32 // GATEWAY_UPSTREAM_CONCURRENCY
	began, before := time.Now(), s.up.Requests.Load()
	var results outcomes
	id := func(position int) string { return lists.ID(lists.Slow, position) }
	cursors, err := s.cursors(ctx, lists.Slow, id)
	for err != nil && ctx.Err() == nil { // other loads may delay it
		_ = servers.Sleep(ctx, 100*time.Millisecond)
		cursors, err = s.cursors(ctx, lists.Slow, id)
	}
	s.each(ctx, 8, func(client *http.Client, _, _ int) error {
		brief, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		arguments := fmt.Sprintf("first: 5, after: %q", cursors(10+random(lists.Rows-50)))
		payload := listRequest(lists.Slow, arguments, "nodes { id }")
		_ = results.add(ctx, s.send(brief, client, request{body: payload}))
		return nil
	})
	perSecond := float64(s.up.Requests.Load()-before) / time.Since(began).Seconds()
	s.note("%s; %.0f upstream requests per second", &results, perSecond)
	if most := int(s.up.MaxInFlight.Load()); most > wanted {
		return fmt.Errorf("%d concurrent upstream requests, and %d are allowed", most, wanted)
	}
	return nil
}

// cursors returns a function that makes cursors of a list by position. id returns the ID of the call at a position. A
// list without statuses is the normal client's. They are derived from the cursor of a response, so that the gateway
// accepts them as its own.
func (s *target) cursors(
	ctx context.Context, statuses string, id func(int) string,
) (func(position int) string, error) {
	body, err := load.Post(ctx, s.Client, s.Gateway.URL+"graphql",
		listRequest(statuses, "first: 10", "nodes { id } pageInfo { hasNextPage endCursor }"))
	if err != nil {
		return nil, err
	}
	a, err := load.ReadCalls(body)
	if err != nil {
		return nil, err
	}
	known, err := relay.ParseCursor(a.PageInfo.EndCursor)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", a.PageInfo.EndCursor, err)
	}
	return func(position int) string {
		c := known
		c.Position, c.Element, c.Started = position, relay.NewHash(id(position)), 0
		c.Before, c.After = nil, nil
		for i := 1; i <= relay.Neighbours; i++ {
			c.After = append(c.After, relay.NewHash(id(position+i)))
			c.Before = append(c.Before, relay.NewHash(id(position-i)))
		}
		return c.String()
	}, nil
}

// loadForged sends cursors of calls that are in no list, ten per document: the gateway searches for the call of each.
func loadForged(ctx context.Context, s *target) error {
	var t outcomes
	s.each(ctx, 4, func(client *http.Client, _, _ int) error {
		var b strings.Builder
		b.WriteString("{")
		for i := range 10 {
			c := relay.Cursor{Position: random(len(s.ids)), Since: time.Now(), Element: relay.Hash(random(1 << 40))}
			fmt.Fprintf(&b, " a%d: calls(first: 10, after: %q) { nodes { id } }", i, c)
		}
		b.WriteString(" }")
		return t.add(ctx, s.send(ctx, client, request{body: load.EncodeRequest(b.String(), nil)}))
	})
	s.note("%s", &t)
	return t.cut
}

// loadNoCache requests the newest page without a cache, in a loop.
func loadNoCache(ctx context.Context, s *target) error {
	var t outcomes
	s.each(ctx, 4, func(client *http.Client, _, turn int) error {
		payload := load.EncodeRequest(fmt.Sprintf("{ calls(first: %d) { nodes { id } } }", 1+turn%100), nil)
		header := map[string]string{"Cache-Control": "no-cache"}
		return t.add(ctx, s.send(ctx, client, request{body: payload, header: header}))
	})
	s.note("%s", &t)
	return t.cut
}

// loadHanging requests pages to which the upstream never responds, 60 per second.
func loadHanging(ctx context.Context, s *target) error {
	const perSecond = 60
	var t outcomes
	var all sync.WaitGroup
	for ctx.Err() == nil {
		all.Go(func() {
			_ = t.add(ctx, s.send(ctx, s.Client, request{body: listRequest(lists.Hanging, "first: 20", "nodes { id }")}))
		})
		_ = servers.Sleep(ctx, time.Second/perSecond)
	}
	all.Wait()
	s.note("%s", &t)
	return nil
}

// loadSiblings requests nine windows of distinct large pages in a document, and a tenth page to which the upstream
// never responds: while the document waits for that, its other pages are in memory. Each page is just too small to be
// read alone.
func loadSiblings(ctx context.Context, s *target) error {
	const workers, windows, calls = 100, 9, 6 // with the rows that are read beside them, 1.7 MB for each window
	const apart = 150 * time.Millisecond      // starts of two workers: together they would fill the queue for upstream
	cursors, err := s.cursors(ctx, lists.Large, func(position int) string { return lists.ID(lists.Large, position) })
	if err != nil {
		return err
	}
	var t outcomes
	s.each(ctx, workers, func(client *http.Client, worker, turn int) error {
		if turn == 0 {
			_ = servers.Sleep(ctx, time.Duration(worker)*apart)
		}
		var b strings.Builder
		for i := range windows {
			fmt.Fprintf(&b, " a%d: calls(first: %d, after: %q, statuses: [%s]) { nodes { id } }",
				i, calls, cursors(10+random(lists.Rows-50)), strings.ToUpper(lists.Large))
		}
		fmt.Fprintf(&b, " z: calls(first: 20, statuses: [%s]) { nodes { id } }", strings.ToUpper(lists.Hanging))
		return t.add(ctx, s.send(ctx, client, request{body: load.EncodeRequest("{"+b.String()+" }", nil)}))
	})
	s.note("%s", &t)
	return nil
}

// loadHostile requests lists whose pages are not lists.
func loadHostile(ctx context.Context, s *target) error {
	all := lists.Names(lists.Hostile)
	var t outcomes
	s.each(ctx, 6, func(client *http.Client, worker, turn int) error {
		payload := listRequest(all[(worker+turn)%len(all)], fmt.Sprintf("first: %d", 10+turn%7), "nodes { id extra }")
		return t.add(ctx, s.send(ctx, client, request{body: payload}))
	})
	s.note("%s", &t)
	return t.cut
}

// loadForward sends requests with 400 keys that the upstream rejects.
func loadForward(ctx context.Context, s *target) error {
	var t outcomes
	s.each(ctx, 16, func(client *http.Client, _, turn int) error {
		header := map[string]string{"Authorization": fmt.Sprintf("Bearer made-up-%d", random(400))}
		payload := load.EncodeRequest(fmt.Sprintf("{ calls(first: %d) { nodes { id } } }", 1+turn%20), nil)
		return t.add(ctx, s.send(ctx, client, request{body: payload, header: header}))
	})
	s.note("%s", &t)
	return t.cut
}

// loadRetryAfter lets the upstream reject one request with a Retry-After of eleven days.
func loadRetryAfter(ctx context.Context, s *target) error {
	s.up.RefuseNext.Store(&http.Header{"Retry-After": {"1000000"}})
	r := s.send(ctx, s.Client, request{body: listRequest("completed", "first: 20", "nodes { id }")})
	s.note("its response was %s", r.code)
	<-ctx.Done()
	return nil
}

// loadStalled stalls the connections to the upstream twice.
func loadStalled(ctx context.Context, s *target) error {
	deadline, _ := ctx.Deadline()
	half := time.Until(deadline) / 2
	first := s.proxy.Stall()
	_ = servers.Sleep(ctx, half)
	second := s.proxy.Stall()
	<-ctx.Done()
	s.note("connections: %d, then %d", first, second)
	return nil
}

// Bandwidths of honest clients of large responses.
const (
	lineRate     = 2 << 20 // bytes per second
	slowLineRate = 50_000
	largeClients = 40
)

// loadLarge requests many large responses at once: 64 of about 10 MB each, read at full speed; 40 of up to 59 MiB,
// which honest clients read at 2 MiB per second; and one that is read at 50 kB per second. None may be cut off. Honest
// clients request only what they can read in the given time.
func loadLarge(ctx context.Context, s *target) error {
	all := lists.Names(lists.Large)
	document := func(statuses string, first, copies int) []byte {
		var b strings.Builder
		for i := range copies {
			fmt.Fprintf(&b, " a%d: transcript { content }", i)
		}
		return listRequest(statuses, fmt.Sprintf("first: %d", first), "nodes { id"+b.String()+" }")
	}
	// Honest clients read each begun response to its end, also when the time is over.
	deadline, _ := ctx.Deadline()
	seconds := max(1, int(time.Until(deadline).Seconds()))
	const calls, mostCopies = 25, 19 // of 128 KiB: 59 MiB
	most := max(1, min(mostCopies, seconds*lineRate/(calls*lists.LargeRow)))
	patient, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(endTimeout/2))
	defer cancel()
	var fast, honest outcomes
	var clients sync.WaitGroup
	for i := range largeClients {
		clients.Go(func() {
			client := load.NewClient()
			defer client.CloseIdleConnections()
			client.Timeout = 0
			copies := max(1, most-i%15)
			for turn := 0; ctx.Err() == nil; turn++ {
				statuses := all[(i+turn)%len(all)]
				r := s.read(patient, client, document(statuses, calls, copies), lineRate)
				if honest.add(patient, r) != nil || r.code != "" {
					_ = servers.Sleep(ctx, retryAfter(r))
				}
			}
		})
	}
	clients.Go(func() {
		client := load.NewClient()
		defer client.CloseIdleConnections()
		client.Timeout = 0
		first := max(1, min(100, seconds*slowLineRate/lists.LargeRow)) // as much as it can read in the given time
		for ctx.Err() == nil {
			r := s.read(patient, client, document(lists.Large, first, 1), slowLineRate)
			if honest.add(patient, r) != nil || r.code != "" {
				_ = servers.Sleep(ctx, retryAfter(r))
			}
		}
	})
	s.each(ctx, 64, func(client *http.Client, worker, _ int) error {
		r := s.send(ctx, client, request{body: document(all[worker%len(all)], calls+worker/len(all), 3)})
		err := fast.add(ctx, r)
		if r.code != "" {
			err = errors.New(r.code)
		}
		return err
	})
	clients.Wait()
	s.note("honest: %s, %d MB; at full speed: %s, %d MB", &honest, honest.bytes/1e6, &fast, fast.bytes/1e6)
	return errors.Join(honest.none, honest.cut, fast.cut)
}

// retryAfter returns how long a rejected client waits.
func retryAfter(r response) time.Duration {
	seconds, _ := strconv.Atoi(r.header.Get("Retry-After"))
	return time.Duration(min(max(seconds, 1), 10)) * time.Second
}

// read sends a request, and reads the response at so many bytes per second. All of it must arrive, and end like JSON.
func (s *target) read(ctx context.Context, client *http.Client, payload []byte, perSecond int) (r response) {
	url := s.Gateway.URL + "graphql"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(payload))
	if err != nil {
		return response{err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return response{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	r = response{status: resp.StatusCode, header: resp.Header}
	chunk := make([]byte, max(4<<10, perSecond/20))
	var start []byte
	var last byte
	for began := time.Now(); ; {
		n, err := resp.Body.Read(chunk)
		r.bytes += int64(n)
		start = append(start, chunk[:min(n, shortResponse-len(start))]...)
		if n > 0 {
			last = chunk[n-1]
		}
		if errors.Is(err, io.EOF) { // not io.ErrUnexpectedEOF
			break
		}
		if err == nil {
			due := began.Add(time.Duration(float64(r.bytes) / float64(perSecond) * float64(time.Second)))
			err = servers.Sleep(ctx, time.Until(due))
		}
		if err != nil {
			r.err = err
			return r
		}
	}
	r.code = load.ErrorCode(start)
	if last != '}' && last != '\n' {
		r.err = fmt.Errorf("the response is incomplete JSON: %w", io.ErrUnexpectedEOF)
	}
	return r
}

// loadLists sends long lists of keys and of IDs in variables.
func loadLists(ctx context.Context, s *target) error {
	const room = 250_000 // bytes
	var t outcomes
	payload := func(query string, length int) []byte {
		list := make([]string, 0, room/(length+3))
		for i := range cap(list) {
			list = append(list, fmt.Sprintf("%0*d", length, random(1<<20)*100+i%100))
		}
		body, err := json.Marshal(map[string]any{"query": query, "variables": map[string]any{"list": list}})
		if err != nil {
			panic(err) // strings can always be encoded
		}
		return body
	}
	s.each(ctx, 40, func(client *http.Client, worker, _ int) error {
		query := "query ($list: [String!]) { calls(first: 20) { nodes { id structuredOutput(keys: $list) } } }"
		if worker%2 == 1 {
			query = "query ($list: [ID!]!) { nodes(ids: $list) { id } }"
		}
		return t.add(ctx, s.send(ctx, client, request{body: payload(query, 9+worker%3)}))
	})
	s.note("%s", &t)
	return t.cut
}

// listRequest returns a request for calls of a list.
func listRequest(statuses, arguments, selection string) []byte {
	if statuses != "" {
		arguments += ", statuses: [" + strings.ToUpper(statuses) + "]"
	}
	return load.EncodeRequest(fmt.Sprintf("{ calls(%s) { %s } }", arguments, selection), nil)
}
