package authroute

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/net/idna"

	"signet/authproof"
)

// RecordTTL is how long others may keep a published record, in seconds. It is part
// of the five minutes in which a revocation must have reached everybody.
const RecordTTL = 60

const recordVersion = "AUTHROUTE1"

var (
	errNoName    = errors.New("no DNS name stands for this address")
	errNoRecord  = errors.New("not a record of a mail key")
	errBadRecord = errors.New("malformed record of a mail key")
)

// KeyName returns the DNS name, with its last dot, under which the keys of an
// address are published: _authroute.<user>._domainkey.<domain>.
//
// It fails where the part behind the @ is no domain of the DNS.
func KeyName(address string) (string, error) {
	at := strings.LastIndexByte(address, '@')
	if at <= 0 {
		return "", errNoName
	}
	domain, err := asciiDomain(address[at+1:])
	if err != nil {
		return "", err
	}
	name := "_authroute." + UserLabel(address[:at]) + "._domainkey." + domain + "."
	if len(name) > 254 { // RFC 1035, section 2.3.4, in text form
		return "", errNoName
	}
	return name, nil
}

// UserLabel returns the label that stands for the part of an address before the @:
// itself in lower case where that is a host name's label, else the first 28 octets
// of its SHA-256 in hex (the way of RFC 7929, section 3). A user who is called
// like such a hash is hashed too.
func UserLabel(local string) string {
	local = strings.ToLower(local)
	if isHostLabel(local) && !isLabelHash(local) {
		return local
	}
	sum := sha256.Sum256([]byte(local))
	return hex.EncodeToString(sum[:labelOctets])
}

const labelOctets = 28

func isLabelHash(s string) bool {
	return len(s) == 2*labelOctets && strings.Trim(s, "0123456789abcdef") == ""
}

// isHostLabel reports whether s matches [a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?
func isHostLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// asciiDomain returns a domain as the DNS has it: lower case, A-labels (RFC 5891).
func asciiDomain(domain string) (string, error) {
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return "", errNoName
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if !isHostLabel(label) {
			return "", errNoName
		}
	}
	return ascii, nil
}

// AddressHash returns what a record says of its address: the SHA-256 of the address
// in lower case, in hex.
func AddressHash(address string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(address)))
	return hex.EncodeToString(sum[:])
}

// Record is what the DNS says of one key.
type Record struct {
	KeyID   string
	Address string            // its AddressHash
	Public  ed25519.PublicKey // nil where the key is revoked
}

// RecordOf returns what is published of a key: its public half until it is revoked.
func RecordOf(k Key) Record {
	r := Record{KeyID: k.ID, Address: AddressHash(k.Address)}
	if k.Revoked.IsZero() {
		r.Public = k.Public
	}
	return r
}

// String returns the record's text. It is at most 255 bytes, one string of a TXT
// record (RFC 1035, section 3.3).
func (r Record) String() string {
	p := ""
	if r.Public != nil {
		p = base64.StdEncoding.EncodeToString(r.Public)
	}
	return fmt.Sprintf("v=%s; k=ed25519; p=%s; t=s; kid=%s; a=%s", recordVersion, p, r.KeyID, r.Address)
}

// ParseRecord reads the text of a TXT record, whose strings were joined. The tags
// are those of DKIM (RFC 6376, section 3.2): v comes first, each stands once,
// unknown ones are ignored; v, k, p, kid and a must be there.
//
// The error wraps errNoRecord where the text is something else that happens to
// stand at the name, and errBadRecord where it claims to be a record and is not.
func ParseRecord(text string) (Record, error) {
	tags, err := readTags(text)
	if err != nil {
		return Record{}, err
	}
	for _, name := range []string{"k", "p", "kid", "a"} {
		if _, ok := tags[name]; !ok {
			return Record{}, fmt.Errorf("%w: no %s", errBadRecord, name)
		}
	}
	// Cloned: a record that is remembered must not hold the whole text.
	r := Record{KeyID: strings.Clone(tags["kid"]), Address: strings.Clone(tags["a"])}
	switch {
	case tags["k"] != "ed25519":
		return Record{}, fmt.Errorf("%w: k is not ed25519", errBadRecord)
	case !isHexHash(r.KeyID):
		return Record{}, fmt.Errorf("%w: kid is not 64 hex digits in lower case", errBadRecord)
	case !isHexHash(r.Address):
		return Record{}, fmt.Errorf("%w: a is not 64 hex digits in lower case", errBadRecord)
	case tags["p"] == "":
		return r, nil
	}
	if r.Public, err = authproof.ParsePublicKey(tags["p"]); err != nil {
		return Record{}, fmt.Errorf("%w: p: %w", errBadRecord, err)
	}
	if authproof.KeyID(r.Public) != r.KeyID {
		return Record{}, fmt.Errorf("%w: kid is not that of p", errBadRecord)
	}
	return r, nil
}

// readTags reads tag=value pairs between semicolons, with white space around each.
func readTags(text string) (map[string]string, error) {
	tags := map[string]string{}
	text = strings.TrimSuffix(strings.Trim(text, blanks), ";")
	for i, pair := range strings.Split(text, ";") {
		name, value, ok := strings.Cut(pair, "=")
		name, value = strings.Trim(name, blanks), strings.Trim(value, blanks)
		if i == 0 && (!ok || name != "v" || value != recordVersion) {
			return nil, errNoRecord
		}
		if !ok || !isTagName(name) {
			return nil, fmt.Errorf("%w: not a list of tags", errBadRecord)
		}
		if _, double := tags[name]; double {
			return nil, fmt.Errorf("%w: %s stands twice", errBadRecord, name)
		}
		tags[name] = value
	}
	return tags, nil
}

const blanks = " \t"

// isTagName checks for a letter, then letters, digits and underscores (RFC 6376, section 3.2).
func isTagName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '_') {
			return false
		}
	}
	return s != ""
}

func isHexHash(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}
