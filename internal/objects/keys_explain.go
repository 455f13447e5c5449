package objects

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"

	"signet/internal/db"
	"signet/internal/sigv4"
	"signet/internal/ticket"
)

// Explain says why the door would refuse a request, by its head alone: whoever captured
// it need not be quick, so its time is taken for now. The secret of its key is used and
// not shown. The caller is the command line.
func (k *Keys) Explain(ctx context.Context, r *http.Request, region string) (sigv4.Explanation, error) {
	t := ticket.From(ctx)
	if t == nil || t.Kind != ticket.System {
		return sigv4.Explanation{}, ticket.ErrForbidden.Because("at the command line alone")
	}
	o := sigv4.Options{Region: region, Service: "s3"}
	known := sigv4.Explain(r, nil, o)
	if known.AccessKeyID == "" {
		return known, nil
	}
	cred, why, err := k.explained(ctx, known.AccessKeyID, token(r))
	if err != nil || cred == nil {
		return known, err
	}
	e := sigv4.Explain(r, cred, o)
	if why != "" {
		e.Reasons = append([]string{why}, e.Reasons...)
	}
	e.CanonicalRequest = withoutSecrets(e.CanonicalRequest)
	return e, nil
}

// token is the session token that a request carries, in its head or its query.
func token(r *http.Request) string {
	if t := r.Header.Get("X-Amz-Security-Token"); t != "" {
		return t
	}
	return r.URL.Query().Get("X-Amz-Security-Token")
}

// explained returns the credential of a key even where it ended, and why it may not sign.
func (k *Keys) explained(ctx context.Context, accessKeyID, sent string) (cred *sigv4.Credential, why string, err error) {
	err = k.db.View(ctx, func(tx *db.Tx) error {
		row, sealed, err := findKey(ctx, tx, accessKeyID, "")
		if errors.Is(err, ErrNoAccessKey) {
			cred, why, err = k.explainedSession(ctx, tx, accessKeyID, sent)
			return err
		}
		if err != nil {
			return err
		}
		secret, err := k.seal.Open(sealed, keyContext(row.ID))
		cred = sigv4.NewCredential(accessKeyID, string(secret), "", nil)
		switch may, alive := k.o.Accounts.MayAct(ctx, tx, row.User, row.Account); {
		case err != nil || alive != nil:
			return errors.Join(err, alive)
		case !row.Revoked.IsZero():
			why = "the access key was revoked on " + moment(row.Revoked)
		case !row.Live(k.o.Now()):
			why = "the access key expired on " + moment(row.Expires)
		case !may:
			why = "the user or the account of the access key is disabled"
		}
		return nil
	})
	return cred, why, err
}

// explainedSession is explained for temporary keys.
func (k *Keys) explainedSession(ctx context.Context, tx *db.Tx, accessKeyID, sent string) (*sigv4.Credential, string, error) {
	row, err := findSession(ctx, tx, accessKeyID)
	if errors.Is(err, errNoSession) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	secret, err := k.seal.Open(row.sealed, sessionContext(row.id))
	if err != nil {
		return nil, "", err
	}
	if hash := sha256.Sum256([]byte(sent)); subtle.ConstantTimeCompare(hash[:], row.hash) != 1 {
		// Of the right token only the hash is known: no request carries this one.
		return sigv4.NewCredential(accessKeyID, string(secret), "another token", nil), "", nil
	}
	why := ""
	if !k.o.Now().Before(row.expires) {
		why = "the temporary key expired on " + moment(row.expires)
	}
	return sigv4.NewCredential(accessKeyID, string(secret), sent, nil), why, nil
}
