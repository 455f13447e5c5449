package objects

import (
	"context"
	"crypto/sha256"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/seal"
	"signet/internal/ticket"
)

// Temporary is a key that ends by itself.
type Temporary struct {
	ID           string
	AccessKeyID  string
	Secret       string
	SessionToken string
	Expires      time.Time
}

// newTemporary is what a temporary key is made from.
type newTemporary struct {
	name, role string
	account    string
	grants     []Allowance // of roles of the configuration
	subject    string      // of the token, for the audit log
	parent     Parent
	expires    time.Time
}

// temporaryKey makes a temporary key. It returns ErrAccessDenied where the user or the
// account is disabled.
func (k *Keys) temporaryKey(ctx context.Context, n newTemporary) (Temporary, error) {
	token, _ := seal.NewSecret("sgst_")
	made := Temporary{
		ID: newID("tmp"), AccessKeyID: newAccessKeyID("ASIA"), Secret: newSecret(), SessionToken: token,
		Expires: n.expires.UTC().Truncate(time.Second),
	}
	hash := sha256.Sum256([]byte(token))
	sealed, err := k.seal.Seal([]byte(made.Secret), sessionContext(made.ID))
	if err != nil {
		return Temporary{}, err
	}
	row := tempKey{
		id: made.ID, accessKeyID: made.AccessKeyID, name: n.name, role: n.role, account: n.account, user: n.parent.User, owner: roleOwner + n.role,
		grants: n.grants, parent: n.parent, sealed: sealed, hash: hash[:], created: db.Now(k.o.Now()), expires: made.Expires,
	}
	if n.parent.User != "" {
		row.owner = "user:" + n.parent.User
	}
	err = k.db.Update(ctx, func(tx *db.Tx) error {
		may, err := k.o.Accounts.MayAct(ctx, tx, row.user, row.account)
		if err != nil {
			return err
		}
		if !may {
			return ErrAccessDenied
		}
		if err := insertSession(ctx, tx, row); err != nil {
			return err
		}
		return k.audit.Record(ctx, tx, audit.Event{
			Action: "objects.assume_role", Target: made.AccessKeyID, Account: row.account, Actor: n.actor(),
			Detail: map[string]any{"role": n.role, "session_name": n.name, "subject": n.subject, "client": n.parent.Client},
		})
	})
	return made, err
}

// actor is who asked, as the audit log names them: the user or, of another issuer's
// token, the role.
func (n newTemporary) actor() audit.Actor {
	if n.parent.User != "" {
		return audit.Actor{Kind: ticket.User, ID: n.parent.User}
	}
	return audit.Actor{Kind: ticket.Client, ID: roleOwner + n.role}
}
