package outbound_test

import (
	"net/netip"
	"testing"

	"bobine/cmd/internal/outbound"
)

// The open internet is allowed; this machine, its networks, cloud metadata
// and every detour to them are not.
func TestOpen(t *testing.T) {
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true,
		"169.254.169.254": false, "::ffff:169.254.169.254": false, "fd00:ec2::254": false, "127.0.0.1": false,
		"0.0.0.0": false, "::": false, "::1": false, "10.0.0.1": false, "100.100.100.200": false,
		"64:ff9b::a9fe:a9fe": false, "2002:a9fe:a9fe::1": false, "192.168.1.1": false, "fe80::1": false, "::ffff:10.0.0.1": false,
	} {
		if got := outbound.Open(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Open(%s) = %v, want %v", addr, got, want)
		}
	}
}
