package middleware

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"revox-graphql/internal/errcode"
)

// HostOptions are the names under which clients reach the gateway.
type HostOptions struct {
	// Names beside localhost, 127.0.0.1 and ::1; a port in the request makes no difference.
	Names []string
	// Addresses accepts every IP address. DNS rebinding needs a name, and probes use addresses.
	Addresses bool
	// Unnamed accepts requests without a host, such as health checks by HTTP/1.0. No browser sends such a request.
	Unnamed bool
}

// Hosts accepts requests for this gateway only. A page of another origin can point its own name at the address of this
// machine, and then has the same origin as the gateway to the browser (DNS rebinding). The Host header still has the
// page's name.
func Hosts(opts HostOptions, next http.Handler) http.Handler {
	names := map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true}
	for _, name := range opts.Names {
		names[canonical(name)] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostOf(r.Host)
		known := names[host] || opts.Unnamed && r.Host == ""
		if !known && opts.Addresses {
			_, err := netip.ParseAddr(host)
			known = err == nil
		}
		if !known {
			reject(w, r, http.StatusMisdirectedRequest,
				"The gateway does not serve this host name. Its operator can add names in GATEWAY_HOSTS.",
				map[string]any{"code": errcode.BadUserInput})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostOf returns the host of a Host header, without its port.
func hostOf(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		return canonical(host)
	}
	return canonical(header)
}

// canonical returns the form in which hosts are compared: in lower case, without the final dot of a full name (RFC
// 1034 §3.1), and an address in its shortest form.
func canonical(host string) string {
	host = strings.TrimSuffix(strings.ToLower(bare(host)), ".")
	if address, err := netip.ParseAddr(host); err == nil {
		return address.String()
	}
	return host
}

// bare returns a host without the brackets of an IPv6 address.
func bare(host string) string {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		return strings.TrimSuffix(inner, "]")
	}
	return host
}

// CheckHost returns an error if a name for [HostOptions] is neither an IP address nor a host name.
func CheckHost(name string) error {
	if _, err := netip.ParseAddr(bare(name)); err == nil {
		return nil
	}
	if name == "" || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-._") != "" ||
		strings.ContainsAny(name, "/:*@?# ") {
		return errors.New("must be names like calls.example.com, without scheme, port or path")
	}
	return nil
}
