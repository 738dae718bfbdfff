// Package outbound makes the HTTP clients that follow URLs of strangers: they
// reach the open internet and nothing inside.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// Transport reaches the open internet only: a URL must not be a way to this
// machine, its network or its instance's credentials. The address is judged
// after name resolution, at every connection and so at every redirect. Hosts
// in allow, as they stand in a URL, are exempt. Connections are not kept.
func Transport(allow []string) *http.Transport {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := net.Dialer{Timeout: 10 * time.Second, ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
			host, _, err := net.SplitHostPort(addr)
			if err != nil || slices.Contains(allow, host) {
				return err
			}
			ap, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return err
			}
			if !Open(ap.Addr()) {
				return fmt.Errorf("%s is an inner address (%s): name it under sources.allow_hosts if it is meant", host, ap.Addr())
			}
			return nil
		}}
		return d.DialContext(ctx, network, addr)
	}
	// No proxy: behind one, only the proxy's address would be judged.
	return &http.Transport{Proxy: nil, DialContext: dial, ResponseHeaderTimeout: time.Minute, DisableKeepAlives: true}
}

// Redirect is for http.Client.CheckRedirect: three are followed, and none to a
// host of allow but from itself. Who may name one inner host, or none, may not
// be led to another.
func Redirect(allow []string) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("more than 3 redirects")
		}
		if host := req.URL.Hostname(); slices.Contains(allow, host) && via[0].URL.Hostname() != host {
			return fmt.Errorf("a redirect from %s to %s, which is an inner host", via[0].URL.Hostname(), host)
		}
		return nil
	}
}

// closed are the networks that are not the open internet although the
// standard library's own tests say nothing of them.
var closed = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4",
	"64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")

func prefixes(all ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(all))
	for i, s := range all {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// Open tells whether an address is of the open internet.
func Open(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	return !slices.ContainsFunc(closed, func(p netip.Prefix) bool { return p.Contains(a) })
}
