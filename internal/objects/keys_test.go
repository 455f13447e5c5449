package objects_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/internal/account"
	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/seal"
	"signet/internal/sigv4"
	"signet/internal/ticket"
)

// office is an installation with keys: two accounts, with Ann and Bob in the first and
// Eve in the second. Its clock stands still unless it is moved.
type office struct {
	t     *testing.T
	d     *db.DB
	seal  *seal.Sealer
	ring  string // file of the master keys
	log   *book
	clock *clock
	alive bool // what temporary keys came of goes on

	accounts *account.Service
	buckets  *objects.Buckets
	keys     *objects.Keys
	access   *objects.Access

	acme, other   string // ids of accounts
	ann, bob, eve string // ids of users
}

type clock struct {
	lock sync.Mutex
	at   time.Time
}

func (c *clock) now() time.Time {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.at = c.at.Add(d)
}

// book is an audit log that remembers.
type book struct {
	lock sync.Mutex
	all  []audit.Event
}

func (b *book) Record(_ context.Context, _ *db.Tx, e audit.Event) error {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.all = append(b.all, e)
	return nil
}

func (b *book) RecordAlone(ctx context.Context, e audit.Event) error { return b.Record(ctx, nil, e) }

func (b *book) actions() (all []string) {
	b.lock.Lock()
	defer b.lock.Unlock()
	for _, e := range b.all {
		if strings.HasPrefix(e.Action, "objects.") {
			all = append(all, e.Action)
		}
	}
	return all
}

func newOffice(t *testing.T, d *db.DB) *office {
	t.Helper()
	ringFile := filepath.Join(t.TempDir(), "key")
	ring, err := seal.LoadOrCreate(ringFile, true)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := seal.Attach(t.Context(), d, ring)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, d: d, seal: sealer, ring: ringFile, log: &book{}, clock: &clock{at: time.Now().Truncate(time.Second)}, alive: true}
	o.accounts = account.New(d, o.log, o.clock.now, append(account.Permissions(), objects.Permissions()...), account.Closers{
		UserDisabled:   func(ctx context.Context, tx *db.Tx, user string) error { return o.keys.CloseUser(ctx, tx, user) },
		AddressRemoved: func(context.Context, *db.Tx, string, string) error { return nil },
	})
	o.buckets = objects.NewBuckets(d, o.log, o.clock.now)
	o.keys = o.newKeys(0)
	o.access = objects.NewAccess(d, o.buckets, o.log, o.keys, o.clock.now)
	o.acme, o.other = o.account("acme"), o.account("other")
	o.ann, o.bob, o.eve = o.user("ann@acme.test", "acme"), o.user("bob@acme.test", "acme"), o.user("eve@other.test", "other")
	return o
}

// newKeys is what another instance would have.
func (o *office) newKeys(rate int) *objects.Keys {
	return objects.NewKeys(o.d, o.seal, o.log, objects.KeyOptions{
		Accounts: o.accounts, Rate: rate, Overlap: 24 * time.Hour, Now: o.clock.now,
		Alive: func(context.Context, objects.Parent) (bool, error) { return o.alive, nil },
	})
}

// operator is the context of the command line.
func (o *office) operator() context.Context {
	return ticket.With(o.t.Context(), ticket.Operator(o.accounts.AllPermissions()))
}

// as is the context of somebody who signed in just now.
func (o *office) as(user, account string, permissions ...string) context.Context {
	return ticket.With(o.t.Context(), &ticket.Ticket{
		Kind: ticket.User, Subject: user, Account: account, Permissions: permissions, Session: "ses", AuthTime: o.clock.now(),
	})
}

func (o *office) account(name string) string {
	o.t.Helper()
	a, err := o.accounts.CreateAccount(o.operator(), name)
	if err != nil {
		o.t.Fatal(err)
	}
	return a.ID
}

func (o *office) user(email, account string) string {
	o.t.Helper()
	u, err := o.accounts.CreateUser(o.operator(), accountUser(email, account))
	if err != nil {
		o.t.Fatal(err)
	}
	return u.ID
}

func accountUser(email, name string) account.NewUser {
	return account.NewUser{Email: email, Account: name}
}

func (o *office) key(ctx context.Context, n objects.NewKey) (objects.Key, string) {
	o.t.Helper()
	if n.Name == "" {
		n.Name = "app"
	}
	k, secret, err := o.keys.Create(ctx, n)
	if err != nil {
		o.t.Fatal(err)
	}
	return k, secret
}

// caller is who signs with a key, as the door sees it.
func (o *office) caller(accessKeyID string) objects.Caller {
	o.t.Helper()
	c, err := o.keys.Lookup(o.t.Context(), accessKeyID, "")
	if err != nil || c == nil {
		o.t.Fatalf("lookup of %s: %v, %v", accessKeyID, c, err)
	}
	caller, _ := c.Holder().(objects.Caller)
	return caller
}

func signs(t *testing.T, k *objects.Keys, accessKeyID string) bool {
	t.Helper()
	c, err := k.Lookup(t.Context(), accessKeyID, "")
	if err != nil {
		t.Fatal(err)
	}
	return c != nil
}

func TestKeyIsShownOnceAndSealedAtRest(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		k, secret := o.key(o.operator(), objects.NewKey{Account: "acme", Name: "app"})
		if len(k.AccessKeyID) != 20 || !strings.HasPrefix(k.AccessKeyID, "AKIA") || len(secret) != 40 {
			t.Errorf("got %s with a secret of %d characters", k.AccessKeyID, len(secret))
		}
		c := o.caller(k.AccessKeyID)
		want := objects.Caller{Key: k.ID, AccessKeyID: k.AccessKeyID, Name: "app", Account: o.acme, Owner: "key:" + k.ID}
		if c != want {
			t.Errorf("got %+v, want %+v", c, want)
		}
		var sealed []byte
		if err := d.SQL().QueryRowContext(t.Context(), `SELECT secret_sealed FROM api_keys`).Scan(&sealed); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(sealed, []byte(secret)) {
			t.Error("the secret stands in the table")
		}
		for _, e := range o.log.all {
			if text := strings.Contains(strings.Join(detailOf(e), " "), secret); text {
				t.Errorf("the secret stands in the audit log: %+v", e)
			}
		}
		opened, err := o.seal.Open(sealed, objects.SealedColumns()[0].Context([]string{k.ID}))
		if err != nil || string(opened) != secret {
			t.Errorf("a rotation of the master key cannot open it: %v", err)
		}
	})
}

func TestKeysOutliveTheMasterKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		k, secret := o.key(o.operator(), objects.NewKey{})
		stored := func() (sealed []byte) {
			t.Helper()
			if err := d.SQL().QueryRowContext(t.Context(), `SELECT secret_sealed FROM api_keys`).Scan(&sealed); err != nil {
				t.Fatal(err)
			}
			return sealed
		}
		before := stored()
		if err := seal.Rotate(t.Context(), d, o.ring, objects.SealedColumns(), func(int, int) {}); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(stored(), before) {
			t.Error("the secret is wrapped by the master key of before")
		}
		opened, err := o.seal.Open(stored(), objects.SealedColumns()[0].Context([]string{k.ID}))
		if err != nil || string(opened) != secret {
			t.Errorf("afterwards it does not open: %v", err)
		}
	})
}

func detailOf(e audit.Event) (all []string) {
	if m, ok := e.Detail.(map[string]any); ok {
		for _, v := range m {
			if s, ok := v.(string); ok {
				all = append(all, s)
			}
		}
	}
	return append(all, e.Target, e.Reason)
}

func TestSecretIsTheOneThatSigns(t *testing.T) {
	o := newOffice(t, dbtest.SQLite(t))
	k, secret := o.key(o.operator(), objects.NewKey{})
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://s3.test/files", nil)
	opts := sigv4.Options{Now: o.clock.now(), Region: "us-east-1", Service: "s3"}
	sigv4.Sign(r, sigv4.NewCredential(k.AccessKeyID, secret, "", nil), "UNSIGNED-PAYLOAD", opts)
	id, _, err := sigv4.Verify(r, o.keys.Lookup, opts)
	if err != nil || id.AccessKeyID != k.AccessKeyID {
		t.Errorf("got %+v, %v", id, err)
	}
}

func TestRevocationCountsAtOnceHereAndWithinTwoSecondsElsewhere(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		elsewhere := o.newKeys(0)
		k, _ := o.key(o.operator(), objects.NewKey{})
		if !signs(t, o.keys, k.AccessKeyID) || !signs(t, elsewhere, k.AccessKeyID) {
			t.Fatal("a new key does not sign")
		}
		if err := o.keys.Revoke(o.operator(), k.AccessKeyID); err != nil {
			t.Fatal(err)
		}
		if signs(t, o.keys, k.AccessKeyID) {
			t.Error("the revoked key signs here")
		}
		o.clock.advance(1900 * time.Millisecond)
		if signs(t, elsewhere, k.AccessKeyID) {
			t.Error("the revoked key signs elsewhere after 1.9 seconds")
		}
		if err := o.keys.Revoke(o.operator(), k.AccessKeyID); err != nil {
			t.Errorf("revoking twice: %v", err)
		}
	})
}

func TestCredentialStaysForAsLongAsItsRow(t *testing.T) {
	o := newOffice(t, dbtest.SQLite(t))
	k, _ := o.key(o.operator(), objects.NewKey{})
	before, err := o.keys.Lookup(t.Context(), k.AccessKeyID, "")
	if err != nil {
		t.Fatal(err)
	}
	o.clock.advance(time.Hour)
	if after, _ := o.keys.Lookup(t.Context(), k.AccessKeyID, ""); after != before {
		t.Error("the signing key would be derived anew")
	}
}

func TestKeyExpires(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		k, _ := o.key(o.operator(), objects.NewKey{Expires: o.clock.now().Add(500 * time.Millisecond)})
		if !signs(t, o.keys, k.AccessKeyID) {
			t.Error("it does not sign before")
		}
		o.clock.advance(500 * time.Millisecond)
		if signs(t, o.keys, k.AccessKeyID) {
			t.Error("it signs afterwards: what was read a moment ago must not outlive it")
		}
		if _, _, err := o.keys.Create(o.operator(), objects.NewKey{Name: "x", Expires: o.clock.now()}); !errors.Is(err, objects.ErrKeyExpiry) {
			t.Errorf("expired already: got %v", err)
		}
	})
}

func TestRotationOverlaps(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		grants := []objects.Allowance{{Bucket: "files", Role: objects.Read}}
		old, first := o.key(o.operator(), objects.NewKey{Account: "acme", Grants: grants, Rate: 7})
		next, second, err := o.keys.Rotate(o.operator(), old.AccessKeyID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if next.AccessKeyID == old.AccessKeyID || first == second || next.Predecessor != old.ID || next.Rate != 7 || !next.Limited {
			t.Errorf("got %+v after %+v", next, old)
		}
		c := o.caller(next.AccessKeyID)
		if c.Owner != "key:"+old.ID || !c.Limited {
			t.Errorf("got %+v", c)
		}
		bucket := objects.Bucket{Name: "files", Account: o.acme, Owner: "user:" + o.ann}
		if err := o.access.Allow(t.Context(), c, objects.Question{Action: "s3:GetObject", Needs: objects.Read, Bucket: bucket, Key: "k"}); err != nil {
			t.Errorf("the successor may not what the key before might: %v", err)
		}
		if !signs(t, o.keys, old.AccessKeyID) {
			t.Error("the old key does not sign in the overlap")
		}
		if _, _, err := o.keys.Rotate(o.operator(), old.AccessKeyID, 0); !errors.Is(err, objects.ErrKeyEnded) {
			t.Errorf("rotating it twice: got %v", err)
		}
		o.clock.advance(time.Hour)
		if signs(t, o.keys, old.AccessKeyID) || !signs(t, o.keys, next.AccessKeyID) {
			t.Error("after the overlap the old key signs, or the new one does not")
		}
		third, _, err := o.keys.Rotate(o.operator(), next.AccessKeyID, 0)
		if err != nil || signs(t, o.keys, next.AccessKeyID) || !signs(t, o.keys, third.AccessKeyID) {
			t.Errorf("without overlap: %v", err)
		}
	})
}

func TestConfiguredKeyIsWrittenOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		const id, secret = "AKIAFIRSTFIRSTFIRST2", "a secret of the environment"
		for range 2 {
			if err := o.keys.First(o.operator(), id, secret); err != nil {
				t.Fatal(err)
			}
		}
		if !signs(t, o.keys, id) {
			t.Error("it does not sign")
		}
		if err := o.keys.First(o.operator(), id, "another secret of it"); !errors.Is(err, objects.ErrKeySecret) {
			t.Errorf("changed secret: got %v", err)
		}
		if err := o.keys.Revoke(o.operator(), id); err != nil {
			t.Fatal(err)
		}
		if err := o.keys.First(o.operator(), id, secret); err != nil || signs(t, o.keys, id) {
			t.Errorf("revoked: it is back, or %v", err)
		}
	})
}

func TestKeysEndWithTheirUser(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		k, _ := o.key(o.as(o.ann, o.acme), objects.NewKey{User: o.ann})
		if !signs(t, o.keys, k.AccessKeyID) {
			t.Fatal("it does not sign")
		}
		if err := o.accounts.Disable(o.operator(), o.ann); err != nil {
			t.Fatal(err)
		}
		if signs(t, o.keys, k.AccessKeyID) {
			t.Error("the key of a disabled user signs")
		}
		if err := o.accounts.Enable(o.operator(), o.ann); err != nil {
			t.Fatal(err)
		}
		if signs(t, o.keys, k.AccessKeyID) {
			t.Error("it is back with the user")
		}
		if !slices.Contains(o.log.actions(), "objects.revoke_keys") {
			t.Errorf("audit: got %v", o.log.actions())
		}
	})
}

func TestKeysOfADisabledAccountWait(t *testing.T) {
	o := newOffice(t, dbtest.SQLite(t))
	k, _ := o.key(o.operator(), objects.NewKey{Account: "acme"})
	if err := o.accounts.DisableAccount(o.operator(), "acme"); err != nil {
		t.Fatal(err)
	}
	o.clock.advance(time.Second)
	if signs(t, o.keys, k.AccessKeyID) {
		t.Error("it signs")
	}
	if err := o.accounts.EnableAccount(o.operator(), "acme"); err != nil {
		t.Fatal(err)
	}
	o.clock.advance(time.Second)
	if !signs(t, o.keys, k.AccessKeyID) {
		t.Error("it does not sign again")
	}
}

func TestWhoManagesKeys(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		own, _ := o.key(o.as(o.ann, o.acme), objects.NewKey{User: o.ann, Name: "ann's"})
		shared, _ := o.key(o.as(o.bob, o.acme, "objects:write"), objects.NewKey{Name: "shared"})
		stale := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: o.ann, Account: o.acme, Session: "s", AuthTime: o.clock.now().Add(-time.Hour)})
		narrow := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: o.ann, Account: o.acme, Scopes: []string{"users:read"}, AMR: []string{"api_token"}})
		for name, c := range map[string]struct {
			do   func() error
			want error
		}{
			"nobody makes a key":              {func() error { _, _, err := o.keys.Create(t.Context(), objects.NewKey{Name: "x"}); return err }, ticket.ErrNone},
			"a user makes one of the account": {func() error { _, _, err := o.keys.Create(o.as(o.ann, o.acme), objects.NewKey{Name: "x"}); return err }, ticket.ErrForbidden},
			"a user makes one that acts for another": {func() error {
				_, _, err := o.keys.Create(o.as(o.bob, o.acme, "objects:write"), objects.NewKey{Name: "x", User: o.ann})
				return err
			}, objects.ErrNoKeyUser},
			"a user makes one long after signing in": {func() error { _, _, err := o.keys.Create(stale, objects.NewKey{Name: "x", User: o.ann}); return err }, ticket.ErrStepUp},
			"a narrow token makes one":               {func() error { _, _, err := o.keys.Create(narrow, objects.NewKey{Name: "x", User: o.ann}); return err }, ticket.ErrForbidden},
			"a narrow token lists":                   {func() error { _, err := o.keys.List(narrow, objects.KeyFilter{}); return err }, ticket.ErrForbidden},
			"an administrator makes one of another account": {func() error {
				_, _, err := o.keys.Create(o.as(o.bob, o.acme, "objects:write"), objects.NewKey{Name: "x", Account: "other"})
				return err
			}, account.ErrNoAccount},
			"the command line makes one for nobody": {func() error {
				_, _, err := o.keys.Create(o.operator(), objects.NewKey{Name: "x", User: o.eve, Account: "acme"})
				return err
			}, objects.ErrNoKeyUser},
			"no name":                                 {func() error { _, _, err := o.keys.Create(o.operator(), objects.NewKey{}); return err }, objects.ErrKeyName},
			"another user sees it":                    {func() error { _, err := o.keys.Get(o.as(o.bob, o.acme), own.AccessKeyID); return err }, ticket.ErrForbidden},
			"an administrator sees it":                {func() error { _, err := o.keys.Get(o.as(o.bob, o.acme, "objects:read"), own.AccessKeyID); return err }, nil},
			"another account's administrator sees it": {func() error { _, err := o.keys.Get(o.as(o.eve, o.other, "objects:read"), own.AccessKeyID); return err }, objects.ErrNoAccessKey},
			"an administrator rotates a user's": {func() error {
				_, _, err := o.keys.Rotate(o.as(o.bob, o.acme, "objects:write"), own.AccessKeyID, 0)
				return err
			}, objects.ErrKeyOfUser},
			"a user rotates one of the account":          {func() error { _, _, err := o.keys.Rotate(o.as(o.ann, o.acme), shared.AccessKeyID, 0); return err }, ticket.ErrForbidden},
			"a user rotates their own, stale":            {func() error { _, _, err := o.keys.Rotate(stale, own.AccessKeyID, 0); return err }, ticket.ErrStepUp},
			"another account's administrator revokes it": {func() error { return o.keys.Revoke(o.as(o.eve, o.other, "objects:write"), own.AccessKeyID) }, objects.ErrNoAccessKey},
			"a user revokes one that is not there":       {func() error { return o.keys.Revoke(o.as(o.ann, o.acme), "AKIANOBODYNOBODY2222") }, ticket.ErrForbidden},
			"an overlap too long":                        {func() error { _, _, err := o.keys.Rotate(o.operator(), own.AccessKeyID, 91*24*time.Hour); return err }, objects.ErrOverlap},
		} {
			if err := c.do(); !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", name, err, c.want)
			}
		}
		for name, c := range map[string]struct {
			ctx    context.Context
			filter objects.KeyFilter
			want   []string
		}{
			"a user":                          {o.as(o.ann, o.acme), objects.KeyFilter{}, []string{"ann's"}},
			"another user":                    {o.as(o.bob, o.acme), objects.KeyFilter{}, nil},
			"an administrator":                {o.as(o.bob, o.acme, "objects:read"), objects.KeyFilter{}, []string{"ann's", "shared"}},
			"an administrator, of their own":  {o.as(o.bob, o.acme, "objects:read"), objects.KeyFilter{Own: true}, nil},
			"another account's administrator": {o.as(o.eve, o.other, "objects:read"), objects.KeyFilter{Account: o.acme}, nil},
			"the command line":                {o.operator(), objects.KeyFilter{Account: o.acme}, []string{"ann's", "shared"}},
		} {
			list, err := o.keys.List(c.ctx, c.filter)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			var got []string
			for _, k := range list {
				got = append(got, k.Name)
			}
			if slices.Sort(got); !slices.Equal(got, c.want) {
				t.Errorf("%s sees %v, want %v", name, got, c.want)
			}
		}
		if err := o.keys.Revoke(o.as(o.ann, o.acme), own.AccessKeyID); err != nil {
			t.Errorf("a user revokes their own: %v", err)
		}
	})
}

func TestKeyHasARateOfItsOwn(t *testing.T) {
	o := newOffice(t, dbtest.SQLite(t))
	slow, _ := o.key(o.operator(), objects.NewKey{Rate: 1})
	usual, _ := o.key(o.operator(), objects.NewKey{})
	slowly, usually := o.caller(slow.AccessKeyID), o.caller(usual.AccessKeyID)
	if err := o.keys.Admit(slowly); err != nil {
		t.Errorf("first: %v", err)
	}
	if err := o.keys.Admit(slowly); !errors.Is(err, objects.ErrSlowDown) {
		t.Errorf("second within the second: got %v, want ErrSlowDown", err)
	}
	for range 1000 {
		if err := o.keys.Admit(usually); err != nil {
			t.Fatalf("a key without a rate: %v", err)
		}
	}
}

func TestUseIsNotedOffThePath(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		k, _ := o.key(o.operator(), objects.NewKey{})
		if err := o.keys.Admit(o.caller(k.AccessKeyID)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // Run writes what is left, and ends
		if err := o.keys.Run(ctx); err != nil {
			t.Fatal(err)
		}
		got, err := o.keys.Get(o.operator(), k.AccessKeyID)
		if err != nil || !got.LastUsed.Equal(o.clock.now()) {
			t.Errorf("got %v, %v, want %v", got.LastUsed, err, o.clock.now())
		}
	})
}
