package login_test

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/fault"
	"signet/internal/limit"
	"signet/internal/login"
	"signet/internal/login/github"
	"signet/internal/login/google"
	githubtest "signet/test/github"
	oauthtest "signet/test/oauth"
	oidctest "signet/test/oidc"
)

// challenge is one of RFC 7636, appendix B.
const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

var errNoApp = fault.New(fault.NotFound, "no such client")

// site is an installation with GitHub and Google, and an app.
type site struct {
	*login.Providers
	db     *db.DB
	github *githubtest.Server
	google *oidctest.Server

	mu   sync.Mutex
	now  time.Time
	apps map[string][]string
}

func newSite(t *testing.T, d *db.DB, change func(*login.ProviderOptions)) *site {
	t.Helper()
	s := &site{
		db: d, github: githubtest.Start(t), google: oidctest.Start(t), now: time.Now(),
		apps: map[string][]string{"app": {"https://app.example.org/cb"}},
	}
	s.github.SignIn(githubtest.User{ID: 583231, Login: "octocat", Name: "The Octocat"})
	client := oauthtest.Client(t)
	o := login.ProviderOptions{
		Providers: []login.Provider{
			github.New(github.Config{ClientID: githubtest.ClientID, ClientSecret: githubtest.ClientSecret, BaseURL: s.github.URL, Client: client}),
			google.New(google.Config{ClientID: s.google.ClientID, ClientSecret: s.google.ClientSecret, Issuer: s.google.Issuer, Client: client}),
		},
		Origin: "https://auth.example.org", Key: []byte(strings.Repeat("k", 32)),
		Limiter: limit.NewMemory(limit.PerMinute(1000), 100),
		Nexts:   s.nexts,
		Locale: func(tag string) string {
			if tag == "de" || tag == "fr" {
				return tag
			}
			return ""
		},
		Now: s.clock,
	}
	if change != nil {
		change(&o)
	}
	s.Providers = login.NewProviders(d, o)
	return s
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *site) nexts(_ context.Context, client string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if uris, ok := s.apps[client]; ok {
		return uris, nil
	}
	return nil, errNoApp
}

func signIn() login.StartRequest {
	return login.StartRequest{Provider: "github", Purpose: login.PurposeSignIn, Address: netip.MustParseAddr("192.0.2.7")}
}

// begin starts, goes to the provider and returns the callback that comes of it.
func (s *site) begin(t *testing.T, r login.StartRequest) login.CallbackRequest {
	t.Helper()
	started, err := s.Start(t.Context(), r)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	q := oauthtest.Visit(t, started.URL)
	return login.CallbackRequest{
		Provider: r.Provider, State: q.Get("state"), Code: q.Get("code"), Error: q.Get("error"), Iss: q.Get("iss"),
		Browser: started.Browser, Session: r.Session,
	}
}

func (s *site) refuses(t *testing.T, what string, r login.CallbackRequest, want login.Kind) {
	t.Helper()
	_, err := s.Callback(t.Context(), r)
	if e, ok := login.AsCallbackError(err); !ok || e.Kind != want {
		t.Errorf("%s: got %v, want %s", what, err, want)
	}
}

func (s *site) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := s.db.SQL().ExecContext(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

func (s *site) states(t *testing.T) (n int) {
	t.Helper()
	if err := s.db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM login_states`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCallbackReturnsWhatWasBegun(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newSite(t, d, nil)
		r := signIn()
		r.Next, r.Locale, r.Client, r.Challenge = "https://app.example.org/after?x=1", "de", "app", challenge
		got, err := s.Callback(t.Context(), s.begin(t, r))
		if err != nil {
			t.Fatal(err)
		}
		want := login.Result{
			Provider: "github", Issuer: s.github.URL, Purpose: "sign-in", Next: r.Next, Locale: "de", Client: "app", Challenge: challenge,
			Profile: login.Profile{Sub: "583231", DisplayName: "The Octocat"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if n := s.states(t); n != 0 {
			t.Errorf("%d states are left, want none", n)
		}
		r = signIn()
		r.Provider, r.Purpose, r.User, r.Session = "google", login.PurposeLink, "usr_1", "ses_1"
		got, err = s.Callback(t.Context(), s.begin(t, r))
		if err != nil || got.User != "usr_1" || got.Session != "ses_1" || got.Profile.Sub != "1234567890" {
			t.Errorf("link at google: got %+v, %v", got, err)
		}
	})
}

func TestStateIsGoodForOneCallback(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newSite(t, d, nil)
		r := s.begin(t, signIn())
		const callers = 64
		results := make(chan error, callers)
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				_, err := s.Callback(t.Context(), r)
				results <- err
			})
		}
		wg.Wait()
		close(results)
		won := 0
		for err := range results {
			if err == nil {
				won++
			} else if e, ok := login.AsCallbackError(err); !ok || e.Kind != login.InvalidState {
				t.Errorf("got %v, want invalid_state", err)
			}
		}
		if won != 1 {
			t.Errorf("%d of %d at once got a profile, want 1", won, callers)
		}
	})
}

func TestCallbackThatBelongsElsewhereUsesTheStateUp(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newSite(t, d, nil)
		link := signIn()
		link.Purpose, link.User, link.Session = login.PurposeLink, "usr_1", "ses_1"
		other := s.begin(t, signIn()).Browser
		for what, c := range map[string]struct {
			start  login.StartRequest
			change func(*login.CallbackRequest)
		}{
			"another browser":         {signIn(), func(r *login.CallbackRequest) { r.Browser = other }},
			"no browser":              {signIn(), func(r *login.CallbackRequest) { r.Browser = "" }},
			"another provider's path": {signIn(), func(r *login.CallbackRequest) { r.Provider = "google" }},
			"an unknown path":         {signIn(), func(r *login.CallbackRequest) { r.Provider = "" }},
			"another issuer":          {signIn(), func(r *login.CallbackRequest) { r.Iss = "https://evil.example" }},
			"the other's issuer":      {signIn(), func(r *login.CallbackRequest) { r.Iss = s.google.Issuer }},
			"another session":         {link, func(r *login.CallbackRequest) { r.Session = "ses_2" }},
			"no session any more":     {link, func(r *login.CallbackRequest) { r.Session = "" }},
		} {
			good := s.begin(t, c.start)
			bad := good
			c.change(&bad)
			s.refuses(t, what, bad, login.InvalidState)
			s.refuses(t, what+", then the right one", good, login.InvalidState)
		}
		s.refuses(t, "no state", login.CallbackRequest{Provider: "github", Code: "x"}, login.InvalidState)
		s.refuses(t, "an invented state", login.CallbackRequest{Provider: "github", Code: "x", State: strings.Repeat("A", 43)}, login.InvalidState)
	})
}

func TestStateExpiresAfterTenMinutes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newSite(t, d, nil)
		early, late := s.begin(t, signIn()), s.begin(t, signIn())
		s.pass(login.StateLife - time.Microsecond)
		if _, err := s.Callback(t.Context(), early); err != nil {
			t.Errorf("just before: %v", err)
		}
		s.pass(time.Microsecond)
		s.refuses(t, "at ten minutes", late, login.ExpiredState)
		s.refuses(t, "again", late, login.InvalidState)
	})
}

func TestNextAndLocaleAreCheckedAgainAtTheCallback(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newSite(t, d, nil)
		r := s.begin(t, signIn())
		s.exec(t, `UPDATE login_states SET next = 'https://evil.example/'`)
		s.refuses(t, "a next that was changed", r, login.InvalidState)

		withApp := signIn()
		withApp.Next, withApp.Client, withApp.Challenge = "https://app.example.org/x", "app", challenge
		r = s.begin(t, withApp)
		s.mu.Lock()
		s.apps["app"] = []string{"https://new.example.org/cb"}
		s.mu.Unlock()
		s.refuses(t, "a redirect that was taken back", r, login.InvalidState)

		forged := signIn()
		forged.Locale = `"><script>`
		r = s.begin(t, forged)
		var kept string
		if err := d.SQL().QueryRowContext(t.Context(), `SELECT locale FROM login_states`).Scan(&kept); err != nil || kept != "" {
			t.Errorf("forged locale: %q is kept, %v, want none", kept, err)
		}
		if got, err := s.Callback(t.Context(), r); err != nil || got.Locale != "" {
			t.Errorf("forged locale: got %q, %v, want none", got.Locale, err)
		}
		r = s.begin(t, signIn())
		s.exec(t, `UPDATE login_states SET locale = 'xx'`)
		if got, err := s.Callback(t.Context(), r); err != nil || got.Locale != "" {
			t.Errorf("changed locale: got %q, %v, want none", got.Locale, err)
		}
	})
}

func TestIssuerOfTheProviderIsKeptWithTheState(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newSite(t, d, nil)
		r := s.begin(t, signIn())
		s.exec(t, `UPDATE login_states SET issuer = 'https://old.example'`)
		s.refuses(t, "a provider that is another now", r, login.InvalidState)
		s.github.SendIssuer()
		r = s.begin(t, signIn())
		if r.Iss != s.github.URL+"/login/oauth" {
			t.Fatalf("got iss %q", r.Iss)
		}
		if _, err := s.Callback(t.Context(), r); err != nil {
			t.Errorf("iss as GitHub sends it: %v", err)
		}
	})
}

func TestAnswersWithoutACodeHaveTheirKind(t *testing.T) {
	s := newSite(t, dbtest.SQLite(t), nil)
	s.github.SignIn(githubtest.User{ID: 1, Denies: true})
	denied := signIn()
	denied.Next = "/console"
	res, err := s.Callback(t.Context(), s.begin(t, denied))
	if e, ok := login.AsCallbackError(err); !ok || e.Kind != login.DeniedConsent || res.Next != "/console" || res.Profile.Sub != "" {
		t.Errorf("denied: got %+v, %v, want denied_consent and where to go on", res, err)
	}
	s.github.SignIn(githubtest.User{ID: 1})
	for what, c := range map[string]struct {
		change func(*login.CallbackRequest)
		want   login.Kind
	}{
		"no code":               {func(r *login.CallbackRequest) { r.Code = "" }, login.MissingCode},
		"a code that is long":   {func(r *login.CallbackRequest) { r.Code = strings.Repeat("x", 5000) }, login.TokenExchangeFailed},
		"a code of nobody":      {func(r *login.CallbackRequest) { r.Code = "x" }, login.TokenExchangeFailed},
		"a suspended app":       {func(r *login.CallbackRequest) { r.Error = "application_suspended" }, login.TokenExchangeFailed},
		"an error beats a code": {func(r *login.CallbackRequest) { r.Error = "access_denied" }, login.DeniedConsent},
	} {
		r := s.begin(t, signIn())
		c.change(&r)
		s.refuses(t, what, r, c.want)
	}
}

func TestProfileIsMadeFitToBeKept(t *testing.T) {
	s := newSite(t, dbtest.SQLite(t), nil)
	for _, c := range []struct{ email, name, locale, wantEmail, wantName, wantLocale string }{
		{"ada@example.org", "Ada", "de-CH", "ada@example.org", "Ada", "de-CH"},
		{"ada", " A\x00d\u202ea\n", "not a tag", "", "Ada", ""},
		{"ada@münchen.example", "", "de_DE", "", "", "de-DE"},
		{"ada@-x.example", strings.Repeat("ä", 300), strings.Repeat("x", 100), "", strings.Repeat("ä", 200), ""},
		{strings.Repeat("a", 65) + "@example.org", "A", "", "", "A", ""},
		{"a@b..example", "A", "", "", "A", ""},
		{"@example.org", "A", "", "", "A", ""},
	} {
		s.google.Claims(func(m map[string]any) { m["email"], m["name"], m["locale"] = c.email, c.name, c.locale })
		r := signIn()
		r.Provider = "google"
		got, err := s.Callback(t.Context(), s.begin(t, r))
		if p := got.Profile; err != nil || p.Email != c.wantEmail || p.DisplayName != c.wantName || p.Locale != c.wantLocale {
			t.Errorf("%q, %q, %q: got %+v, %v", c.email, c.name, c.locale, p, err)
		}
	}
	for _, sub := range []string{"", "a\nb", strings.Repeat("x", 256)} {
		s.google.Claims(func(m map[string]any) { m["sub"] = sub })
		r := signIn()
		r.Provider = "google"
		s.refuses(t, "sub "+sub, s.begin(t, r), login.TokenValidationFailed)
	}
}

func TestClientSeesNothingOfTheProvider(t *testing.T) {
	s := newSite(t, dbtest.SQLite(t), nil)
	r := s.begin(t, signIn())
	r.Error = "call 555-1234 <b>now</b>" + strings.Repeat("!", 1000)
	_, err := s.Callback(t.Context(), r)
	f, ok := fault.As(err)
	if !ok || strings.Contains(f.Text, "555") || f.Word != "token_exchange_failed" {
		t.Errorf("got %+v, want a constant text", f)
	}
	if len(err.Error()) > 400 {
		t.Errorf("the log line has %d bytes of somebody's text", len(err.Error()))
	}
	for _, k := range login.Kinds() {
		f, ok := fault.As(login.Failf(k, "github", "secret reason"))
		if !ok || f.Word != string(k) || strings.Contains(f.Error(), "secret") || k.Event() == "provider callback failed" {
			t.Errorf("%s: got %+v, %q", k, f, k.Event())
		}
	}
}

func TestNothingAtRestOpensASignIn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newSite(t, d, nil)
		started, err := s.Start(t.Context(), signIn())
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(started.URL)
		if err != nil {
			t.Fatal(err)
		}
		var state, browser []byte
		err = d.SQL().QueryRowContext(t.Context(), `SELECT state_hash, browser_hash FROM login_states`).Scan(&state, &browser)
		if err != nil || len(state) != 32 || len(browser) != 32 {
			t.Fatalf("got %x, %x, %v, want two hashes", state, browser, err)
		}
		if value := u.Query().Get("state"); len(value) != 43 || strings.Contains(string(state), value) {
			t.Errorf("state %q is not 256 bits, or stands in its row", value)
		}
		// Another key, another verifier: the state alone does not give it.
		r := s.begin(t, signIn())
		stranger := login.NewProviders(d, login.ProviderOptions{
			Providers: s.Offered(), Origin: "https://auth.example.org", Key: []byte(strings.Repeat("x", 32)),
			Nexts: s.nexts, Locale: func(string) string { return "" },
		})
		_, err = stranger.Callback(t.Context(), r)
		if e, ok := login.AsCallbackError(err); !ok || e.Kind != login.TokenExchangeFailed {
			t.Errorf("with another key: got %v, want token_exchange_failed by PKCE", err)
		}
	})
}

func TestTabsOfABrowserShareItsCookie(t *testing.T) {
	s := newSite(t, dbtest.SQLite(t), nil)
	one := s.begin(t, signIn())
	again := signIn()
	again.Browser = one.Browser
	two := s.begin(t, again)
	if one.Browser != two.Browser || one.State == two.State {
		t.Fatalf("got %q and %q, want one cookie and two states", one.Browser, two.Browser)
	}
	for _, r := range []login.CallbackRequest{two, one} {
		if _, err := s.Callback(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
	forged := signIn()
	forged.Browser = "attacker"
	if got := s.begin(t, forged); got.Browser == "attacker" {
		t.Error("a cookie that is none of ours was taken over")
	}
}

func TestStartRefusesWhatItCannotEnd(t *testing.T) {
	s := newSite(t, dbtest.SQLite(t), nil)
	for what, c := range map[string]struct {
		change func(*login.StartRequest)
		want   error
	}{
		"an unknown provider":       {func(r *login.StartRequest) { r.Provider = "gitlab" }, login.ErrNoProvider},
		"a next elsewhere":          {func(r *login.StartRequest) { r.Next = "//evil.example" }, login.ErrNext},
		"a next of an app, no app":  {func(r *login.StartRequest) { r.Next = "https://app.example.org/" }, login.ErrNext},
		"an app without challenge":  {func(r *login.StartRequest) { r.Client = "app" }, login.ErrChallenge},
		"a challenge without app":   {func(r *login.StartRequest) { r.Challenge = challenge }, login.ErrChallenge},
		"a challenge that is plain": {func(r *login.StartRequest) { r.Client, r.Challenge = "app", "plain" }, login.ErrChallenge},
		"an unknown app":            {func(r *login.StartRequest) { r.Client, r.Challenge = "gone", challenge }, errNoApp},
	} {
		r := signIn()
		c.change(&r)
		if _, err := s.Start(t.Context(), r); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", what, err, c.want)
		}
	}
	for _, r := range []login.StartRequest{
		{Provider: "github"},
		{Provider: "github", Purpose: "link"},
		{Provider: "github", Purpose: "link", User: "usr_1"},
		{Provider: "github", Purpose: "sign-in", User: "usr_1", Session: "ses_1"},
	} {
		if _, err := s.Start(t.Context(), r); err == nil || fault.KindOf(err) != fault.Internal {
			t.Errorf("%+v: got %v, want an internal error", r, err)
		}
	}
	if n := s.states(t); n != 0 {
		t.Errorf("refused starts left %d states", n)
	}
}

func TestProviderThatIsAwayLeavesNoState(t *testing.T) {
	s := newSite(t, dbtest.SQLite(t), nil)
	s.google.Refuse(503, "down", "down")
	r := signIn()
	r.Provider = "google"
	if _, err := s.Start(t.Context(), r); !errors.Is(err, login.ErrProviderAway) {
		t.Errorf("got %v, want ErrProviderAway", err)
	}
	if n := s.states(t); n != 0 {
		t.Errorf("%d states are left, want none", n)
	}
}

func TestStartsAreCountedByNetwork(t *testing.T) {
	s := newSite(t, dbtest.SQLite(t), func(o *login.ProviderOptions) { o.Limiter = limit.NewMemory(limit.PerMinute(2), 100) })
	for _, c := range []struct {
		from string
		want bool
	}{
		{"2001:db8::1", true},
		{"2001:db8::ffff", true},
		{"2001:db8::2:0:0:1", false},
		{"2001:db8:0:ff::1", false},
		{"2001:db8:0:100::1", true},
		{"192.0.2.1", true},
		{"::ffff:192.0.2.1", true},
		{"192.0.2.1", false},
		{"192.0.2.2", true},
	} {
		r := signIn()
		r.Address = netip.MustParseAddr(c.from)
		if _, err := s.Start(t.Context(), r); (err == nil) != c.want {
			t.Errorf("%s: got %v, want admitted %t", c.from, err, c.want)
		}
	}
}

func TestFullTableLosesWhatHasExpiredFirst(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newSite(t, d, func(o *login.ProviderOptions) { o.MaxStates = 3 })
		for range 3 {
			s.begin(t, signIn())
		}
		if _, err := s.Start(t.Context(), signIn()); !errors.Is(err, login.ErrBusy) {
			t.Errorf("a full table: got %v, want ErrBusy", err)
		}
		s.pass(login.StateLife + time.Second)
		r := s.begin(t, signIn())
		if n := s.states(t); n != 1 {
			t.Errorf("got %d states, want the new one", n)
		}
		if _, err := s.Callback(t.Context(), r); err != nil {
			t.Error(err)
		}
	})
}

func TestPruneTakesWhatHasExpiredAlone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newSite(t, d, nil)
		s.begin(t, signIn())
		s.pass(login.StateLife / 2)
		live := s.begin(t, signIn())
		s.pass(login.StateLife/2 + time.Second)
		if n, err := s.Prune(t.Context()); n != 1 || err != nil {
			t.Errorf("got %d, %v, want 1", n, err)
		}
		if _, err := s.Callback(t.Context(), live); err != nil {
			t.Errorf("the one that lives: %v", err)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := newSite(t, dbtest.SQLite(t), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Errorf("got %v, want no error", err)
	}
}
