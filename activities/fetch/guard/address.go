package guard

import "net/netip"

// notPublic are the networks that no host of the internet lives in: those of RFC 6890 and its updates, and what clouds
// serve their metadata and credentials from.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"168.63.129.16/32", // Azure's WireServer, the one metadata service with a public address
	"::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
	"fec0::/10", "ff00::/8",
)

// embedding are the networks whose addresses carry one of IPv4, and at which byte: a gateway takes what is sent there
// to the inner address.
var embedding = map[netip.Prefix]int{
	netip.MustParsePrefix("::/96"):           12, // IPv4-compatible
	netip.MustParsePrefix("::ffff:0:0:0/96"): 12, // IPv4-translated
	netip.MustParsePrefix("64:ff9b::/96"):    12, // NAT64
	netip.MustParsePrefix("2002::/16"):       2,  // 6to4
}

func prefixes(all ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(all))
	for i, p := range all {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// public reports whether an address, and any that it carries inside, belongs to the internet at large.
func public(at netip.Addr) bool {
	at = at.Unmap().WithZone("")
	for _, p := range notPublic {
		if p.Contains(at) {
			return false
		}
	}
	for p, from := range embedding {
		if p.Contains(at) {
			raw := at.As16()
			return public(netip.AddrFrom4([4]byte(raw[from : from+4])))
		}
	}
	return at.IsValid()
}
