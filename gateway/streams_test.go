package gateway

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// windowless is a connection over HTTP/2 that gives its streams no window, so no byte of a response's body can be sent.
type windowless struct {
	conn   net.Conn
	framer *http2.Framer
	block  bytes.Buffer
	next   uint32 // id of a stream
	// most is how many streams it may have at once, as the server says.
	most uint32
}

func newWindowless(t *testing.T, p *program) *windowless {
	t.Helper()
	conn, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	w := &windowless{conn: conn, framer: http2.NewFramer(conn, conn), next: 1}
	_, err = io.WriteString(conn, http2.ClientPreface)
	if err == nil {
		err = w.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	}
	if err != nil {
		t.Fatal(err)
	}
	settings := w.await(t, func(f http2.Frame) bool {
		s, ok := f.(*http2.SettingsFrame)
		return ok && !s.IsAck()
	}).(*http2.SettingsFrame)
	w.most, _ = settings.Value(http2.SettingMaxConcurrentStreams)
	return w
}

// await reads frames until one of a kind.
func (w *windowless) await(t *testing.T, wanted func(http2.Frame) bool) http2.Frame {
	t.Helper()
	for {
		frame, err := w.framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if wanted(frame) {
			return frame
		}
	}
}

// ask opens a stream, and waits for the header of the response.
func (w *windowless) ask(t *testing.T, path string) (stream uint32) {
	t.Helper()
	stream, w.next = w.next, w.next+2
	w.block.Reset()
	encoder := hpack.NewEncoder(&w.block)
	for _, field := range [][2]string{
		{":method", "GET"}, {":scheme", "http"}, {":authority", "localhost"}, {":path", path},
	} {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	err := w.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: w.block.Bytes(), EndStream: true, EndHeaders: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.await(t, func(f http2.Frame) bool {
		_, ok := f.(*http2.HeadersFrame)
		return ok && f.Header().StreamID == stream
	})
	return stream
}

// Streams whose responses cannot be sent are bounded, for a connection and for all. Those are cut off whose clients
// have
// read nothing for longest, and others get responses as before.
func TestStreamsWithoutWindow(t *testing.T) {
	const most = 40 // twice as many as may be inside
	p := start(t, map[string]string{"GATEWAY_MAX_CONCURRENT_REQUESTS": "20"})
	for _, path := range []string{"/graphql?query={__typename}", "/schema.graphqls", "/metrics", "/"} {
		first, second := newWindowless(t, p), newWindowless(t, p)
		if first.most != 100 {
			t.Errorf("%d streams a connection", first.most)
		}
		oldest := first.ask(t, path)
		for i := range most {
			[]*windowless{first, second}[i%2].ask(t, path)
		}
		first.await(t, func(f http2.Frame) bool {
			_, ok := f.(*http2.RSTStreamFrame)
			return ok && f.Header().StreamID == oldest
		})
		client := overHTTP2(t)
		resp, err := client.Get(p.url + "graphql?query={__typename}")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !strings.Contains(string(body), `"Query"`) {
			t.Errorf("others get %s, %v", body, err)
		}
		_ = first.conn.Close()
		_ = second.conn.Close()
	}
	until(t, "streams cut off are counted", func() bool { return p.metric(t, "streams_reset_total") != "0" })
	until(t, "requests cut off are counted as such", func() bool {
		return p.metric(t, `requests_total{code="CLIENT_TOO_SLOW",operation="(anonymous)"}`) != "none"
	})
}
