package expr

import (
	"net/netip"
	"strconv"
	"strings"
)

// Hosts that are always known, and what they are.
var defaultHosts = map[string]string{
	"github.com":    "github",
	"gitlab.com":    "gitlab",
	"bitbucket.org": "bitbucketCloud",
	"dev.azure.com": "azure",
}

var requiredParts = map[string][]string{
	"bitbucketCloud":  {"workspace", "project", "repo"},
	"bitbucketServer": {"project", "repo"},
	"azure":           {"project", "repo"},
	"gitlab":          {"owner", "repo"},
	"gitea":           {"repo"},
	"gerrit":          {"repo"},
}

// ParseRepoURL reads host?owner=o&repo=r, the form of Backstage's repository picker, into an object of host, owner, repo,
// organization, workspace and project; what is not given is Undefined. hosts adds to the known integrations: host, with
// port if any, to type.
func ParseRepoURL(repoURL string, hosts map[string]string) (*Object, error) {
	u, ok := parseWebURL("https://" + repoURL)
	if !ok {
		return nil, reasonf("Invalid repo URL passed to publisher, got %s, TypeError: Invalid URL", repoURL)
	}
	kind, ok := hosts[u.host]
	if !ok {
		kind, ok = defaultHosts[u.host]
	}
	if !ok {
		return nil, reasonf("No matching integration configuration for host %s, please check your integrations config", u.host)
	}
	required, ok := requiredParts[kind]
	if !ok {
		required = []string{"repo", "owner"}
	}
	out := NewObject("host", u.host)
	for _, name := range []string{"owner", "repo", "organization", "workspace", "project"} {
		out.Set(name, Undefined)
		if value, given := u.param(name); given {
			out.Set(name, strings.Trim(value, "/"))
		}
	}
	if project, _ := out.Get("project"); kind == "gitlab" && Truthy(project) {
		required = nil
	}
	for _, name := range required {
		if value, _ := u.param(name); value == "" {
			return nil, reasonf("Invalid repo URL passed to publisher: %s, missing %s", u, name)
		}
	}
	return out, nil
}

// webURL is an https URL as browsers and Node read it (the WHATWG's rules), as far as repository URLs need it.
type webURL struct{ host, path, query, fragment string }

func parseWebURL(text string) (webURL, bool) {
	text = strings.TrimFunc(text, func(r rune) bool { return r <= ' ' })
	text = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(text)
	text = strings.TrimLeft(text[len("https:"):], `/\`)
	var u webURL
	text, u.fragment, _ = strings.Cut(text, "#")
	text, u.query, _ = strings.Cut(text, "?")
	authority := text
	if i := strings.IndexAny(text, `/\`); i >= 0 {
		authority, u.path = text[:i], strings.ReplaceAll(text[i:], `\`, "/")
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host, port = authority[:i], authority[i+1:]
	}
	var ok bool
	if u.host, ok = webHost(host); !ok {
		return u, false
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || port[0] == '+' {
			return u, false
		}
		if n != 443 {
			u.host += ":" + strconv.FormatUint(n, 10)
		}
	}
	return u, true
}

func webHost(host string) (string, bool) {
	if strings.HasPrefix(host, "[") {
		address, err := netip.ParseAddr(strings.TrimSuffix(host[1:], "]"))
		if err != nil || !address.Is6() || address.Zone() != "" || !strings.HasSuffix(host, "]") {
			return "", false
		}
		return "[" + address.String() + "]", true
	}
	// Only ASCII is folded: no other letter may become one of a host that is configured, as U+0130 would become i and U+212A k.
	host = strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, unescapePercent(host))
	if host == "" || strings.ContainsAny(host, "\x00\t\n\r #/:<>?@[\\]^|%\x7f") || strings.ContainsFunc(host, func(r rune) bool { return r < ' ' }) {
		return "", false
	}
	return webIPv4(host)
}

// webIPv4 makes an address of a host whose last part is a number, as in 127.1 or 0x7f000001; other hosts stay.
func webIPv4(host string) (string, bool) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := parts[len(parts)-1]
	if _, ok := webNumber(last); !ok && (last == "" || digitRun(last, 10) != len(last)) {
		return host, true
	}
	if len(parts) > 4 {
		return "", false
	}
	var address uint64
	for i, part := range parts {
		n, ok := webNumber(part)
		if !ok {
			return "", false
		}
		if i < len(parts)-1 {
			if n > 255 {
				return "", false
			}
			address |= n << (24 - 8*i)
		} else {
			if n >= 1<<(8*(5-len(parts))) {
				return "", false
			}
			address |= n
		}
	}
	return netip.AddrFrom4([4]byte{byte(address >> 24), byte(address >> 16), byte(address >> 8), byte(address)}).String(), true
}

func webNumber(s string) (uint64, bool) {
	if s == "" {
		return 0, false
	}
	base := 10
	switch {
	case strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X"):
		base, s = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base, s = 8, s[1:]
	}
	if s == "" {
		return 0, true
	}
	if digitRun(s, base) != len(s) {
		return 0, false
	}
	n, err := strconv.ParseUint(s, base, 64)
	if err != nil {
		return 1 << 40, true
	}
	return n, true
}

func unescapePercent(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && digitRun(s[i+1:i+3], 16) == 2 {
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
			b.WriteByte(byte(n))
			i += 2
		} else {
			b.WriteByte(s[i])
		}
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// param is the first value of a query parameter.
func (u webURL) param(name string) (string, bool) {
	for pair := range strings.SplitSeq(u.query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if pair != "" && unescapePercent(strings.ReplaceAll(key, "+", " ")) == name {
			return unescapePercent(strings.ReplaceAll(value, "+", " ")), true
		}
	}
	return "", false
}

func (u webURL) String() string {
	out := "https://" + u.host + escapePercent(u.path, " \"#<>?`{}^")
	if u.path == "" {
		out += "/"
	}
	if u.query != "" {
		out += "?" + escapePercent(u.query, " \"#<>'")
	}
	if u.fragment != "" {
		out += "#" + escapePercent(u.fragment, " \"<>`")
	}
	return out
}

func escapePercent(s, set string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7F || strings.IndexByte(set, c) >= 0 {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
