package servers

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync"
)

// StallingProxy forwards bytes between the gateway and the upstream. Its connections can be stalled: they stay open,
// but forward nothing more, as behind a firewall that has lost its state. Connections made later work.
type StallingProxy struct {
	URL      string // of the upstream through the proxy
	target   string
	listener net.Listener
	cancel   context.CancelFunc

	mu      sync.Mutex
	stalled chan struct{} // Stall closes it, which stalls the connections that have it
	opened  int
}

// StartProxy starts a proxy in front of the server at a URL.
func StartProxy(ctx context.Context, target string) (*StallingProxy, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("address of the upstream: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("port of the proxy: %w", err)
	}
	p := &StallingProxy{target: u.Host, listener: listener, stalled: make(chan struct{})}
	u.Host = listener.Addr().String()
	p.URL = u.String()
	ctx, p.cancel = context.WithCancel(ctx)
	go p.accept(ctx)
	return p, nil
}

func (p *StallingProxy) accept(ctx context.Context) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(ctx, "tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		still := p.stalled
		p.opened++
		p.mu.Unlock()
		context.AfterFunc(ctx, func() { _, _ = client.Close(), server.Close() })
		go forward(ctx, client, server, still)
		go forward(ctx, server, client, still)
	}
}

// forward copies the bytes of one side to the other. Once the connection is stalled it reads, writes and closes
// nothing.
func forward(ctx context.Context, to, from net.Conn, still <-chan struct{}) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		select {
		case <-still:
			<-ctx.Done()
			return
		default:
		}
		if err == nil {
			_, err = to.Write(buffer[:n])
		}
		if err != nil {
			_, _ = to.Close(), from.Close()
			return
		}
	}
}

// Stall stalls all open connections, and returns how many have been opened in total.
func (p *StallingProxy) Stall() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.stalled)
	p.stalled = make(chan struct{})
	return p.opened
}

// Stop closes the proxy and its connections.
func (p *StallingProxy) Stop() {
	p.cancel()
	_ = p.listener.Close()
}
