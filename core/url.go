package core

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Errors of NormalURL, for the client that sent the URL.
var (
	errURLNotAbsolute = errors.New("url must be absolute, with the scheme http or https, such as https://example.com/webhooks")
	errURLHost        = errors.New("the host in url must be a domain name or an IP address")
	errURLPort        = errors.New("the port in url must be between 1 and 65535")
	errURLPercent     = errors.New("url has a % without two hexadecimal digits after it; write % as %25")
)

// lineBreaks get into URLs that are pasted from a text, and have no meaning there.
var lineBreaks = strings.NewReplacer("\t", "", "\n", "", "\r", "")

// DomainToASCII converts a domain name to ASCII by UTS 46, without transitional processing. It returns an error for
// names that IDNA forbids. Core only declares it, because the tables are not in the standard library.
type DomainToASCII func(domain string) (string, error)

// NormalURL returns the form in which an endpoint's URL is stored, shown and called: the URL as the URL Standard
// (https://url.spec.whatwg.org) parses and serialises it, without the fragment. Percent escapes stay as they are. It
// rejects URLs that cannot be called: those with port 0, or with half an escape in the path. If toASCII is nil,
// domain names must be ASCII. Errors are for the client.
func NormalURL(text string, toASCII DomainToASCII) (string, error) {
	text = strings.TrimFunc(text, func(r rune) bool { return r <= ' ' })
	text = lineBreaks.Replace(text)
	scheme, rest, _ := strings.Cut(text, ":")
	scheme = strings.ToLower(scheme)
	if scheme != "http" && scheme != "https" {
		return "", errURLNotAbsolute
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, hasQuery := strings.Cut(rest, "?")
	rest = strings.TrimLeft(strings.ReplaceAll(rest, `\`, "/"), "/")
	authority, path, _ := strings.Cut(rest, "/")
	host, err := normalAuthority(scheme, authority, toASCII)
	if err != nil {
		return "", err
	}
	path = normalPath(path)
	if hasHalfEscape(path) {
		return "", errURLPercent
	}
	normal := scheme + "://" + host + path
	if hasQuery {
		normal += "?" + percentEncode(query, queryEncoded)
	}
	return normal, nil
}

// The characters that the standard escapes in each part of a URL, besides spaces, controls and non-ASCII characters.
// For paths, | is included: net/url would escape it, and decode a %2F beside it.
const (
	queryEncoded    = `"#<>'`
	pathEncoded     = "\"#<>?^`{}|"
	userinfoEncoded = pathEncoded + "/:;=@[\\]"
)

func percentEncode(text, set string) string {
	var out strings.Builder
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(set, c) >= 0 {
			fmt.Fprintf(&out, "%%%02X", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

func hasHalfEscape(text string) bool {
	_, err := url.PathUnescape(text)
	return err != nil
}

// normalAuthority returns the normal form of the part before the path: user, host and port.
func normalAuthority(scheme, authority string, toASCII DomainToASCII) (string, error) {
	userinfo := ""
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, password, _ := strings.Cut(authority[:at], ":")
		authority = authority[at+1:]
		userinfo = percentEncode(user, userinfoEncoded)
		if password != "" {
			userinfo += ":" + percentEncode(password, userinfoEncoded)
		}
		if userinfo != "" {
			userinfo += "@"
		}
		if hasHalfEscape(userinfo) {
			return "", errURLPercent
		}
	}
	host, port := authority, ""
	if colon := strings.IndexByte(authority[strings.IndexByte(authority, ']')+1:], ':'); colon >= 0 {
		colon += strings.IndexByte(authority, ']') + 1
		host, port = authority[:colon], authority[colon+1:]
	}
	if host == "" {
		return "", errURLNotAbsolute
	}
	host, err := normalHost(host, toASCII)
	if err != nil {
		return "", err
	}
	port, err = normalPort(scheme, port)
	return userinfo + host + port, err
}

// normalPort returns the port with its colon, or "" for the scheme's default port.
func normalPort(scheme, port string) (string, error) {
	if port == "" {
		return "", nil
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return "", errURLPort
	}
	if scheme == "http" && number == 80 || scheme == "https" && number == 443 {
		return "", nil
	}
	return ":" + strconv.FormatUint(number, 10), nil
}

// normalPath normalises the part after the first slash. It resolves dot segments, including escaped ones.
func normalPath(path string) string {
	var kept []string
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		case ".":
		default:
			kept = append(kept, percentEncode(segment, pathEncoded))
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}

// The bounds of domain names are those of DNS. The first one limits the work on text that cannot be a name.
const (
	hostBytesMost   = 2048
	domainBytesMost = 254 // with a final dot
	labelBytesMost  = 63
)

func normalHost(host string, toASCII DomainToASCII) (string, error) {
	if strings.HasPrefix(host, "[") {
		return normalIPv6(host)
	}
	domain, err := url.PathUnescape(host)
	if err != nil || len(domain) > hostBytesMost || !utf8.ValidString(domain) {
		return "", errURLHost
	}
	if domain, err = domainToASCII(domain, toASCII); err != nil || !isDomain(domain) {
		return "", errURLHost
	}
	if endsInNumber(domain) {
		return normalIPv4(domain)
	}
	return domain, nil
}

// domainToASCII uses IDNA where it applies. IDNA turns some text into names that it then rejects, so the result is
// checked again.
func domainToASCII(domain string, toASCII DomainToASCII) (string, error) {
	lower := strings.ToLower(domain)
	isASCII := strings.IndexFunc(domain, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	switch {
	case isASCII && (toASCII == nil || !strings.HasPrefix(lower, "xn--") && !strings.Contains(lower, ".xn--")):
		return lower, nil
	case toASCII == nil:
		return "", errURLHost
	}
	ascii, err := toASCII(domain)
	if err != nil {
		return "", err
	}
	if again, err := toASCII(ascii); err != nil || again != ascii {
		return "", errURLHost
	}
	return ascii, nil
}

// isDomain reports whether a name is free of characters that the standard forbids in domain names or net/http in
// hosts, and can be looked up in DNS.
func isDomain(domain string) bool {
	isOther := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("!$&'()*+,-._;=~", r)
	}
	if domain == "" || len(domain) > domainBytesMost || strings.ContainsFunc(domain, isOther) {
		return false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if len(label) > labelBytesMost {
			return false
		}
	}
	return true
}

func normalIPv6(host string) (string, error) {
	inner, closed := strings.CutSuffix(host[1:], "]")
	a, err := netip.ParseAddr(inner)
	if !closed || err != nil || !a.Is6() || a.Zone() != "" {
		return "", errURLHost
	}
	if a.Is4In6() { // netip writes the last bytes in decimal
		b := a.As16()
		return fmt.Sprintf("[::ffff:%x:%x]", uint(b[12])<<8|uint(b[13]), uint(b[14])<<8|uint(b[15])), nil
	}
	return "[" + a.String() + "]", nil
}

// endsInNumber reports whether the standard treats a domain as an IPv4 address.
func endsInNumber(domain string) bool {
	domain = strings.TrimSuffix(domain, ".")
	last := domain[strings.LastIndexByte(domain, '.')+1:]
	if last != "" && strings.Trim(last, "0123456789") == "" {
		return true
	}
	hex, isHex := strings.CutPrefix(last, "0x")
	return isHex && strings.Trim(hex, "0123456789abcdef") == ""
}

// normalIPv4 reads one to four numbers, decimal, octal or hexadecimal. The last one holds all remaining bytes.
func normalIPv4(domain string) (string, error) {
	parts := strings.Split(strings.TrimSuffix(domain, "."), ".")
	if len(parts) > 4 {
		return "", errURLHost
	}
	var address uint64
	for i, part := range parts {
		number, err := ipv4Number(part)
		bytes := 1
		if i == len(parts)-1 {
			bytes = 4 - i
		}
		if err != nil || number >= 1<<(8*bytes) {
			return "", errURLHost
		}
		address = address<<(8*bytes) | number
	}
	a := netip.AddrFrom4([4]byte{byte(address >> 24), byte(address >> 16), byte(address >> 8), byte(address)})
	return a.String(), nil
}

func ipv4Number(part string) (uint64, error) {
	if hex, isHex := strings.CutPrefix(part, "0x"); isHex {
		return strconv.ParseUint("0"+hex, 16, 64)
	}
	if len(part) > 1 && part[0] == '0' {
		return strconv.ParseUint(part, 8, 64)
	}
	return strconv.ParseUint(part, 10, 64)
}
