package compare

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"

	"revox-graphql/test/bench/servers"
)

// ProxyCommand starts the standard library's reverse proxy, which copies responses without reading them: the least
// that a server in front of an upstream adds. Its argument is the URL of the upstream.
const ProxyCommand = "serve-proxy"

// ServeProxy serves the reverse proxy until ctx is done.
func ServeProxy(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s requires a URL", ProxyCommand)
	}
	upstream, err := url.Parse(args[0])
	if err != nil {
		return fmt.Errorf("%s: %w", ProxyCommand, err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // documented
	transport.MaxIdleConnsPerHost = slices.Max(coldConnections())
	return servers.Serve(ctx, &httputil.ReverseProxy{
		Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
	})
}
