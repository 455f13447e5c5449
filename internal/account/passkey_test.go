package account_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"signet/internal/account"
	"signet/internal/fault"
	"signet/internal/ticket"
)

// device is an authenticator with one passkey, in the browser of its user.
type device struct {
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	cred virtualwebauthn.Credential
}

func newDevice() *device {
	d := &device{
		rp:   virtualwebauthn.RelyingParty{ID: "login.example.org", Name: "Signet", Origin: "https://login.example.org"},
		auth: virtualwebauthn.NewAuthenticator(),
	}
	// The library loses leading zeros of a coordinate, which makes a bad key of one in 128.
	for d.cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(d.cred.Key.AttestationData()) != 77; {
		d.cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	return d
}

// create answers a registration, and remembers the user handle as a discoverable passkey does.
func (d *device) create(t *testing.T, c account.PasskeyChallenge) []byte {
	t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(string(c.Options))
	if err != nil {
		t.Fatal(err)
	}
	d.auth.Options.UserHandle = []byte(o.UserID)
	return []byte(virtualwebauthn.CreateAttestationResponse(d.rp, d.auth, d.cred, *o))
}

// get answers with an assertion.
func (d *device) get(t *testing.T, c account.PasskeyChallenge) []byte {
	t.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(string(c.Options))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(virtualwebauthn.CreateAssertionResponse(d.rp, d.auth, d.cred, *o))
}

// as is the context of a user, named by id, who has just proven themselves.
func (p *person) as(ctx context.Context, user string) context.Context {
	return ticket.With(ctx, &ticket.Ticket{Kind: ticket.User, Subject: user, AuthTime: p.clock})
}

// other is one more user.
func (p *person) other(t *testing.T) account.User {
	t.Helper()
	u, err := p.users.CreateUser(p.operator(t.Context()), account.NewUser{Email: "mallory@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (p *person) beginRegistration(t *testing.T, user string) account.PasskeyChallenge {
	t.Helper()
	c, err := p.keys.BeginRegistration(p.as(t.Context(), user), user)
	if err != nil {
		t.Fatalf("begin registration: %v", err)
	}
	return c
}

func (p *person) beginSignIn(t *testing.T) account.PasskeyChallenge {
	t.Helper()
	c, err := p.keys.BeginSignIn(t.Context())
	if err != nil {
		t.Fatalf("begin sign-in: %v", err)
	}
	return c
}

func (p *person) beginFactor(t *testing.T, user string) account.PasskeyChallenge {
	t.Helper()
	c, err := p.keys.BeginFactor(t.Context(), user)
	if err != nil {
		t.Fatalf("begin factor: %v", err)
	}
	return c
}

// register gives a user, named by id, a passkey on d.
func (p *person) register(t *testing.T, user string, d *device) account.Passkey {
	t.Helper()
	c := p.beginRegistration(t, user)
	k, err := p.keys.FinishRegistration(p.as(t.Context(), user), user, c.Handle, "", d.create(t, c))
	if err != nil {
		t.Fatalf("register: %v", err)
	}
	return k
}

// signIn answers a fresh challenge.
func (p *person) signIn(t *testing.T, d *device) error {
	t.Helper()
	c := p.beginSignIn(t)
	_, _, err := p.keys.FinishSignIn(t.Context(), c.Handle, d.get(t, c))
	return err
}

// logged runs f and returns what it logged.
func logged(t *testing.T, f func()) string {
	t.Helper()
	var b bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
	defer slog.SetDefault(before)
	f()
	return b.String()
}

func TestPasskeyIsAWholeSignIn(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		d := newDevice()
		d.auth.Options.BackupEligible = true
		made := p.register(t, p.ID, d)
		p.clock = p.clock.Add(time.Hour)
		d.auth.Options.BackupState = true
		c := p.beginSignIn(t)
		u, k, err := p.keys.FinishSignIn(t.Context(), c.Handle, d.get(t, c))
		if err != nil || u.ID != p.ID {
			t.Fatalf("got %s, %v, want %s", u.ID, err, p.ID)
		}
		want := made
		want.LastUsed, want.Synced = p.clock, true
		if diff := cmp.Diff(want, k); diff != "" {
			t.Errorf("passkey (-want +got):\n%s", diff)
		}
		all, err := p.keys.List(p.signedIn(t.Context(), time.Hour), p.ID)
		if diff := cmp.Diff([]account.Passkey{want}, all); diff != "" || err != nil {
			t.Errorf("list: %v (-want +got):\n%s", err, diff)
		}
		if !made.LastUsed.IsZero() || made.Synced || made.User != p.ID || made.AAGUID != uuid.UUID(d.auth.Aaguid).String() {
			t.Errorf("made: got %+v", made)
		}
	})
}

func TestBrowserIsAskedForAVerifiedDiscoverablePasskey(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		first := p.beginRegistration(t, p.ID)
		var o struct {
			RP                     struct{ ID, Name string }
			User                   struct{ ID, Name, DisplayName string }
			PubKeyCredParams       []struct{ Alg int }
			AuthenticatorSelection struct {
				ResidentKey, UserVerification string
				RequireResidentKey            bool
			}
			Attestation string
			Timeout     int
		}
		if err := json.Unmarshal(first.Options, &o); err != nil {
			t.Fatal(err)
		}
		s := o.AuthenticatorSelection
		if s.ResidentKey != "required" || !s.RequireResidentKey || s.UserVerification != "required" || o.Attestation != "none" {
			t.Errorf("got %+v, attestation %s", s, o.Attestation)
		}
		if o.RP.ID != "login.example.org" || o.RP.Name != "Signet" || o.User.Name != "alice@example.org" || o.Timeout != 300_000 {
			t.Errorf("got %+v", o)
		}
		algorithms := []int{}
		for _, a := range o.PubKeyCredParams {
			algorithms = append(algorithms, a.Alg)
		}
		if diff := cmp.Diff([]int{-7, -8, -257}, algorithms); diff != "" {
			t.Errorf("algorithms (-want +got):\n%s", diff)
		}
		if !first.Expires.Equal(p.clock.Add(account.PasskeyTime)) {
			t.Errorf("expires %v", first.Expires)
		}
		if text := string(p.beginSignIn(t).Options); !strings.Contains(text, `"userVerification":"required"`) || strings.Contains(text, "allowCredentials") {
			t.Errorf("sign-in: got %s", text)
		}
	})
}

func TestPasskeysOfAUserShareAHandleThatTellsNothing(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		first, second, others := newDevice(), newDevice(), newDevice()
		p.register(t, p.ID, first)
		p.register(t, p.ID, second)
		p.register(t, p.other(t).ID, others)
		handle := first.auth.Options.UserHandle
		if len(handle) != 32 || !bytes.Equal(handle, second.auth.Options.UserHandle) {
			t.Errorf("got %x and %x", handle, second.auth.Options.UserHandle)
		}
		if bytes.Equal(handle, others.auth.Options.UserHandle) || bytes.Contains(handle, []byte(p.ID)) {
			t.Errorf("got %x, and %x of another", handle, others.auth.Options.UserHandle)
		}
	})
}

func TestAssertionThatProvesNothingHasOneAnswer(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		d := newDevice()
		p.register(t, p.ID, d)
		otherUser := p.other(t)
		others := newDevice()
		p.register(t, otherUser.ID, others)
		tamper := func(text, with string) func([]byte) []byte {
			return func(b []byte) []byte { return bytes.Replace(b, []byte(text), []byte(with), 1) }
		}
		for _, c := range []struct {
			name   string
			change func(d *device, c *account.PasskeyChallenge)
			answer func([]byte) []byte
			reason string
		}{
			{name: "foreign origin", change: func(d *device, _ *account.PasskeyChallenge) { d.rp.Origin = "https://evil.example.org" }, reason: "Error validating origin"},
			{name: "http", change: func(d *device, _ *account.PasskeyChallenge) { d.rp.Origin = "http://login.example.org" }, reason: "Error validating origin"},
			{name: "another RP ID", change: func(d *device, _ *account.PasskeyChallenge) { d.rp.ID = "example.org" }, reason: "RP Hash"},
			{name: "user not verified", change: func(d *device, _ *account.PasskeyChallenge) { d.auth.Options.UserNotVerified = true }, reason: "User verification required"},
			{name: "user not present", change: func(d *device, _ *account.PasskeyChallenge) { d.auth.Options.UserNotPresent = true }, reason: "User presence"},
			{name: "user handle of another", change: func(d *device, _ *account.PasskeyChallenge) {
				d.auth.Options.UserHandle = others.auth.Options.UserHandle
			}, reason: "User handle and User ID do not match"},
			{name: "unknown user handle", change: func(d *device, _ *account.PasskeyChallenge) { d.auth.Options.UserHandle = make([]byte, 32) }, reason: "User handle and User ID do not match"},
			{name: "no user handle", change: func(d *device, _ *account.PasskeyChallenge) { d.auth.Options.UserHandle = nil }, reason: "blank User Handle"},
			{name: "unknown passkey", change: func(d *device, _ *account.PasskeyChallenge) { d.cred.ID = []byte("nobody has this one") }, reason: "passkey is unknown"},
			{name: "passkey id of another", change: func(d *device, _ *account.PasskeyChallenge) {
				d.cred.ID, d.auth.Options.UserHandle = others.cred.ID, others.auth.Options.UserHandle
			}, reason: "Error validating the assertion signature"},
			{name: "key of another", change: func(d *device, _ *account.PasskeyChallenge) { d.cred.Key = others.cred.Key }, reason: "Error validating the assertion signature"},
			{name: "another challenge", change: func(_ *device, c *account.PasskeyChallenge) { c.Options = p.beginSignIn(t).Options }, reason: "Error validating challenge"},
			{name: "now backup-eligible", change: func(d *device, _ *account.PasskeyChallenge) { d.auth.Options.BackupEligible = true }, reason: "Backup Eligible flag inconsistency"},
			{name: "handle for a factor", change: func(_ *device, c *account.PasskeyChallenge) { *c = p.beginFactor(t, p.ID) }, reason: "made for something else"},
			{name: "handle for a registration", change: func(_ *device, c *account.PasskeyChallenge) { *c = p.beginRegistration(t, p.ID) }, reason: "made for something else"},
			{name: "tampered handle", change: func(_ *device, c *account.PasskeyChallenge) { c.Handle = "A" + c.Handle[1:] }, reason: "handle is not ours"},
			{name: "longer handle", change: func(_ *device, c *account.PasskeyChallenge) { c.Handle += "AAAA" }, reason: "handle is not ours"},
			{name: "no handle", change: func(_ *device, c *account.PasskeyChallenge) { c.Handle = "" }, reason: "handle is not ours"},
			{name: "huge handle", change: func(_ *device, c *account.PasskeyChallenge) { c.Handle = strings.Repeat(c.Handle, 100) }, reason: "handle is not ours"},
			{name: "expired", change: func(*device, *account.PasskeyChallenge) { p.clock = p.clock.Add(account.PasskeyTime) }, reason: "has expired"},
			{name: "no JSON", answer: func([]byte) []byte { return []byte("{") }, reason: "Parse error"},
			{name: "nothing", answer: func([]byte) []byte { return nil }, reason: "Parse error"},
			{name: "a registration", answer: func([]byte) []byte { return d.create(t, p.beginRegistration(t, p.ID)) }, reason: "Error unmarshalling auth data"},
			{name: "another type", answer: tamper("public-key", "password"), reason: "bad type"},
			{name: "over 64 KiB", answer: func(b []byte) []byte { return append(b, bytes.Repeat([]byte(" "), 64<<10)...) }, reason: "too long"},
		} {
			t.Run(c.name, func(t *testing.T) {
				mine, challenge := *d, p.beginSignIn(t)
				if c.change != nil {
					c.change(&mine, &challenge)
				}
				answer := mine.get(t, challenge)
				if c.answer != nil {
					answer = c.answer(answer)
				}
				var err error
				log := logged(t, func() { _, _, err = p.keys.FinishSignIn(t.Context(), challenge.Handle, answer) })
				if !errors.Is(err, account.ErrPasskey) || err.Error() != account.ErrPasskey.Error() || fault.KindOf(err) != fault.Unauthorized {
					t.Errorf("got %v, want ErrPasskey", err)
				}
				if !strings.Contains(log, c.reason) || strings.Contains(log, "level=ERROR") {
					t.Errorf("logged %q, want %q", log, c.reason)
				}
			})
		}
		if err := p.signIn(t, d); err != nil {
			t.Errorf("after all these: got %v", err)
		}
		if err := p.users.Disable(p.operator(t.Context()), p.ID); err != nil {
			t.Fatal(err)
		}
		var err error
		log := logged(t, func() { err = p.signIn(t, d) })
		if !errors.Is(err, account.ErrPasskey) || !strings.Contains(log, "user is disabled") {
			t.Errorf("disabled: got %v, logged %q", err, log)
		}
	})
}

func TestCounterMustGrow(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		j := &journal{}
		d := newDevice()
		d.cred.Counter = 5
		p.register(t, p.ID, d)
		p.audit = j
		p.start(t)
		for _, c := range []struct {
			counter uint32
			want    error
		}{{6, nil}, {6, account.ErrPasskey}, {5, account.ErrPasskey}, {0, account.ErrPasskey}, {1 << 31, nil}, {7, account.ErrPasskey}, {1<<32 - 1, nil}} {
			d.cred.Counter = c.counter
			recorded := len(j.actions)
			if err := p.signIn(t, d); !errors.Is(err, c.want) {
				t.Errorf("counter %d: got %v, want %v", c.counter, err, c.want)
			}
			if cloned := len(j.actions) > recorded && j.actions[recorded] == "user.passkey_cloned"; cloned != (c.want != nil) {
				t.Errorf("counter %d: recorded %v", c.counter, j.actions[recorded:])
			}
		}
	})
}

func TestAuthenticatorWithoutACounterIsFine(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		d := newDevice()
		p.register(t, p.ID, d)
		for range 3 {
			if err := p.signIn(t, d); err != nil {
				t.Errorf("got %v", err)
			}
		}
	})
}

// twoInstances are p's, and one that was started beside it.
func (p *person) twoInstances(t *testing.T) [2]*account.Passkeys {
	t.Helper()
	first := p.keys
	p.start(t)
	return [2]*account.Passkeys{first, p.keys}
}

// of64 runs f 64 times at once, and wants it to be let through once and else be refused with want.
func of64(t *testing.T, want error, f func(i int) error) {
	t.Helper()
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			if err := f(i); err == nil {
				won.Add(1)
			} else if !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("got through %d times, want 1", won.Load())
	}
}

func TestAssertionIsGoodOnceOverInstances(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		d := newDevice()
		p.register(t, p.ID, d)
		instances := p.twoInstances(t)
		signIn := p.beginSignIn(t)
		answer := d.get(t, signIn)
		of64(t, account.ErrPasskey, func(i int) error {
			_, _, err := instances[i%2].FinishSignIn(t.Context(), signIn.Handle, answer)
			return err
		})
		factor := p.beginFactor(t, p.ID)
		answer = d.get(t, factor)
		of64(t, account.ErrPasskey, func(i int) error {
			_, err := instances[i%2].FinishFactor(t.Context(), p.ID, factor.Handle, answer)
			return err
		})
		for _, instance := range instances {
			var err error
			log := logged(t, func() { _, err = instance.FinishFactor(t.Context(), p.ID, factor.Handle, answer) })
			if !errors.Is(err, account.ErrPasskey) || !strings.Contains(log, "answered before") {
				t.Errorf("again: got %v, logged %q", err, log)
			}
		}
	})
}

func TestUsedChallengesAreForgottenOnceTheyHaveExpired(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		d := newDevice()
		p.register(t, p.ID, d)
		kept := func() (n int) {
			if err := p.db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM passkey_challenges_used`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		for range 3 {
			if err := p.signIn(t, d); err != nil {
				t.Fatal(err)
			}
		}
		if n := kept(); n != 4 {
			t.Errorf("got %d, want 4", n)
		}
		p.clock = p.clock.Add(time.Hour)
		p.beginSignIn(t)
		if n := kept(); n != 4 {
			t.Errorf("after a question that nobody answered: got %d, want 4", n)
		}
		if err := p.signIn(t, d); err != nil {
			t.Fatal(err)
		}
		if n := kept(); n != 1 {
			t.Errorf("an hour later: got %d, want 1", n)
		}
	})
}

func TestFactorIsOfThatUser(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		mallory := p.other(t)
		if _, err := p.keys.BeginFactor(t.Context(), p.ID); !errors.Is(err, account.ErrNoPasskey) {
			t.Errorf("none yet: got %v, want ErrNoPasskey", err)
		}
		d, others := newDevice(), newDevice()
		made := p.register(t, p.ID, d)
		p.register(t, mallory.ID, others)
		c := p.beginFactor(t, p.ID)
		o, err := virtualwebauthn.ParseAssertionOptions(string(c.Options))
		if err != nil || len(o.AllowCredentials) != 1 || !d.cred.IsAllowedForAssertion(*o) {
			t.Errorf("allowed: got %v, %v", o, err)
		}
		hers := p.beginFactor(t, mallory.ID)
		for name, refused := range map[string]func() (account.Passkey, error){
			"another's passkey": func() (account.Passkey, error) {
				return p.keys.FinishFactor(t.Context(), p.ID, c.Handle, others.get(t, c))
			},
			"another's handle": func() (account.Passkey, error) {
				return p.keys.FinishFactor(t.Context(), p.ID, hers.Handle, d.get(t, hers))
			},
			"another's handle and passkey": func() (account.Passkey, error) {
				return p.keys.FinishFactor(t.Context(), p.ID, hers.Handle, others.get(t, hers))
			},
			"a handle of a sign-in": func() (account.Passkey, error) {
				s := p.beginSignIn(t)
				return p.keys.FinishFactor(t.Context(), p.ID, s.Handle, d.get(t, s))
			},
			"a handle of a registration": func() (account.Passkey, error) {
				s := p.beginRegistration(t, p.ID)
				return p.keys.FinishFactor(t.Context(), p.ID, s.Handle, d.get(t, s))
			},
			"a user handle of another": func() (account.Passkey, error) {
				swapped := *d
				swapped.auth.Options.UserHandle = others.auth.Options.UserHandle
				return p.keys.FinishFactor(t.Context(), p.ID, c.Handle, swapped.get(t, c))
			},
			"a user who is not verified": func() (account.Passkey, error) {
				absent := *d
				absent.auth.Options.UserNotVerified = true
				return p.keys.FinishFactor(t.Context(), p.ID, c.Handle, absent.get(t, c))
			},
		} {
			if k, err := refused(); !errors.Is(err, account.ErrPasskey) || k != (account.Passkey{}) {
				t.Errorf("%s: got %+v, %v, want ErrPasskey", name, k, err)
			}
		}
		known := *d
		known.auth.Options.UserHandle = nil // an authenticator need not send it where passkeys are listed
		if k, err := p.keys.FinishFactor(t.Context(), p.ID, c.Handle, known.get(t, c)); err != nil || k.ID != made.ID {
			t.Errorf("got %+v, %v", k, err)
		}
	})
}

func TestSiteWithoutAHostNameHasNoPasskeys(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		for _, host := range []string{"127.0.0.1", "::1", "", "https://login.example.org", "login.example.org:443"} {
			_, err := account.NewPasskeys(p.Credentials, account.PasskeyOptions{RPID: host, RPName: "Signet", Origins: []string{"https://login.example.org"}})
			if err == nil {
				t.Errorf("%q: got no error", host)
			}
		}
		if _, err := account.NewPasskeys(p.Credentials, account.PasskeyOptions{RPID: "login.example.org", RPName: "Signet"}); err == nil {
			t.Error("no origin: got no error")
		}
	})
}
