package servers

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync"
)

// standingProxy passes on what the gateway and upstream send each other. Its connections can be made to stand still:
// they stay open and carry nothing any more, as behind a firewall that has forgotten them. Those made afterwards
// carry.
type StallingProxy struct {
	URL      string // of upstream through it
	target   string
	listener net.Listener
	cancel   context.CancelFunc

	mu      sync.Mutex
	stalled chan struct{} // closed: the connections that have it stand still
	opened  int
}

// startProxy starts a proxy before the server at a URL.
func StartProxy(ctx context.Context, target string) (*StallingProxy, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("the upstream's address: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the proxy finds no port: %w", err)
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
		go carry(ctx, client, server, still)
		go carry(ctx, server, client, still)
	}
}

// carry passes on what one side sends, until it stands still: then it takes and gives nothing, and closes nothing.
func carry(ctx context.Context, to, from net.Conn, still <-chan struct{}) {
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

// stand makes all connections that there are stand still, and returns how many have been opened.
func (p *StallingProxy) Stall() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.stalled)
	p.stalled = make(chan struct{})
	return p.opened
}

func (p *StallingProxy) Stop() {
	p.cancel()
	_ = p.listener.Close()
}
