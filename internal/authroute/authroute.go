// Package authroute keeps the Ed25519 keys (RFC 8032) that users sign the envelopes
// of their mail with, and answers Postfix whether a mail's proof holds.
//
// [Registry] keeps the keys and the signed list of revocations. [Verifier] judges
// one mail: key lookup, signature, time window, replay. [Policy] serves Postfix's
// policy protocol with it, and [Verdicts] writes down what was judged. The
// protocol itself is docs/spec/authenticated-routing.md, and package authproof
// its envelope part.
package authroute

import (
	"crypto/ed25519"
	"strings"
	"time"

	"signet/internal/fault"
	"signet/internal/ticket"
)

// What the registry can refuse. Anything else it returns is an internal error.
var (
	ErrNotFound      = fault.New(fault.NotFound, "no such key of yours")
	ErrExists        = fault.New(fault.Conflict, "the key id is registered already")
	ErrPrimaryExists = fault.New(fault.Conflict, "you have a primary key: replacing it needs previous_signature by the old one")
	ErrNoPrimary     = fault.New(fault.Conflict, "you have no primary key yet: register one at /api/v1/authroute/keys/primary")
	ErrRevoked       = fault.New(fault.Conflict, "the key is revoked already")
	ErrPrimary       = fault.New(fault.Forbidden, "Invalid primary key signature")
	ErrOldPrimary    = fault.New(fault.Forbidden, "Invalid signature of the previous primary key")
	ErrPossession    = fault.New(fault.Forbidden, "Invalid subkey signature")
	ErrAddress       = fault.New(fault.Forbidden, "is not a verified address of yours")
	ErrDomain        = fault.New(fault.Invalid, "is in a domain that this installation does not host keys for")
	ErrKeyID         = fault.New(fault.Invalid, "is not the lower-case hex SHA-256 of public_key")
	ErrPublicKey     = fault.New(fault.Invalid, "is not an Ed25519 public key")
	ErrSignature     = fault.New(fault.Invalid, "is not the standard base64 of an Ed25519 signature of 64 bytes")
	ErrTime          = fault.New(fault.Invalid, "is not an RFC 3339 time in whole seconds, UTC, such as 2027-01-31T12:00:00Z")
	ErrExpiry        = fault.New(fault.Invalid, "must lie in the future, and at most two years ahead")
	ErrQuota         = fault.New(fault.TooMany, "you have 100 live subkeys, which is the most: revoke some first")
	ErrTimestamp     = fault.New(fault.Invalid, "must lie at most 5 minutes back and not ahead")
)

// KeyType says what a key may do.
type KeyType string

// The types of key.
const (
	Primary KeyType = "primary" // certifies subkeys, never signs mail
	Subkey  KeyType = "subkey"  // signs mail for one address
)

// Key is a registered public key. It is never deleted: mail that arrived before
// its revocation must still be explained.
type Key struct {
	ID          string // lower-case hex SHA-256 of Public
	Type        KeyType
	User        string
	Address     string // in lower case
	Public      ed25519.PublicKey
	Certificate []byte // the primary's signature; nil for a primary
	Primary     string // id of the primary that certified it; empty for a primary
	Created     time.Time
	Expires     time.Time // zero for a primary: never
	Revoked     time.Time // zero while it may sign
	Reason      Reason    // public word for the revocation
	Note        string    // what the owner wrote as reason; not public
	Sequence    int64     // number of the last change, over all keys of the installation
}

// Domain is the part of the address behind the last @.
func (k Key) Domain() string { return domainOf(k.Address) }

// domainOf returns the part of an address behind the last @, in lower case and
// without the dot of the root, which Postfix drops too.
func domainOf(address string) string {
	return strings.TrimRight(strings.ToLower(address[strings.LastIndexByte(address, '@')+1:]), ".")
}

// Reason is the public word for why a key was revoked (the words of RFC 5280,
// section 5.3.1, that fit).
type Reason string

// The public reasons. What users write as free text is kept, but not published.
const (
	Unspecified   Reason = "unspecified"
	KeyCompromise Reason = "keyCompromise"
	Superseded    Reason = "superseded"
	Cessation     Reason = "cessation"
)

// publicReason maps what a user wrote to a public reason.
func publicReason(s string) Reason {
	switch r := Reason(s); r {
	case KeyCompromise, Superseded, Cessation:
		return r
	default:
		return Unspecified
	}
}

// Mode says what happens to mail of a sender domain whose proof does not hold.
type Mode string

// The modes, in the order of a roll-out.
const (
	Monitor    Mode = "monitor"    // mark, deliver everything
	Quarantine Mode = "quarantine" // hold what fails
	Enforce    Mode = "enforce"    // refuse what fails; mail without proof passes
	Require    Mode = "require"    // refuse also what has no proof
)

// Result is the word of a verdict (RFC 8601, section 2.7, has the same ones).
type Result string

// The results.
const (
	Pass      Result = "pass"
	Fail      Result = "fail"
	None      Result = "none"
	TempError Result = "temperror"
)

// Cause is why a verdict is not pass: the word after reason= in the header, in
// the metrics and in authroute_verifications.
type Cause string

// The causes. The first group belongs to none, the second to fail, the third to temperror.
const (
	NullSender  Cause = "null-sender"
	NoProof     Cause = "no-proof"
	Malformed   Cause = "malformed"
	KeyNotFound Cause = "key-not-found"
	Exempt      Cause = "exempt"
	Bypassed    Cause = "bypass"

	Revoked     Cause = "revoked"
	Expired     Cause = "expired"
	BadSigned   Cause = "signature"
	WrongSender Cause = "sender"
	Replayed    Cause = "replayed"
	Stale       Cause = "stale"

	DNSTrouble   Cause = "dns"
	StoreTrouble Cause = "store"
	Deadline     Cause = "deadline"
	Trouble      Cause = "internal"
)

// Domain is how mail of one sender domain is treated.
type Domain struct {
	Name       string
	Mode       Mode
	RefuseV1   bool // version 1 proofs count as malformed
	DeferStale bool // enforce and require answer DEFER to a timestamp outside the window
	Hosted     bool // this installation's registry alone answers for its keys
}

// Permissions lists what this package asks for. Own keys need no permission, only
// a user and, for access tokens, the scope of the same name.
func Permissions() []ticket.Permission {
	return []ticket.Permission{
		{Name: "authroute:keys", Text: "manage one's own mail keys"},
		{Name: "authroute:read", Node: true, Text: "search verifications and see all keys"},
		{Name: "authroute:admin", Node: true, Text: "set the mode of sender domains, bypass verification, revoke anybody's key"},
	}
}
