package gateway

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A response that is longer than the buffer of net/http arrives in one segment, whether it was executed or cached.
func TestAResponseIsOneSegment(t *testing.T) {
	p := start(t, nil)
	address, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := new(net.Dialer).DialContext(context.WithoutCancel(t.Context()), "tcp", address.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	segments := func() (received uint32) {
		t.Helper()
		err := raw.Control(func(fd uintptr) {
			info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			if err != nil {
				t.Error(err)
				return
			}
			received = info.Data_segs_in
		})
		if err != nil {
			t.Fatal(err)
		}
		return received
	}
	responses := bufio.NewReader(conn)
	for _, kind := range []string{"executed", "cached"} {
		before := segments()
		const body = `{"query": "{ calls(first: 40) { nodes { id status phoneNumber startedAt result endReason } } }"}`
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"graphql", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if err := req.Write(conn); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(responses, req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || len(text) <= 4<<10 || len(text) > 16<<10 {
			t.Fatalf("%s: %d with %d bytes: %v", kind, res.StatusCode, len(text), err)
		}
		if got := segments() - before; got != 1 {
			t.Errorf("the %s response took %d segments", kind, got)
		}
	}
}
