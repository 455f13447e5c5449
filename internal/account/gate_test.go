package account_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"signet/internal/account"
	"signet/internal/audit"
	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/fault"
	"signet/internal/notify"
	"signet/internal/seal"
	"signet/internal/ticket"
	"signet/internal/web"
)

// gate is a person's installation as login sees it.
type gate struct {
	*person
	authapi.Service
	gate     *account.Gate
	sessions *account.Sessions
	browser  authapi.Browser

	mu    sync.Mutex
	mails []notify.Message

	keysOfMail mailKeys
	names      map[string][2]string // access tokens, in place of the token authority
}

// Send implements [account.Post]: what leaves the machine stays in the test.
func (g *gate) Send(_ context.Context, m notify.Message) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mails = append(g.mails, m)
}

// Issue implements [account.AccessTokens].
func (g *gate) Issue(_ context.Context, t *ticket.Ticket, _ []string) (string, time.Duration, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	name := "at." + t.Session
	g.names[name] = [2]string{t.Subject, t.Session}
	return name, 5 * time.Minute, nil
}

// Session implements [account.AccessTokens].
func (g *gate) session(token string) (user, session string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, ok := g.names[token]
	if !ok {
		return "", "", account.ErrNoSession
	}
	return n[0], n[1], nil
}

type tokens struct{ g *gate }

func (t tokens) Issue(ctx context.Context, who *ticket.Ticket, roles []string) (string, time.Duration, error) {
	return t.g.Issue(ctx, who, roles)
}

func (t tokens) Session(_ context.Context, token string) (string, string, error) {
	return t.g.session(token)
}

// mailKeys are keys of another capability.
type mailKeys struct {
	live    int
	dropped []string
}

func (k *mailKeys) CountUser(context.Context, *db.Tx, string) (int, error) { return k.live, nil }

func (k *mailKeys) DropUser(_ context.Context, _ *db.Tx, user, _ string) error {
	k.dropped = append(k.dropped, user)
	return nil
}

type quiet struct{}

func (quiet) Publish(string) {}

func (quiet) OfUser(context.Context, string, int) ([]authapi.Activity, error) { return nil, nil }

// eachGate runs test on both engines, and each in process and over HTTP: login must not
// see the difference.
func eachGate(t *testing.T, test func(t *testing.T, g *gate)) {
	for _, overHTTP := range []bool{false, true} {
		t.Run(map[bool]string{false: "in process", true: "HTTP"}[overHTTP], func(t *testing.T) {
			eachPerson(t, func(t *testing.T, p *person) { test(t, newGate(t, p, overHTTP)) })
		})
	}
}

func newGate(t *testing.T, p *person, overHTTP bool) *gate {
	t.Helper()
	g := &gate{person: p, names: map[string][2]string{}, browser: authapi.Browser{Address: "192.0.2.7", Agent: "Firefox/1 Linux", Binding: "this browser"}}
	g.sessions = account.NewSessions(p.users, p.seal, quiet{}, account.SessionOptions{})
	g.gate = account.NewGate(account.GateParts{
		Users: p.users, Credentials: p.Credentials, Passkeys: p.keys, Sessions: g.sessions, Tokens: tokens{g}, Post: g, Log: quiet{}, MailKeys: &g.keysOfMail,
		Identities: account.NewIdentities(p.users, account.IdentityOptions{SignUp: "open", Notifier: p.told}),
	}, account.GateOptions{Origin: "https://login.example.org", SignUp: "open"})
	g.Service = g.gate
	if overHTTP {
		g.Service = g.remote(t)
	}
	return g
}

// remote is the gate behind the internal listener.
func (g *gate) remote(t *testing.T) authapi.Service {
	t.Helper()
	_, key, err := g.users.CreateKey(g.operator(t.Context()), account.NewKey{
		Name: "login", Permissions: []string{authapi.PermissionLogin, authapi.PermissionOAuth}, Providers: []string{"*"},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	authapi.Routes(mux, g.gate, g.gate.Person)
	h, err := web.Wrap(mux, web.Options{Inner: []web.Middleware{web.Authenticate(account.NewAuthenticator(g.users))}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return authapi.NewClient(s.URL, key, s.Client())
}

// word fails unless the error has that word.
func word(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := authapi.Word(err); err == nil || got != want {
		t.Errorf("%s: got %q (%v), want %q", what, got, err, want)
	}
}

func (g *gate) password(t *testing.T, password string) (authapi.TokenResponse, error) {
	t.Helper()
	return g.Password(t.Context(), authapi.PasswordRequest{Address: "alice@example.org", Password: password, Browser: g.browser})
}

// signIn signs in by password, and returns what the browser keeps and a context of the user.
func (g *gate) signIn(t *testing.T) (secret string, ctx context.Context) {
	t.Helper()
	res, err := g.password(t, good)
	if err != nil {
		t.Fatalf("sign in: %v", err)
	}
	return res.RefreshToken, g.as(t, res.RefreshToken)
}

// as is a context of who is signed in by a session.
func (g *gate) as(t *testing.T, secret string) context.Context {
	t.Helper()
	s, err := g.Session(t.Context(), authapi.SessionRequest{RefreshToken: secret, Browser: g.browser})
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	return authapi.As(t.Context(), s)
}

func (g *gate) gone(t *testing.T, what, secret string) {
	t.Helper()
	_, err := g.Session(t.Context(), authapi.SessionRequest{RefreshToken: secret, Browser: g.browser})
	word(t, what, err, authapi.WordSession)
}

// mfa signs in by password where a second factor is asked, and returns the ticket.
func (g *gate) mfa(t *testing.T) *authapi.MFARequired {
	t.Helper()
	_, err := g.password(t, good)
	required, ok := errors.AsType[*authapi.MFARequired](err)
	if !ok {
		t.Fatalf("sign-in with a second factor: got %v, want MFARequired", err)
	}
	return required
}

// app gives the user an authenticator app, and returns its secret and recovery codes.
func (g *gate) app(t *testing.T, ctx context.Context) authapi.Enrolment {
	t.Helper()
	e, err := g.BeginTOTP(ctx)
	if err != nil {
		t.Fatalf("begin TOTP: %v", err)
	}
	if err := g.ConfirmTOTP(ctx, authapi.CodeRequest{Code: g.code(t, e.Secret)}); err != nil {
		t.Fatalf("confirm TOTP: %v", err)
	}
	g.clock = g.clock.Add(time.Minute) // its code is used
	return e
}

func (g *gate) code(t *testing.T, secret string) string {
	t.Helper()
	c, err := totp.GenerateCode(secret, g.clock)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// mail returns the newest mail, and its code.
func (g *gate) mail(t *testing.T, what string) (notify.Message, string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.mails) == 0 || g.mails[len(g.mails)-1].What != what {
		t.Fatalf("mails: got %+v, want the last to be %q", g.mails, what)
	}
	m := g.mails[len(g.mails)-1]
	return m, m.Link[strings.LastIndexByte(m.Link, '/')+1:]
}

func (g *gate) use(t *testing.T, code, password string) (authapi.TokenResponse, error) {
	t.Helper()
	return g.UseLink(t.Context(), authapi.UseLinkRequest{Code: code, Password: password, DisplayName: "Alice", Browser: g.browser})
}

func TestAPasswordSignsIn(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		res, err := g.password(t, good)
		if err != nil || res.RefreshToken == "" || res.AccessToken == "" || res.TokenType != "Bearer" || res.ExpiresIn != 300 || res.UserID != g.ID || res.Device == "" {
			t.Fatalf("got %+v, %v", res, err)
		}
		s, err := g.Session(t.Context(), authapi.SessionRequest{RefreshToken: res.RefreshToken, Browser: g.browser})
		if err != nil || s.Ticket.Subject != g.ID || s.Ticket.ACR != account.ACROne || s.DisplayName != "Alice Rabbithole" || s.Account != "system" || s.Ticket.Scopes != nil {
			t.Errorf("session: got %+v, %v", s, err)
		}
		if m, _ := g.mail(t, notify.NewBrowser); m.To[0] != "alice@example.org" || m.Values["Device"] != "Firefox, Linux" {
			t.Errorf("mail: got %+v", m)
		}
		g.browser.Device = "of.another." + res.Device
		if again, err := g.password(t, good); err != nil || again.Device != "" || len(g.mails) != 1 {
			t.Errorf("from the known browser: got %+v, %v, mails %+v", again, err, g.mails)
		}
		_, err = g.password(t, good+"x")
		word(t, "wrong password", err, authapi.WordCredentials)
		if err := g.SignOut(t.Context(), authapi.SignOutRequest{RefreshToken: res.RefreshToken}); err != nil {
			t.Fatal(err)
		}
		g.gone(t, "after sign-out", res.RefreshToken)
	})
}

func TestASecondFactorComesBeforeAnySession(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		_, ctx := g.signIn(t)
		e := g.app(t, ctx)
		required := g.mfa(t)
		if got := strings.Join(required.Methods, " "); got != "totp recovery_code" || required.ExpiresIn != 600 {
			t.Errorf("required: got %+v", required)
		}
		ask := func(method, code, binding string) (authapi.TokenResponse, error) {
			b := g.browser
			b.Binding = binding
			return g.MFA(t.Context(), authapi.MFARequest{Ticket: required.Ticket, Method: method, Code: code, Browser: b})
		}
		_, err := ask("totp", "000000", "this browser")
		word(t, "wrong code", err, authapi.WordCode)
		_, err = ask("totp", g.code(t, e.Secret), "another browser")
		word(t, "ticket in another browser", err, authapi.WordMFATicket)
		_, err = ask("password", good, "this browser")
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("first factor again: got %v, want Invalid", err)
		}
		res, err := ask("totp", g.code(t, e.Secret), "this browser")
		if err != nil {
			t.Fatalf("right code: %v", err)
		}
		if s := ticket.From(g.as(t, res.RefreshToken)); s.ACR != account.ACRTwo {
			t.Errorf("session: got %+v, want %s", s, account.ACRTwo)
		}
		g.clock = g.clock.Add(time.Minute)
		_, err = ask("totp", g.code(t, e.Secret), "this browser")
		word(t, "used ticket", err, authapi.WordMFATicket)

		required = g.mfa(t)
		res, err = ask("recovery_code", e.RecoveryCodes[3], "this browser")
		if err != nil || res.CodesLeft == nil || *res.CodesLeft != 9 {
			t.Errorf("recovery code: got %+v, %v, want 9 left", res, err)
		}
	})
}

func TestOfManyUsesOfOneMFATicketOneSignsIn(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		g := newGate(t, p, false)
		g.setPassword(t, good)
		_, ctx := g.signIn(t)
		e := g.app(t, ctx)
		required := g.mfa(t)
		var signedIn atomic.Int32
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				_, err := g.MFA(t.Context(), authapi.MFARequest{Ticket: required.Ticket, Method: "recovery_code", Code: e.RecoveryCodes[i], Browser: g.browser})
				if err == nil {
					signedIn.Add(1)
				}
			})
		}
		all.Wait()
		if n := signedIn.Load(); n != 1 {
			t.Errorf("got %d sessions of one ticket, want 1", n)
		}
	})
}

func TestWhoMustHaveASecondFactorSetsOneUpAtSignIn(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		g.exec(t, `UPDATE accounts SET mfa = 1`)
		required := g.mfa(t)
		if len(required.Methods) != 0 {
			t.Fatalf("methods: got %v, want none", required.Methods)
		}
		e, err := g.EnrolFactor(t.Context(), authapi.EnrolFactorRequest{Ticket: required.Ticket, Browser: g.browser})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(code string) (authapi.TokenResponse, error) {
			return g.MFA(t.Context(), authapi.MFARequest{Ticket: required.Ticket, Method: "totp", Code: code, Browser: g.browser})
		}
		_, err = ask("000000")
		word(t, "wrong first code", err, authapi.WordCode)
		if _, err := ask(g.code(t, e.Secret)); err != nil {
			t.Fatalf("first code: %v", err)
		}
		g.clock = g.clock.Add(time.Minute)
		required = g.mfa(t)
		_, err = g.EnrolFactor(t.Context(), authapi.EnrolFactorRequest{Ticket: required.Ticket, Browser: g.browser})
		word(t, "replace the factor by the password alone", err, "totp-exists")
	})
}

func (g *gate) exec(t *testing.T, query string) {
	t.Helper()
	if _, err := g.db.SQL().ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func TestAPasskeyAloneIsAWholeSignIn(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		_, ctx := g.signIn(t)
		g.app(t, ctx)
		d := newDevice()
		c, err := g.BeginEnrolPasskey(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.EnrolPasskey(ctx, authapi.EnrolPasskeyRequest{Handle: c.Handle, Response: d.create(t, account.PasskeyChallenge{Options: c.Options})}); err != nil {
			t.Fatal(err)
		}
		begin := func(r authapi.BeginPasskeyRequest) (handle string, answer []byte) {
			r.Browser = g.browser
			c, err := g.BeginPasskey(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			return c.Handle, d.get(t, account.PasskeyChallenge{Options: c.Options})
		}
		handle, answer := begin(authapi.BeginPasskeyRequest{})
		res, err := g.Passkey(t.Context(), authapi.PasskeyRequest{Handle: handle, Assertion: answer, Browser: g.browser})
		if err != nil {
			t.Fatalf("passkey: %v", err)
		}
		if s := ticket.From(g.as(t, res.RefreshToken)); s.ACR != account.ACRTwo {
			t.Errorf("session: got %+v, want %s: no code is asked after a passkey", s, account.ACRTwo)
		}
		_, err = g.Passkey(t.Context(), authapi.PasskeyRequest{Handle: handle, Assertion: answer, Browser: g.browser})
		word(t, "replayed", err, authapi.WordPasskey)

		required := g.mfa(t)
		handle, answer = begin(authapi.BeginPasskeyRequest{Ticket: required.Ticket})
		if _, err := g.MFA(t.Context(), authapi.MFARequest{Ticket: required.Ticket, Method: "passkey", Handle: handle, Assertion: answer, Browser: g.browser}); err != nil {
			t.Errorf("as second factor: %v", err)
		}

		if err := g.RemoveTOTP(ctx); err != nil {
			t.Fatal(err)
		}
		g.exec(t, `UPDATE accounts SET mfa = 1`)
		required = g.mfa(t)
		_, err = g.EnrolFactor(t.Context(), authapi.EnrolFactorRequest{Ticket: required.Ticket, Browser: g.browser})
		word(t, "an app to get around the passkey", err, authapi.Word(account.ErrTOTPExists))
	})
}

func TestAStepUpGivesTheSessionANewSecret(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		secret, ctx := g.signIn(t)
		g.clock = g.clock.Add(6 * time.Minute)
		word(t, "old sign-in", g.SetPassword(g.as(t, secret), authapi.SetPasswordRequest{New: good + "!"}), authapi.WordStepUp)
		_, err := g.CreateToken(g.as(t, secret), authapi.CreateTokenRequest{Name: "n"})
		word(t, "token after an old sign-in", err, authapi.WordStepUp)
		_, err = g.StepUp(ctx, authapi.StepUpRequest{Password: "wrong " + good, Browser: g.browser})
		word(t, "wrong password", err, authapi.WordCredentials)
		res, err := g.StepUp(ctx, authapi.StepUpRequest{Password: good, Browser: g.browser})
		if err != nil || res.RefreshToken == "" || res.RefreshToken == secret {
			t.Fatalf("got %+v, %v, want a new secret", res, err)
		}
		if err := g.SetPassword(g.as(t, res.RefreshToken), authapi.SetPasswordRequest{New: good + "!"}); err != nil {
			t.Errorf("after the step-up: %v", err)
		}
		g.clock = g.clock.Add(time.Minute)
		g.gone(t, "the secret from before", secret)
	})
}

func TestAResetNeedsTheMailboxAndEndsAllSessions(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		secret, ctx := g.signIn(t)
		e := g.app(t, ctx)
		forgot := func(email string) error {
			return g.Forgot(t.Context(), authapi.ForgotRequest{Email: email, Locale: "de", Browser: g.browser})
		}
		before := len(g.mails)
		if err := forgot("nobody@example.org"); err != nil || len(g.mails) != before {
			t.Errorf("unknown address: %v, mails %v, want neither", err, g.mails[before:])
		}
		if err := forgot("Alice@Example.org"); err != nil {
			t.Fatal(err)
		}
		m, code := g.mail(t, "reset")
		if m.To[0] != "alice@example.org" || m.Locale != "de" || !strings.HasPrefix(m.Link, "https://login.example.org/login/link/") {
			t.Errorf("mail: got %+v", m)
		}
		l, err := g.Link(t.Context(), authapi.LinkRequest{Code: code})
		if err != nil || l.Purpose != authapi.LinkReset || l.Email != "alice@example.org" {
			t.Errorf("link: got %+v, %v", l, err)
		}
		_, err = g.use(t, code, "short")
		word(t, "bad password", err, "password-short")
		res, err := g.use(t, code, "quite another phrase")
		if err != nil || res.RefreshToken != "" {
			t.Fatalf("reset: got %+v, %v, want no session", res, err)
		}
		g.gone(t, "after the reset", secret)
		_, err = g.use(t, code, "yet another phrase 3")
		word(t, "used link", err, authapi.WordLink)
		_, err = g.password(t, good)
		word(t, "old password", err, authapi.WordCredentials)
		_, err = g.password(t, "quite another phrase")
		required, ok := errors.AsType[*authapi.MFARequired](err)
		if !ok {
			t.Fatalf("new password: got %v: the reset must not take the second factor away", err)
		}
		word(t, "recover soon after a reset", g.Recover(t.Context(), authapi.RecoverRequest{Ticket: required.Ticket, Browser: g.browser}), "recovery-refused")
		if _, err := g.MFA(t.Context(), authapi.MFARequest{Ticket: required.Ticket, Method: "recovery_code", Code: e.RecoveryCodes[0], Browser: g.browser}); err != nil {
			t.Errorf("with the factor: %v", err)
		}
	})
}

func TestAResetLinkIsGoodForAnHour(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		if err := g.Forgot(t.Context(), authapi.ForgotRequest{Email: "alice@example.org", Browser: g.browser}); err != nil {
			t.Fatal(err)
		}
		_, code := g.mail(t, "reset")
		g.clock = g.clock.Add(time.Hour)
		_, err := g.use(t, code, "quite another phrase")
		word(t, "after an hour", err, authapi.WordLink)
		_, err = g.use(t, strings.Repeat("A", 43), "quite another phrase")
		word(t, "made-up code", err, authapi.WordLink)
	})
}

func TestWhoHasNoPasswordIsToldSo(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.link(t)
		if err := g.Forgot(t.Context(), authapi.ForgotRequest{Email: "alice@example.org", Browser: g.browser}); err != nil {
			t.Fatal(err)
		}
		if m, _ := g.mail(t, "reset-none"); m.Link != "https://login.example.org/login" {
			t.Errorf("mail: got %+v, want no code in it", m)
		}
	})
}

func TestSignUpTellsOnlyTheMailboxWhetherThereIsAnAccount(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		ask := func(email string) {
			t.Helper()
			if err := g.SignUp(t.Context(), authapi.SignUpRequest{Email: email, Browser: g.browser}); err != nil {
				t.Errorf("%s: %v", email, err)
			}
		}
		ask("alice@example.org")
		if m, _ := g.mail(t, "sign-up-known"); m.Link != "https://login.example.org/login" {
			t.Errorf("known address: got %+v, want no code in it", m)
		}
		ask("new@example.org")
		_, code := g.mail(t, "sign-up")
		res, err := g.use(t, code, good)
		if err != nil || !res.Created || res.RefreshToken == "" || len(res.Roles) != 0 {
			t.Fatalf("got %+v, %v", res, err)
		}
		g.mail(t, notify.SignUp) // is the last one still: no browser is new to who has just begun
		u, err := g.Service.User(g.as(t, res.RefreshToken), res.UserID)
		if err != nil || len(u.Addresses) != 1 || u.Addresses[0] != "new@example.org" || !u.Password {
			t.Errorf("user: got %+v, %v", u, err)
		}
		_, err = g.use(t, code, good)
		word(t, "used link", err, authapi.WordLink)
	})
}

func TestMailsToOneAddressAreBounded(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		g := newGate(t, p, false)
		for range 4 {
			if err := g.Forgot(t.Context(), authapi.ForgotRequest{Email: "alice@example.org", Browser: g.browser}); err != nil {
				t.Fatal(err)
			}
		}
		err := g.Forgot(t.Context(), authapi.ForgotRequest{Email: "alice@example.org", Browser: g.browser})
		if f, _ := fault.As(err); f == nil || f.Kind != fault.TooMany || f.Retry <= 0 {
			t.Errorf("fifth: got %v, want TooMany with a time", err)
		}
	})
}

func TestRecoveryTakesTwoDaysAndCanBeCancelled(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		secret, ctx := g.signIn(t)
		g.app(t, ctx)
		begin := func() (code string) {
			t.Helper()
			if err := g.Recover(t.Context(), authapi.RecoverRequest{Ticket: g.mfa(t).Ticket, Browser: g.browser}); err != nil {
				t.Fatal(err)
			}
			_, code = g.mail(t, "recover")
			return code
		}
		code := begin()
		_, err := g.use(t, code, "")
		word(t, "at once", err, authapi.WordTooEarly)
		if u, err := g.Service.User(g.as(t, secret), g.ID); err != nil || u.Recovery.Sub(g.clock) != 48*time.Hour {
			t.Errorf("a live session sees it: got %v, %v", u.Recovery, err)
		}
		if err := g.CancelRecovery(g.as(t, secret)); err != nil {
			t.Fatal(err)
		}
		g.clock = g.clock.Add(49 * time.Hour)
		_, err = g.use(t, code, "")
		word(t, "cancelled", err, authapi.WordLink)

		code = begin()
		g.clock = g.clock.Add(48 * time.Hour)
		tok, apiToken, err := g.users.CreateToken(g.operator(t.Context()), account.NewToken{User: g.ID, Name: "n"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.use(t, code, ""); err != nil {
			t.Fatalf("after two days: %v", err)
		}
		g.gone(t, "session", secret)
		if _, err := g.authenticate(t, apiToken); fault.KindOf(err) != fault.Unauthorized {
			t.Errorf("API token %s lives on: %v", tok.ID, err)
		}
		if _, err := g.password(t, good); err != nil {
			t.Errorf("password alone after the recovery: %v", err)
		}
	})
}

func (g *gate) authenticate(t *testing.T, token string) (*ticket.Ticket, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return account.NewAuthenticator(g.users).Authenticate(r)
}

func TestRecoveryIsRefusedWhereASecondFactorIsDemanded(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		_, ctx := g.signIn(t)
		g.app(t, ctx)
		required := g.mfa(t)
		if required.NoRecover {
			t.Error("nothing demands a factor, and no recovery is offered")
		}
		g.exec(t, `UPDATE accounts SET mfa = 1`)
		if required = g.mfa(t); !required.NoRecover {
			t.Error("a recovery that will be refused is offered")
		}
		word(t, "demanded", g.Recover(t.Context(), authapi.RecoverRequest{Ticket: required.Ticket, Browser: g.browser}), "recovery-refused")
		word(t, "without a ticket", g.Recover(t.Context(), authapi.RecoverRequest{Browser: g.browser}), authapi.WordMFATicket)
	})
}

func TestAnAddressIsTakenOnlyByTheUserWhoAskedAndHasTheMailbox(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		secret, ctx := g.signIn(t)
		if err := g.AddAddress(ctx, authapi.AddressRequest{Email: "second@example.org"}); err != nil {
			t.Fatal(err)
		}
		_, code := g.mail(t, "verify")
		_, err := g.use(t, code, "")
		word(t, "opened by nobody", err, authapi.WordSession)
		m := g.other(t)
		other := authapi.As(t.Context(), authapi.Session{Ticket: &ticket.Ticket{Kind: ticket.User, Subject: m.ID, Session: "x"}, AccessToken: "at.other"})
		if _, err := g.UseLink(other, authapi.UseLinkRequest{Code: code, Browser: g.browser}); err == nil {
			t.Error("another user took the address")
		}
		if _, err := g.UseLink(g.as(t, secret), authapi.UseLinkRequest{Code: code, Browser: g.browser}); err != nil {
			t.Fatal(err)
		}
		u, err := g.Service.User(ctx, g.ID)
		if err != nil || strings.Join(u.Addresses, " ") != "alice@example.org second@example.org" || len(u.Unverified) != 0 {
			t.Errorf("got %+v, %v", u, err)
		}
		if err := g.AddAddress(ctx, authapi.AddressRequest{Email: m.Addresses[0]}); err != nil {
			t.Errorf("an address that another has: %v: it tells that there is such a user", err)
		}
		_, code = g.mail(t, "verify")
		_, err = g.UseLink(g.as(t, secret), authapi.UseLinkRequest{Code: code, Browser: g.browser})
		word(t, "an address that another has", err, "taken")
	})
}

func TestASetupLinkIsGoodUntilThereIsAWayIn(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		link, err := g.gate.SetupLink(g.operator(t.Context()), "alice@example.org")
		if err != nil || !strings.HasPrefix(link, "https://login.example.org/setup/") {
			t.Fatalf("got %q, %v", link, err)
		}
		code := link[strings.LastIndexByte(link, '/')+1:]
		for range 2 { // the first time the browser was closed before a password was set
			res, err := g.use(t, code, "")
			if err != nil {
				t.Fatal(err)
			}
			g.as(t, res.RefreshToken)
		}
		g.setPassword(t, good)
		_, err = g.use(t, code, "")
		word(t, "with a way in that was set up since", err, authapi.WordLink)
		if link, err = g.gate.SetupLink(g.operator(t.Context()), "alice@example.org"); err != nil {
			t.Fatal(err)
		}
		code = link[strings.LastIndexByte(link, '/')+1:]
		if _, err := g.use(t, code, ""); err != nil {
			t.Errorf("with a way in that was there before: %v", err)
		}
		_, err = g.use(t, code, "")
		word(t, "with a way in, a second time", err, authapi.WordLink)
		if _, err := g.gate.SetupLink(t.Context(), "alice@example.org"); !errors.Is(err, ticket.ErrNone) {
			t.Errorf("without permission: got %v, want ErrNone", err)
		}
	})
}

func TestLinksOfDisabledUsersAreDead(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		if err := g.Forgot(t.Context(), authapi.ForgotRequest{Email: "alice@example.org", Browser: g.browser}); err != nil {
			t.Fatal(err)
		}
		_, code := g.mail(t, "reset")
		if err := g.users.Disable(g.operator(t.Context()), g.ID); err != nil {
			t.Fatal(err)
		}
		_, err := g.use(t, code, "quite another phrase")
		word(t, "reset", err, authapi.WordLink)
		_, err = g.password(t, good)
		word(t, "password", err, authapi.WordCredentials)
	})
}

func TestNoCodeOfALinkIsStored(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		g := newGate(t, p, false)
		g.setPassword(t, good)
		if err := g.Forgot(t.Context(), authapi.ForgotRequest{Email: "alice@example.org", Browser: g.browser}); err != nil {
			t.Fatal(err)
		}
		_, code := g.mail(t, "reset")
		var n int
		if err := p.db.View(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRowContext(t.Context(), `SELECT count(*) FROM account_links WHERE email = $1 OR locale = $1 OR next = $1`, code).Scan(&n)
		}); err != nil || n != 0 {
			t.Errorf("%d rows have the code, %v", n, err)
		}
	})
}

func TestOnlyAServiceKeyAsksOverHTTP(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		g := newGate(t, p, false)
		g.setPassword(t, good)
		mux := http.NewServeMux()
		authapi.Routes(mux, g.gate, g.gate.Person)
		h, err := web.Wrap(mux, web.Options{Inner: []web.Middleware{web.Authenticate(account.NewAuthenticator(g.users))}})
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewServer(h)
		defer s.Close()
		key := func(permissions, providers []string) string {
			_, secret, err := g.users.CreateKey(g.operator(t.Context()), account.NewKey{Name: "k", Permissions: permissions, Providers: providers})
			if err != nil {
				t.Fatal(err)
			}
			return secret
		}
		oauth := `{"provider":"github","providerSub":"1","emailVerified":false}`
		for _, c := range []struct {
			name, path, key, body string
			want                  int
		}{
			{"no key", "/auth/password", "", `{"address":"a","password":"b","browser":{}}`, 401},
			{"key without permission", "/auth/password", key(nil, nil), `{"address":"a","password":"b","browser":{}}`, 403},
			{"key of sign-ins alone at login's routes", "/auth/session", key([]string{"auth:oauth"}, []string{"*"}), `{"refresh_token":"x","browser":{}}`, 403},
			{"login's key for a provider it may not speak for", "/auth/oauth", key([]string{"auth:login", "auth:oauth"}, []string{"google"}), oauth, 403},
			{"login's key without auth:oauth", "/auth/oauth", key([]string{"auth:login"}, []string{"*"}), oauth, 403},
			{"the right key", "/auth/oauth", key([]string{"auth:oauth"}, []string{"github"}), oauth, 200},
			{"unknown member", "/auth/oauth", key([]string{"auth:oauth"}, []string{"github"}), `{"provider":"github","sub":"1"}`, 422},
			{"wrong method", "/auth/mfa", "GET", "", 405},
		} {
			method := http.MethodPost
			if c.key == "GET" {
				method, c.key = http.MethodGet, key([]string{"auth:login"}, nil)
			}
			r, _ := http.NewRequestWithContext(t.Context(), method, s.URL+c.path, strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/json")
			if c.key != "" {
				r.Header.Set("X-Api-Key", c.key)
			}
			res, err := s.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != c.want {
				t.Errorf("%s: got %d, want %d", c.name, res.StatusCode, c.want)
			}
		}
	})
}

func TestAnAddressThatTheProviderOnlyKnowsFindsItsUserByAMailedCode(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.exec(t, `UPDATE user_emails SET proven = 1`)
		req := authapi.OAuthRequest{
			Provider: "github", ProviderSub: "17", Email: "alice@example.org", EmailVerified: true, MailCode: true, Locale: "fr", Browser: g.browser,
		}
		_, err := g.OAuth(t.Context(), req)
		required, ok := errors.AsType[*authapi.MFARequired](err)
		if !ok || strings.Join(required.Methods, " ") != "mail_code" {
			t.Fatalf("got %v, want a mailed code to be asked", err)
		}
		g.mu.Lock()
		m := g.mails[len(g.mails)-1]
		g.mu.Unlock()
		code, _ := m.Values["Code"].(string)
		if m.What != notify.MailCode || m.To[0] != "alice@example.org" || len(code) != 8 {
			t.Fatalf("mail: got %+v", m)
		}
		ask := func(method, code string) (authapi.TokenResponse, error) {
			return g.MFA(t.Context(), authapi.MFARequest{Ticket: required.Ticket, Method: method, Code: code, Browser: g.browser})
		}
		_, err = ask("mail_code", "x"+code[1:])
		word(t, "wrong code", err, authapi.WordCode)
		_, err = g.EnrolFactor(t.Context(), authapi.EnrolFactorRequest{Ticket: required.Ticket, Browser: g.browser})
		word(t, "the ticket opens nothing else", err, authapi.WordMFATicket)
		word(t, "nor a recovery", g.Recover(t.Context(), authapi.RecoverRequest{Ticket: required.Ticket, Browser: g.browser}), authapi.WordMFATicket)
		res, err := ask("mail_code", code[:4]+" "+code[4:])
		if err != nil || res.UserID != g.ID || !res.Linked {
			t.Fatalf("right code: got %+v, %v", res, err)
		}
		_, err = ask("mail_code", code)
		word(t, "used code", err, authapi.WordMFATicket)
		if res, err := g.OAuth(t.Context(), req); err != nil || res.UserID != g.ID {
			t.Errorf("next time no code is asked: got %+v, %v", res, err)
		}

		stranger := req
		stranger.ProviderSub, stranger.Email = "18", "stranger@example.org"
		res, err = g.OAuth(t.Context(), stranger)
		if err != nil || !res.Created {
			t.Fatalf("stranger: got %+v, %v", res, err)
		}
		if u, err := g.Service.User(g.as(t, res.RefreshToken), res.UserID); err != nil || len(u.Addresses) != 0 {
			t.Errorf("stranger's address: got %+v, %v, want none verified", u, err)
		}
	})
}

func TestTheFirstLinkMakesOneAdministrator(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		sealer, err := seal.Attach(t.Context(), d, seal.NewRing(seal.NewKey()))
		if err != nil {
			t.Fatal(err)
		}
		p := &person{db: d, seal: sealer, told: &told{}, audit: audit.Discard, clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		p.start(t)
		g := newGate(t, p, false)
		link := func() string {
			t.Helper()
			l, err := g.gate.FirstLink(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return l[strings.LastIndexByte(l, '/')+1:]
		}
		old, code := link(), link()
		open := func(code, email string) (authapi.TokenResponse, error) {
			return g.UseLink(t.Context(), authapi.UseLinkRequest{Code: code, Email: email, Browser: g.browser})
		}
		_, err = open(old, "root@example.org")
		word(t, "the link before the newest", err, authapi.WordLink)
		_, err = open(code, "nonsense")
		word(t, "no address", err, "address")
		res, err := open(code, "root@example.org")
		if err != nil || !ticket.From(g.as(t, res.RefreshToken)).May("accounts:write") {
			t.Fatalf("got %+v, %v, want an administrator", res, err)
		}
		_, err = open(code, "mallory@example.org")
		word(t, "a second time", err, authapi.WordLink)
		_, err = g.Link(t.Context(), authapi.LinkRequest{Code: code})
		word(t, "a look at a used link", err, authapi.WordLink)
		if _, err := g.gate.FirstLink(t.Context()); !errors.Is(err, account.ErrAdminExists) {
			t.Errorf("with an administrator: got %v, want ErrAdminExists", err)
		}
	})
}

func TestTheFirstLinkIsRefusedAtALookWhereTheCommandLineWasFaster(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		sealer, err := seal.Attach(t.Context(), d, seal.NewRing(seal.NewKey()))
		if err != nil {
			t.Fatal(err)
		}
		p := &person{db: d, seal: sealer, told: &told{}, audit: audit.Discard, clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		p.start(t)
		g := newGate(t, p, false)
		address, err := g.gate.FirstLink(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		look := func() error {
			_, err := g.Link(t.Context(), authapi.LinkRequest{Code: address[strings.LastIndexByte(address, '/')+1:]})
			return err
		}
		if err := look(); err != nil {
			t.Fatalf("without an administrator: %v", err)
		}
		if _, err := p.users.BootstrapAdmin(t.Context(), "root@example.org"); err != nil {
			t.Fatal(err)
		}
		word(t, "with an administrator", look(), authapi.WordLink)
	})
}

func TestARecoveryDropsWhatItsUserSays(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		g.link(t)
		g.keysOfMail.live = 2
		_, ctx := g.signIn(t)
		g.app(t, ctx)
		if err := g.Recover(t.Context(), authapi.RecoverRequest{Ticket: g.mfa(t).Ticket, Browser: g.browser}); err != nil {
			t.Fatal(err)
		}
		_, code := g.mail(t, "recover")
		look := func() authapi.Link {
			t.Helper()
			l, err := g.Link(t.Context(), authapi.LinkRequest{Code: code})
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		if l := look(); len(l.Identities) != 0 || l.MailKeys != 0 {
			t.Errorf("before it is due: got %+v", l)
		}
		g.clock = g.clock.Add(48 * time.Hour)
		l := look()
		if len(l.Identities) != 1 || l.Identities[0].Provider != "github" || l.MailKeys != 2 {
			t.Fatalf("when it is due: got %+v", l)
		}
		use := func(ids ...string) error {
			_, err := g.UseLink(t.Context(), authapi.UseLinkRequest{Code: code, DropIdentities: ids, DropMailKeys: true, Browser: g.browser})
			return err
		}
		if err := use("idn_of_somebody_else"); fault.KindOf(err) != fault.NotFound || len(g.keysOfMail.dropped) != 0 {
			t.Errorf("an identity of nobody: got %v", err)
		}
		g.exec(t, `DELETE FROM user_passwords`)
		word(t, "the only way in that is left", use(l.Identities[0].ID), "last-way-in")
		if _, err := g.UseLink(t.Context(), authapi.UseLinkRequest{Code: code, DropMailKeys: true, Browser: g.browser}); err != nil || len(g.keysOfMail.dropped) != 1 {
			t.Errorf("mail keys: got %v, %v", g.keysOfMail.dropped, err)
		}
	})
}

func TestAPasswordAloneIsNoStepUpWhereASecondFactorIsAsked(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		_, ctx := g.signIn(t)
		e := g.app(t, ctx)
		required := g.mfa(t)
		res, err := g.MFA(t.Context(), authapi.MFARequest{Ticket: required.Ticket, Method: "recovery_code", Code: e.RecoveryCodes[0], Browser: g.browser})
		if err != nil {
			t.Fatal(err)
		}
		g.clock = g.clock.Add(6 * time.Minute)
		ctx = g.as(t, res.RefreshToken)
		_, err = g.StepUp(ctx, authapi.StepUpRequest{Password: good, Browser: g.browser})
		word(t, "password", err, "factor-needed")
		word(t, "still not fresh", g.RemoveTOTP(ctx), authapi.WordStepUp)
		again, err := g.StepUp(ctx, authapi.StepUpRequest{Code: g.code(t, e.Secret), Browser: g.browser})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.RemoveTOTP(g.as(t, again.RefreshToken)); err != nil {
			t.Errorf("after the code: %v", err)
		}
	})
}

func TestANewAddressIsToldToTheOthers(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		_, ctx := g.signIn(t)
		if err := g.AddAddress(ctx, authapi.AddressRequest{Email: "second@example.org"}); err != nil {
			t.Fatal(err)
		}
		_, code := g.mail(t, "verify")
		if _, err := g.UseLink(ctx, authapi.UseLinkRequest{Code: code, Browser: g.browser}); err != nil {
			t.Fatal(err)
		}
		g.told.mu.Lock()
		defer g.told.mu.Unlock()
		if last := g.told.changes[len(g.told.changes)-1]; last != "Alice Rabbithole address_added second@example.org" {
			t.Errorf("told: got %q", last)
		}
	})
}
