// Package account knows who exists, what they may do and how they prove who they are.
//
//   - [Service]: accounts (tenants), users, their addresses, memberships, roles with
//     permissions, personal API tokens and service keys.
//   - [Credentials]: passwords, authenticator apps and recovery codes, and how often
//     somebody may guess. [Passkeys] and [Identities] (who users are at identity
//     providers) change under its rules.
//   - [Sessions]: who is signed in, and what waits for a second factor.
//   - [Gate] makes sign-ins of them all and answers login, mailed links included.
//
// It never meets a browser or an identity provider. All are safe for concurrent use.
package account

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"
	"unicode"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/ticket"
)

// What the service can refuse. Anything else it returns is an internal error.
var (
	ErrAdminExists = fault.New(fault.Conflict, "an administrator exists already")
	ErrNoUser      = fault.New(fault.NotFound, "no such user")
	ErrNoAccount   = fault.New(fault.NotFound, "no such account")
	ErrNoRole      = fault.New(fault.NotFound, "no such role in this account")
	ErrNoToken     = fault.New(fault.NotFound, "no such token")
	ErrTaken       = fault.New(fault.Conflict, "is taken").Named("taken")
	ErrAddress     = fault.New(fault.Invalid, "is not an e-mail address such as alice@example.org").Named("address")
	ErrLastAddress = fault.New(fault.Conflict, "is the user's only verified address: add another one first").Named("last-address")
	ErrPermission  = fault.New(fault.Invalid, "is not a permission")
	ErrNodeOnly    = fault.New(fault.Invalid, "is a permission of the node: only roles of the system account hold it")
	ErrName        = fault.New(fault.Invalid, "must have 1 to 200 characters, none of them a control character").Named("name")
	ErrExpiry      = fault.New(fault.Invalid, "must lie in the future").Named("expiry")
)

// Administrator is the role that every account has and that holds every
// permission which the account can hold.
const Administrator = "administrator"

// everything stands in a stored role for all permissions of the catalogue, those
// of later releases included.
const everything = "*"

// Account is a tenant.
type Account struct {
	ID      string
	Name    string
	System  bool // owns the installation; exactly one does
	Created time.Time
}

// User is a person.
type User struct {
	ID          string
	DisplayName string
	Addresses   []string // verified, in lower case, oldest first
	Locale      string   // language tag of mails, where it was looked up; may be empty
	Created     time.Time
	Disabled    time.Time // zero while the user may act
}

// Auditor writes to the audit log, in the caller's transaction.
type Auditor interface {
	Record(ctx context.Context, tx *db.Tx, e audit.Event) error
}

// Closers are what other capabilities do when a user or an address goes, in the
// same transaction.
type Closers struct {
	// UserDisabled ends everything that the user could act with.
	UserDisabled func(ctx context.Context, tx *db.Tx, user string) error
	// AddressRemoved ends everything that the user could do for the address.
	AddressRemoved func(ctx context.Context, tx *db.Tx, user, address string) error
	// AccountSwitched is called once an account was disabled or enabled; nil is nobody.
	AccountSwitched func()
}

// Service keeps accounts and users.
type Service struct {
	db        *db.DB
	audit     Auditor
	now       func() time.Time
	catalogue []ticket.Permission
	closers   Closers
}

// New returns a service on d. The catalogue lists every permission of every capability.
func New(d *db.DB, a Auditor, now func() time.Time, catalogue []ticket.Permission, c Closers) *Service {
	return &Service{db: d, audit: a, now: now, catalogue: catalogue, closers: c}
}

// Permissions lists what this package itself asks for.
func Permissions() []ticket.Permission {
	return []ticket.Permission{
		{Name: "users:read", Text: "see users, roles and memberships"},
		{Name: "users:write", Text: "create, change and disable users and give them roles"},
		{Name: "accounts:write", Node: true, Text: "see, create and disable accounts (tenants)"},
		{Name: "auth:login", Node: true, Text: "service keys: ask for sign-ins and sessions of all users, as login does in a process of its own"},
		{Name: "auth:oauth", Node: true, Text: "service keys: tell who signed in at a provider that the key lists"},
	}
}

// expand returns the permissions that a stored role gives in an account.
func (s *Service) expand(stored []string, system bool) []string {
	if slices.Contains(stored, everything) {
		stored = nil
		for _, p := range s.catalogue {
			stored = append(stored, p.Name)
		}
	}
	return slices.DeleteFunc(slices.Clone(stored), func(name string) bool { return !s.holdable(name, system) })
}

// holdable reports whether a role of such an account may hold the permission.
func (s *Service) holdable(name string, system bool) bool {
	i := slices.IndexFunc(s.catalogue, func(p ticket.Permission) bool { return p.Name == name })
	return i >= 0 && (system || !s.catalogue[i].Node)
}

// AllPermissions returns the names of the whole catalogue.
func (s *Service) AllPermissions() []string { return s.expand([]string{everything}, true) }

// newID returns a new identifier of 130 random bits, such as "usr_mfrggzdf...".
func newID(prefix string) string { return prefix + "_" + strings.ToLower(rand.Text()) }

// FoldAddress returns an e-mail address as it is kept and compared: in lower case.
// It refuses what cannot be an envelope sender's mailbox (RFC 5321, section 4.1.2);
// quoted local parts are kept without their quotes, as Postfix reports them.
func FoldAddress(field, address string) (string, error) {
	a := strings.ToLower(strings.TrimSpace(address))
	at := strings.LastIndexByte(a, '@')
	if at < 1 || at > 64 || len(a) > 254 || !validDomain(a[at+1:]) || strings.ContainsFunc(a, unprintable) {
		return "", ErrAddress.At(field)
	}
	return a, db.Clean(field, a)
}

// unprintable reports what a name must not have: controls, and what turns the direction
// of text around (Unicode TR 9), so that it looks like another.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0xfffd
}

// validDomain accepts host names (RFC 1123, section 2.1), in their ASCII form.
func validDomain(d string) bool {
	for label := range strings.SplitSeq(d, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

func checkName(field, name string) error {
	n := len([]rune(name))
	if n < 1 || n > 200 || strings.ContainsFunc(name, unprintable) {
		return ErrName.At(field)
	}
	return db.Clean(field, name)
}
