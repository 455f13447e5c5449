package token

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// subject is whom a client's certificate must name (RFC 8705, section 2.1.2).
type subject struct {
	kind  string // dn, dns, uri, ip, email
	value string
	dn    []rdn
	ip    netip.Addr
}

// parseSubject reads a subject as it is registered: its kind, a colon and the value.
func parseSubject(s string) (subject, error) {
	kind, value, _ := strings.Cut(s, ":")
	p := subject{kind: kind, value: value}
	err := ErrSubject.At("tls_subject")
	if value == "" || len(s) > maxURI {
		return p, err
	}
	switch kind {
	case "dn":
		dn, why := parseDN(value)
		if why != nil {
			return p, err.Because("%s", why)
		}
		p.dn = dn
		return p, nil
	case "ip":
		ip, why := netip.ParseAddr(value)
		if why != nil || ip.Zone() != "" {
			return p, err.Because("it is no IP address")
		}
		p.ip = ip.Unmap()
		return p, nil
	case "uri":
		if u, why := url.Parse(value); why != nil || u.Scheme == "" {
			return p, err.Because("it is no absolute URI")
		}
	case "dns", "email":
	default:
		return p, err
	}
	if strings.ContainsFunc(value, notURI) {
		return p, err.Because("it has other characters than such a name")
	}
	return p, nil
}

// names reports whether the certificate has the subject: a whole DN, or one subject
// alternative name among others. Host names and the domains of addresses know no case;
// wildcards stand for themselves.
func (s subject) names(c *x509.Certificate) bool {
	switch s.kind {
	case "dn":
		have, err := certificateDN(c.RawSubject)
		return err == nil && slices.EqualFunc(s.dn, have, slices.Equal)
	case "dns":
		return slices.ContainsFunc(c.DNSNames, func(name string) bool { return strings.EqualFold(name, s.value) })
	case "uri":
		return slices.ContainsFunc(c.URIs, func(u *url.URL) bool { return u.String() == s.value })
	case "ip":
		return slices.ContainsFunc(c.IPAddresses, func(ip net.IP) bool {
			a, ok := netip.AddrFromSlice(ip)
			return ok && a.Unmap() == s.ip
		})
	case "email":
		return slices.ContainsFunc(c.EmailAddresses, func(a string) bool { return foldDomain(a) == foldDomain(s.value) })
	}
	return false
}

// foldDomain returns an address with its domain in lower case.
func foldDomain(address string) string {
	at := strings.LastIndexByte(address, '@') + 1
	return address[:at] + strings.ToLower(address[at:])
}

// rdn is a relative distinguished name: attributes, sorted.
type rdn []attribute

type attribute struct{ oid, value string }

// attributeTypes are those that RFC 4514, section 3 names, and two of every day.
func attributeTypes() map[string]string {
	return map[string]string{
		"CN": "2.5.4.3", "SERIALNUMBER": "2.5.4.5", "C": "2.5.4.6", "L": "2.5.4.7", "ST": "2.5.4.8", "STREET": "2.5.4.9",
		"O": "2.5.4.10", "OU": "2.5.4.11", "UID": "0.9.2342.19200300.100.1.1", "DC": "0.9.2342.19200300.100.1.25",
		"EMAILADDRESS": "1.2.840.113549.1.9.1",
	}
}

// parseDN reads a distinguished name (RFC 4514, section 3) as its RDNs, in the order of
// the text. Values are compared octet by octet; "#" and hexadecimal values are refused.
func parseDN(s string) ([]rdn, error) {
	var dn []rdn
	var now rdn
	for {
		name, rest, ok := strings.Cut(s, "=")
		oid, err := attributeOID(strings.TrimLeft(name, " "))
		if !ok || err != nil {
			return nil, fmt.Errorf("%q is no attribute type", name)
		}
		value, end, err := dnValue(rest)
		if err != nil {
			return nil, err
		}
		now = append(now, attribute{oid, value})
		if end == "" || end[0] == ',' {
			dn, now = append(dn, sorted(now)), nil
		}
		if end == "" {
			return dn, nil
		}
		s = end[1:]
	}
}

func sorted(r rdn) rdn {
	slices.SortFunc(r, func(a, b attribute) int {
		return strings.Compare(a.oid+"="+a.value, b.oid+"="+b.value)
	})
	return r
}

func attributeOID(name string) (string, error) {
	if oid, ok := attributeTypes()[strings.ToUpper(name)]; ok {
		return oid, nil
	}
	for part := range strings.SplitSeq(name, ".") {
		if n, err := strconv.ParseUint(part, 10, 31); err != nil || strconv.FormatUint(n, 10) != part {
			return "", fmt.Errorf("%q is no object identifier", name)
		}
	}
	return name, nil
}

// dnValue reads one value, up to an unescaped comma or plus sign, where end begins.
func dnValue(s string) (value, end string, err error) {
	var b strings.Builder
	i, blank := 0, false // the last character is an unescaped space
	for i < len(s) && s[i] != ',' && s[i] != '+' {
		switch c := s[i]; {
		case c == '\\':
			n := escaped(s[i:], &b)
			if n == 0 {
				return "", "", fmt.Errorf("%q has a backslash before nothing to escape", s)
			}
			i, blank = i+n, false
			continue
		case strings.IndexByte("\";<>\x00", c) >= 0, i == 0 && (c == '#' || c == ' '):
			return "", "", fmt.Errorf("%q has a character that must be escaped", s)
		default:
			b.WriteByte(c)
			blank = c == ' '
		}
		i++
	}
	if b.Len() == 0 || blank {
		return "", "", fmt.Errorf("%q begins with no value, or one that ends in a space", s)
	}
	return b.String(), s[i:], nil
}

// escaped writes what a backslash and its characters stand for, and returns how many
// bytes they are; 0 where they stand for nothing.
func escaped(s string, into *strings.Builder) int {
	if len(s) >= 3 {
		if octet, err := hex.DecodeString(s[1:3]); err == nil {
			into.Write(octet)
			return 3
		}
	}
	if len(s) >= 2 && strings.IndexByte("\"+,;<>\\ #=", s[1]) >= 0 {
		into.WriteByte(s[1])
		return 2
	}
	return 0
}

// certificateDN returns the RDNs of a DER name in the order of RFC 4514, section 2.1:
// from the last on.
func certificateDN(der []byte) ([]rdn, error) {
	var seq pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &seq); err != nil || len(rest) > 0 {
		return nil, errors.New("the name cannot be read")
	}
	var dn []rdn
	for _, set := range slices.Backward(seq) {
		var r rdn
		for _, a := range set {
			value, ok := a.Value.(string)
			if !ok {
				return nil, fmt.Errorf("attribute %s is no text", a.Type)
			}
			r = append(r, attribute{a.Type.String(), value})
		}
		dn = append(dn, sorted(r))
	}
	return dn, nil
}
