package door

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// HostOptions say under which names the gateway is reached.
type HostOptions struct {
	// Names beside localhost, 127.0.0.1 and ::1; a port in the request makes no difference.
	Names []string
	// Addresses takes every IP address for a name of the gateway. Rebinding needs a name; probes come by address.
	Addresses bool
}

// Hosts lets in what was meant for this gateway. A foreign page can point its own name at this machine's address and is
// then of the same origin as the gateway, to the browser (DNS rebinding). The Host header still has the page's name.
func Hosts(opts HostOptions, next http.Handler) http.Handler {
	names := map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true}
	for _, name := range opts.Names {
		names[strings.ToLower(bare(name))] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostOf(r.Host)
		known := names[host] || names[strings.ToLower(host)]
		if !known && opts.Addresses {
			_, err := netip.ParseAddr(host)
			known = err == nil
		}
		if !known {
			refuse(w, r, http.StatusMisdirectedRequest,
				"The gateway does not go by this host name. Its operator can add names in GATEWAY_HOSTS.", map[string]any{"code": badUserInput})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostOf is a Host header without its port.
func hostOf(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		return host
	}
	return bare(header)
}

// bare is a host without the brackets of an IPv6 address.
func bare(host string) string {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		return strings.TrimSuffix(inner, "]")
	}
	return host
}

// CheckHost says what is wrong with a name for [HostOptions].
func CheckHost(name string) error {
	if _, err := netip.ParseAddr(bare(name)); err == nil {
		return nil
	}
	if name == "" || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-._") != "" || strings.ContainsAny(name, "/:*@?# ") {
		return errors.New("must be names like calls.example.com, without scheme, port or path")
	}
	return nil
}
