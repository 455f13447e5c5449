package account

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"time"

	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/seal"
)

// MFATicketPrefix begins the secret of an MFA ticket.
const MFATicketPrefix = "sgm_"

// MFATicketLife is how long a sign-in waits for its second factor.
const MFATicketLife = 10 * time.Minute

// ErrMFATicket is the one answer to every ticket that opens nothing: unknown,
// expired, used, or of another browser.
var ErrMFATicket = fault.New(fault.Unauthorized, "the sign-in took too long, or was finished: begin again").Named("mfa-ticket")

// MFATicket is a sign-in whose first factor is proven and whose second is not. It
// opens the asking for that one, and nothing else.
type MFATicket struct {
	User    string
	Account string // id; empty where the first factor did not tell
	AMR     []string
	Purpose string // such as "sign-in"; the caller's word, which the caller compares
	Facts   MFAFacts
	Browser string    // a secret of the browser, which its cookie keeps; only its hash is stored, so never returned
	Created time.Time // set by NewMFATicket: when the first factor was proven
	Expires time.Time // set by NewMFATicket
}

// MFAFacts are what the answer to the finished sign-in tells of its first factor.
type MFAFacts struct {
	Provider string `json:"provider,omitempty"`
	Created  bool   `json:"created,omitempty"` // the user is new
	Linked   bool   `json:"linked,omitempty"`  // the identity is new

	// Of a first sign-in that waits for a mailed code: who it is, and the code's hash.
	Pending  *authapi.OAuthRequest `json:"pending,omitempty"`
	CodeHash []byte                `json:"code_hash,omitempty"`
}

// errUnbound is of a ticket that any browser could use.
var errUnbound = errors.New("MFA ticket without a browser")

// NewMFATicket keeps a ticket in tx, of a user held by the caller (see
// [Service.Hold]), for MFATicketLife, and returns its secret. It needs User, AMR,
// Purpose and Browser.
func (s *Sessions) NewMFATicket(ctx context.Context, tx *db.Tx, m MFATicket) (string, error) {
	if m.Browser == "" {
		return "", errUnbound
	}
	secret, hash := seal.NewSecret(MFATicketPrefix)
	now := db.Now(s.users.now())
	_, err := tx.ExecContext(ctx, `
		INSERT INTO mfa_tickets (hash, browser_hash, user_id, account_id, amr, purpose, facts, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		hash, browserHash(m.Browser), m.User, sql.NullString{String: m.Account, Valid: m.Account != ""},
		db.JSON[[]string]{V: m.AMR}, m.Purpose, db.JSON[MFAFacts]{V: m.Facts}, now, now.Add(MFATicketLife))
	if err != nil {
		return "", err
	}
	return secret, nil
}

// MFATicket returns the ticket of that secret and browser, or ErrMFATicket. It stays
// good, since people mistype codes: [Sessions.ConsumeMFATicket] ends it.
func (s *Sessions) MFATicket(ctx context.Context, secret, browser string) (m MFATicket, err error) {
	if !isSecret(secret, MFATicketPrefix) {
		return MFATicket{}, ErrMFATicket
	}
	err = s.users.db.View(ctx, func(tx *db.Tx) (err error) {
		m, err = findMFATicket(ctx, tx, seal.SecretHash(secret), browserHash(browser), db.Now(s.users.now()))
		return err
	})
	return m, err
}

// ConsumeMFATicket ends a ticket in the transaction that finishes the sign-in. Of
// many at once one gets nil, and the others ErrMFATicket.
func (s *Sessions) ConsumeMFATicket(ctx context.Context, tx *db.Tx, secret string) error {
	return oneRow(ErrMFATicket)(tx.ExecContext(ctx, `
		DELETE FROM mfa_tickets WHERE hash = $1 AND expires_at > $2`, seal.SecretHash(secret), db.Now(s.users.now())))
}

func browserHash(browser string) []byte {
	h := sha256.Sum256([]byte(browser))
	return h[:]
}

func findMFATicket(ctx context.Context, tx *db.Tx, hash, browser []byte, now time.Time) (m MFATicket, err error) {
	var account sql.NullString
	var amr db.JSON[[]string]
	var facts db.JSON[MFAFacts]
	err = tx.QueryRowContext(ctx, `
		SELECT user_id, account_id, amr, purpose, facts, created_at, expires_at FROM mfa_tickets
		WHERE hash = $1 AND browser_hash = $2 AND expires_at > $3`, hash, browser, now).
		Scan(&m.User, &account, &amr, &m.Purpose, &facts, &m.Created, &m.Expires)
	if errors.Is(err, sql.ErrNoRows) {
		return MFATicket{}, ErrMFATicket
	}
	m.Account, m.AMR, m.Facts = account.String, amr.V, facts.V
	m.Created, m.Expires = m.Created.UTC(), m.Expires.UTC()
	return m, err
}

func deleteMFATickets(ctx context.Context, tx *db.Tx, user string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM mfa_tickets WHERE user_id = $1`, user)
	return err
}

func expireMFATickets(ctx context.Context, tx *db.Tx, now time.Time) (int64, error) {
	res, err := tx.ExecContext(ctx, `
		DELETE FROM mfa_tickets WHERE hash IN (
			SELECT hash FROM mfa_tickets WHERE expires_at <= $1
			ORDER BY expires_at LIMIT $2`+tx.Dialect().SkipLocked()+`)`, now, sessionBatch)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
