package authroute

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"signet/authproof"
	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/ticket"
)

const (
	scopeKeys  = "authroute:keys"
	topicKeys  = "authroute.keys"
	maxKeyLife = 2 * 366 * 24 * time.Hour
	// A request to set a primary key may be this old, and this far ahead of our clock.
	maxRequestAge  = 5 * time.Minute
	maxRequestSkew = 30 * time.Second
)

// Directory tells whose addresses are whose.
type Directory interface {
	// VerifiedAddresses returns a user's addresses in lower case, oldest first, and
	// holds the user until tx ends, so that none of them goes meanwhile.
	VerifiedAddresses(ctx context.Context, tx *db.Tx, user string) ([]string, error)
}

// Auditor writes to the audit log, in the caller's transaction.
type Auditor interface {
	Record(ctx context.Context, tx *db.Tx, e audit.Event) error
}

// Sealer encrypts what is kept.
type Sealer interface {
	Seal(plaintext []byte, context string) ([]byte, error)
}

// Registry registers, certifies, lists and revokes keys. It is safe for concurrent use.
type Registry struct {
	db      *db.DB
	users   Directory
	audit   Auditor
	seal    Sealer
	origin  string
	hosted  func(domain string) bool
	publish func(topic string)
	now     func() time.Time
}

// RegistryOptions is what a registry needs to know.
type RegistryOptions struct {
	Origin  string                   // public origin, part of what a primary key signs
	Hosted  func(domain string) bool // whether keys for a domain are registered here
	Publish func(topic string)       // tells every instance of a change
	Now     func() time.Time
}

// NewRegistry returns a registry on d.
func NewRegistry(d *db.DB, users Directory, a Auditor, s Sealer, o RegistryOptions) *Registry {
	return &Registry{db: d, users: users, audit: a, seal: s, origin: o.Origin, hosted: o.Hosted, publish: o.Publish, now: o.Now}
}

// NewPrimary is a request to set the caller's primary key.
type NewPrimary struct {
	PublicKey         string // standard base64 of 32 bytes
	Address           string // the caller's first verified address where empty
	Timestamp         string // RFC 3339, UTC, whole seconds; at most 5 minutes old
	Signature         string // by the new key, over [PrimaryText]
	PreviousSignature string // by the old key, over the same text; only where there is one
	Recertify         []Recertification
}

// Recertification is the new primary's certificate for a subkey of the old one.
type Recertification struct {
	KeyID     string
	Signature string // by the new primary, over the subkey's [SubkeyText]
}

// PrimaryText is what a new primary key signs to take its place. previous is the
// id of the key that it replaces, or empty.
func PrimaryText(origin, address, publicKey, previous, timestamp string) []byte {
	if previous == "" {
		previous = "-"
	}
	return fmt.Appendf(nil, "authroute-primary:v1\n%s\n%s\n%s\n%s\n%s", origin, address, publicKey, previous, timestamp)
}

// SubkeyText is what a primary signs to certify a subkey (the certificate), and the
// subkey to prove that its private half exists with whoever registers it.
func SubkeyText(address, keyID, publicKey, expires string) []byte {
	return fmt.Appendf(nil, "authroute-subkey:v1\n%s\n%s\n%s\n%s", address, keyID, publicKey, expires)
}

// SetPrimary registers the caller's primary key. Replacing one needs the old one's
// signature; it revokes the old one, and those of its subkeys that the request
// does not certify anew.
func (r *Registry) SetPrimary(ctx context.Context, n NewPrimary) (Key, error) {
	user, err := owner(ctx)
	if err != nil {
		return Key{}, err
	}
	if err := ticket.From(ctx).DemandFresh(r.now()); err != nil {
		return Key{}, err
	}
	pub, err := parsePublic(n.PublicKey)
	if err != nil {
		return Key{}, err
	}
	signature, err := parseSignature("signature", n.Signature)
	if err != nil {
		return Key{}, err
	}
	if err := r.checkTimestamp(n.Timestamp); err != nil {
		return Key{}, err
	}
	var k Key
	err = r.change(ctx, func(tx *db.Tx) error {
		address, err := r.addressOf(ctx, tx, user, n.Address)
		if err != nil {
			return err
		}
		old, err := primaryOf(ctx, tx, user)
		if err != nil && !errors.Is(err, ErrNoPrimary) {
			return err
		}
		if old.ID != "" && n.PreviousSignature == "" {
			return ErrPrimaryExists // before the signature, which covers the old id
		}
		text := PrimaryText(r.origin, address, n.PublicKey, old.ID, n.Timestamp)
		if !ed25519.Verify(pub, text, signature) {
			return ErrPrimary.At("signature")
		}
		k = Key{
			ID: authproof.KeyID(pub), Type: Primary, User: user, Address: address,
			Public: pub, Created: db.Now(r.now()),
		}
		if old.ID == "" {
			return r.insert(ctx, tx, &k)
		}
		return r.replacePrimary(ctx, tx, old, &k, text, n)
	})
	return k, err
}

func (r *Registry) replacePrimary(ctx context.Context, tx *db.Tx, old Key, k *Key, text []byte, n NewPrimary) error {
	signature, err := parseSignature("previous_signature", n.PreviousSignature)
	if err != nil {
		return err
	}
	if !ed25519.Verify(old.Public, text, signature) {
		return ErrOldPrimary.At("previous_signature")
	}
	if err := r.revoke(ctx, tx, old.ID, Superseded, "replaced by "+k.ID); err != nil {
		return err
	}
	if err := r.insert(ctx, tx, k); err != nil {
		return err
	}
	subkeys, err := liveSubkeys(ctx, tx, old.ID)
	if err != nil {
		return err
	}
	kept, err := certified(subkeys, k.Public, n.Recertify)
	if err != nil {
		return err
	}
	for _, s := range subkeys {
		certificate, ok := kept[s.ID]
		if !ok {
			err = r.revoke(ctx, tx, s.ID, Superseded, "its primary key was replaced")
		} else {
			err = r.recertify(ctx, tx, s.ID, k.ID, certificate)
		}
		if err != nil {
			return err
		}
	}
	return addEvent(ctx, tx, old.ID, "rotated", map[string]any{"successor": k.ID}, k.Created)
}

// certified checks the new certificates of subkeys and returns them by key id.
func certified(subkeys []Key, primary ed25519.PublicKey, list []Recertification) (map[string][]byte, error) {
	kept := map[string][]byte{}
	for i, c := range list {
		field := fmt.Sprintf("recertify[%d]", i)
		at := slices.IndexFunc(subkeys, func(k Key) bool { return k.ID == c.KeyID })
		if at < 0 {
			return nil, ErrNotFound.At(field + ".key_id")
		}
		signature, err := parseSignature(field+".signature", c.Signature)
		if err != nil {
			return nil, err
		}
		s := subkeys[at]
		text := SubkeyText(s.Address, s.ID, encodeKey(s.Public), formatTime(s.Expires))
		if !ed25519.Verify(primary, text, signature) {
			return nil, ErrPrimary.At(field + ".signature")
		}
		kept[s.ID] = signature
	}
	return kept, nil
}

// NewSubkey is a request to register a subkey.
type NewSubkey struct {
	KeyID           string // lower-case hex SHA-256 of the public key
	PublicKey       string // standard base64 of 32 bytes
	ExpiresAt       string // RFC 3339, UTC, whole seconds
	Address         string // the caller's first verified address where empty
	Signature       string // by the primary key, over [SubkeyText]
	SubkeySignature string // by the subkey, over the same text
}

// Generate registers a subkey whose private half its owner has made.
func (r *Registry) Generate(ctx context.Context, n NewSubkey) (Key, error) {
	user, err := owner(ctx)
	if err != nil {
		return Key{}, err
	}
	k, certificate, possession, err := r.readSubkey(n)
	if err != nil {
		return Key{}, err
	}
	k.User = user
	err = r.change(ctx, func(tx *db.Tx) error {
		if k.Address, err = r.addressOf(ctx, tx, user, n.Address); err != nil {
			return err
		}
		primary, err := primaryOf(ctx, tx, user)
		if err != nil {
			return err
		}
		text := SubkeyText(k.Address, k.ID, n.PublicKey, n.ExpiresAt)
		if !ed25519.Verify(primary.Public, text, certificate) {
			return ErrPrimary.At("signature")
		}
		// Without it anybody could register another's public key, and then revoke it.
		if !ed25519.Verify(k.Public, text, possession) {
			return ErrPossession.At("subkey_signature")
		}
		if err := checkQuota(ctx, tx, user); err != nil {
			return err
		}
		k.Primary, k.Certificate, k.Created = primary.ID, certificate, db.Now(r.now())
		return r.insert(ctx, tx, &k)
	})
	return k, err
}

func (r *Registry) readSubkey(n NewSubkey) (k Key, certificate, possession []byte, err error) {
	if k.Public, err = parsePublic(n.PublicKey); err != nil {
		return k, nil, nil, err
	}
	k.ID, k.Type = authproof.KeyID(k.Public), Subkey
	if n.KeyID != k.ID {
		return k, nil, nil, ErrKeyID.At("key_id")
	}
	if k.Expires, err = r.parseExpiry(n.ExpiresAt); err != nil {
		return k, nil, nil, err
	}
	if certificate, err = parseSignature("signature", n.Signature); err != nil {
		return k, nil, nil, err
	}
	possession, err = parseSignature("subkey_signature", n.SubkeySignature)
	return k, certificate, possession, err
}

// Revoke ends a key for all mail from now on; a primary's subkeys end with it. The
// reason is kept; published is only its word. Whoever holds authroute:admin may
// revoke anybody's key.
func (r *Registry) Revoke(ctx context.Context, keyID, reason string) error {
	t := ticket.From(ctx)
	user := ""
	if !t.May("authroute:admin") {
		var err error
		if user, err = owner(ctx); err != nil {
			return err
		}
	}
	if err := db.Clean("reason", reason); err != nil {
		return err
	}
	if len(reason) > 500 {
		return fault.New(fault.Invalid, "must have at most 500 bytes").At("reason")
	}
	return r.change(ctx, func(tx *db.Tx) error {
		k, err := findKey(ctx, tx, keyID, tx.Dialect().ForUpdate())
		if err != nil {
			return err
		}
		if user != "" && k.User != user {
			return ErrNotFound
		}
		if !k.Revoked.IsZero() {
			return ErrRevoked
		}
		if err := r.revoke(ctx, tx, k.ID, publicReason(reason), reason); err != nil {
			return err
		}
		if k.Type == Subkey {
			return nil
		}
		subkeys, err := liveSubkeys(ctx, tx, k.ID)
		if err != nil {
			return err
		}
		return r.revokeAll(ctx, tx, subkeys, publicReason(reason), "its primary key was revoked")
	})
}

// CloseUser revokes every key of a user, in the transaction that disables the user.
func (r *Registry) CloseUser(ctx context.Context, tx *db.Tx, user string) error {
	return r.DropUser(ctx, tx, user, "the user was disabled")
}

// DropUser is CloseUser for a reason of the caller's.
func (r *Registry) DropUser(ctx context.Context, tx *db.Tx, user, reason string) error {
	keys, err := liveKeys(ctx, tx, user, "")
	if err != nil {
		return err
	}
	return r.revokeAll(ctx, tx, keys, Cessation, reason)
}

// CountUser returns how many live keys a user has.
func (r *Registry) CountUser(ctx context.Context, tx *db.Tx, user string) (n int, err error) {
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM authroute_keys WHERE user_id = $1 AND revoked_at IS NULL`, user).Scan(&n)
	return n, err
}

// CloseAddress revokes a user's keys for an address, in the transaction that takes
// the address away. The primary key stays: it certifies for the other ones.
func (r *Registry) CloseAddress(ctx context.Context, tx *db.Tx, user, address string) error {
	keys, err := liveKeys(ctx, tx, user, address)
	if err != nil {
		return err
	}
	keys = slices.DeleteFunc(keys, func(k Key) bool { return k.Type == Primary })
	return r.revokeAll(ctx, tx, keys, Cessation, "the address was removed")
}

func (r *Registry) revokeAll(ctx context.Context, tx *db.Tx, keys []Key, reason Reason, note string) error {
	for _, k := range keys {
		if err := r.revoke(ctx, tx, k.ID, reason, note); err != nil {
			return err
		}
	}
	if len(keys) > 0 {
		tx.AfterCommit(func() { r.publish(topicKeys) })
	}
	return nil
}

func (r *Registry) revoke(ctx context.Context, tx *db.Tx, keyID string, reason Reason, note string) error {
	at := db.Now(r.now())
	if err := markRevoked(ctx, tx, keyID, at, reason, note); err != nil {
		return err
	}
	if err := addEvent(ctx, tx, keyID, "revoked", map[string]any{"reason": reason}, at); err != nil {
		return err
	}
	return r.record(ctx, tx, "authroute.key_revoke", keyID, map[string]any{"reason": reason, "note": note})
}

func (r *Registry) insert(ctx context.Context, tx *db.Tx, k *Key) error {
	if err := insertKey(ctx, tx, k); err != nil {
		return err
	}
	if err := addEvent(ctx, tx, k.ID, "created", map[string]any{"key_type": k.Type, "address": k.Address}, k.Created); err != nil {
		return err
	}
	return r.record(ctx, tx, "authroute.key_create", k.ID, map[string]any{"key_type": k.Type, "address": k.Address, "user": k.User})
}

func (r *Registry) recertify(ctx context.Context, tx *db.Tx, keyID, primary string, certificate []byte) error {
	if err := updateCertificate(ctx, tx, keyID, primary, certificate); err != nil {
		return err
	}
	return addEvent(ctx, tx, keyID, "rotated", map[string]any{"primary": primary}, db.Now(r.now()))
}

func (r *Registry) record(ctx context.Context, tx *db.Tx, action, target string, detail any) error {
	return r.audit.Record(ctx, tx, audit.Event{Action: action, Target: target, Detail: detail})
}

// change runs fn in a transaction and tells every instance afterwards.
func (r *Registry) change(ctx context.Context, fn func(tx *db.Tx) error) error {
	return r.db.Update(ctx, func(tx *db.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		tx.AfterCommit(func() { r.publish(topicKeys) })
		return nil
	})
}

// owner returns the user who calls: a person or a token of theirs, in scope.
func owner(ctx context.Context) (string, error) {
	t := ticket.From(ctx)
	switch {
	case t == nil:
		return "", ticket.ErrNone
	case t.Kind != ticket.User:
		return "", ticket.ErrForbidden.Because("mail keys belong to users: call with a user's API token")
	case !t.InScope(scopeKeys):
		return "", ticket.ErrForbidden.Because("the token lacks the scope %s", scopeKeys)
	}
	return t.Subject, nil
}

// addressOf returns the address that a key shall be for: one that the user has
// verified, in a domain that is hosted here.
func (r *Registry) addressOf(ctx context.Context, tx *db.Tx, user, wanted string) (string, error) {
	verified, err := r.users.VerifiedAddresses(ctx, tx, user)
	if err != nil {
		return "", err
	}
	if wanted == "" {
		if len(verified) == 0 {
			return "", ErrAddress.At("address")
		}
		wanted = verified[0]
	}
	if !slices.Contains(verified, wanted) {
		return "", ErrAddress.At("address")
	}
	if !r.hosted(domainOf(wanted)) {
		return "", ErrDomain.At("address")
	}
	return wanted, nil
}

func (r *Registry) checkTimestamp(s string) error {
	at, err := parseTime("timestamp", s)
	if err != nil {
		return err
	}
	if age := r.now().Sub(at); age > maxRequestAge || age < -maxRequestSkew {
		return ErrTimestamp.At("timestamp")
	}
	return nil
}

func (r *Registry) parseExpiry(s string) (time.Time, error) {
	at, err := parseTime("expires_at", s)
	if err != nil {
		return time.Time{}, err
	}
	if life := at.Sub(r.now()); life <= 0 || life > maxKeyLife {
		return time.Time{}, ErrExpiry.At("expires_at")
	}
	return at, nil
}

// parseTime reads a time in the one form that is signed.
func parseTime(field, s string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil || formatTime(at) != s {
		return time.Time{}, ErrTime.At(field)
	}
	return at.UTC(), nil
}

func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func parsePublic(b64 string) (ed25519.PublicKey, error) {
	pub, err := authproof.ParsePublicKey(b64)
	if err != nil {
		why := strings.TrimPrefix(err.Error(), authproof.ErrKey.Error()+": ")
		return nil, ErrPublicKey.At("public_key").Because("%s", why)
	}
	return pub, nil
}

func encodeKey(pub ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(pub) }

// parseSignature reads standard base64 in its one canonical form.
func parseSignature(field, b64 string) ([]byte, error) {
	s, err := base64.StdEncoding.Strict().DecodeString(b64)
	if err != nil || len(s) != ed25519.SignatureSize || base64.StdEncoding.EncodeToString(s) != b64 {
		return nil, ErrSignature.At(field)
	}
	return s, nil
}
