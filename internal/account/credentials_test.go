package account_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/internal/account"
	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/limit"
	"signet/internal/seal"
	"signet/internal/ticket"
)

// good is a password that is long enough to stand alone.
const good = "wooden elbow parade 42"

// person is a user with the credentials of a fresh installation.
type person struct {
	*account.Credentials
	users *account.Service
	keys  *account.Passkeys
	told  *told
	db    *db.DB
	seal  *seal.Sealer
	audit account.Auditor
	clock time.Time
	account.User
}

// eachPerson runs test with a user alice@example.org, who has nothing yet.
func eachPerson(t *testing.T, test func(t *testing.T, p *person)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		sealer, err := seal.Attach(t.Context(), d, seal.NewRing(seal.NewKey()))
		if err != nil {
			t.Fatal(err)
		}
		p := &person{db: d, seal: sealer, told: &told{}, audit: audit.Discard, clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		p.start(t)
		op := p.operator(t.Context())
		if p.User, err = p.users.CreateUser(op, account.NewUser{Email: "alice@example.org", DisplayName: "Alice Rabbithole"}); err != nil {
			t.Fatal(err)
		}
		test(t, p)
	})
}

// told keeps what users were told, in place of mails.
type told struct {
	mu      sync.Mutex
	changes []string
}

func (*told) IdentityLinked(context.Context, account.NewIdentity) {}

func (n *told) CredentialChanged(_ context.Context, c account.CredentialChange) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes = append(n.changes, strings.TrimSpace(c.User.DisplayName+" "+c.What+" "+c.Name))
}

// start makes the services anew, as a restart does.
func (p *person) start(t *testing.T) {
	t.Helper()
	p.users = account.New(p.db, p.audit, func() time.Time { return p.clock }, catalogue, account.Closers{
		UserDisabled:   func(context.Context, *db.Tx, string) error { return nil },
		AddressRemoved: func(context.Context, *db.Tx, string, string) error { return nil },
	})
	p.Credentials = account.NewCredentials(p.users, limit.NewSQL(p.db), p.seal, p.told)
	var err error
	p.keys, err = account.NewPasskeys(p.Credentials, account.PasskeyOptions{
		RPID: "login.example.org", Origins: []string{"https://login.example.org"}, RPName: "Signet",
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (p *person) operator(ctx context.Context) context.Context {
	return ticket.With(ctx, ticket.Operator(p.users.AllPermissions()))
}

// signedIn is the context of the user, who proved themselves that long ago.
func (p *person) signedIn(ctx context.Context, ago time.Duration) context.Context {
	return ticket.With(ctx, &ticket.Ticket{Kind: ticket.User, Subject: p.ID, AuthTime: p.clock.Add(-ago)})
}

func (p *person) setPassword(t *testing.T, password string) {
	t.Helper()
	if err := p.SetPassword(p.signedIn(t.Context(), 0), p.ID, "", password); err != nil {
		t.Fatalf("set password: %v", err)
	}
}

// link gives the user an identity beside the password.
func (p *person) link(t *testing.T) {
	t.Helper()
	if _, err := p.db.SQL().ExecContext(t.Context(), `
		INSERT INTO account_identities (id, user_id, issuer, provider, provider_sub, email, display_name, created_at, last_used_at)
		VALUES ('idn_1', $1, 'https://github.com', 'github', '1', '', '', $2, $2)`, p.ID, p.clock); err != nil {
		t.Fatal(err)
	}
}

// journal keeps what was recorded, in place of the audit log.
type journal struct{ actions []string }

func (j *journal) Record(_ context.Context, _ *db.Tx, e audit.Event) error {
	j.actions = append(j.actions, e.Action)
	return nil
}

func TestEachChangeOfACredentialIsRecorded(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		j := &journal{}
		p.audit = j
		p.start(t)
		p.link(t)
		ctx := p.signedIn(t.Context(), 0)
		p.setPassword(t, good)
		e := p.enrol(t)
		if _, err := p.CheckRecoveryCode(ctx, p.ID, e.RecoveryCodes[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := p.RegenerateRecoveryCodes(ctx, p.ID); err != nil {
			t.Fatal(err)
		}
		if err := p.RemoveTOTP(ctx, p.ID); err != nil {
			t.Fatal(err)
		}
		if err := p.RemovePassword(ctx, p.ID); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"user.password_set", "user.totp_begin", "user.totp_add", "user.recovery_use", "user.recovery_renew",
			"user.totp_remove", "user.password_remove",
		}
		if diff := cmp.Diff(want, j.actions); diff != "" {
			t.Errorf("recorded (-want +got):\n%s", diff)
		}
		const alice = "Alice Rabbithole "
		want = []string{
			alice + "password-set", alice + "totp-added", alice + "recovery-codes-made", alice + "totp-removed", alice + "password-removed",
		}
		if diff := cmp.Diff(want, p.told.changes); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}
