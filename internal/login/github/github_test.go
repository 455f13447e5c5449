package github_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/internal/login"
	"signet/internal/login/github"
	githubtest "signet/test/github"
	oauthtest "signet/test/oauth"
)

func provider(t *testing.T, s *githubtest.Server, link bool) *github.Provider {
	t.Helper()
	return github.New(github.Config{
		ClientID: githubtest.ClientID, ClientSecret: githubtest.ClientSecret,
		BaseURL: s.URL, LinkByEmail: link, Client: oauthtest.Client(t),
	})
}

func TestProfileIsTheNumberAndThePrimaryAddress(t *testing.T) {
	work := githubtest.Email{Email: "octo@work.example", Verified: true}
	for name, c := range map[string]struct {
		user githubtest.User
		link bool
		want login.Profile
	}{
		"an address does not find users unless that is on": {
			user: githubtest.User{ID: 583231, Login: "octocat", Name: "The Octocat", Emails: []githubtest.Email{work, {Email: "Octo@Home.example", Primary: true, Verified: true}}},
			want: login.Profile{Sub: "583231", Email: "Octo@Home.example", DisplayName: "The Octocat"},
		},
		"where it is on a mailed code is asked for": {
			user: githubtest.User{ID: 583231, Login: "octocat", Emails: []githubtest.Email{work, {Email: "octo@home.example", Primary: true, Verified: true}}}, link: true,
			want: login.Profile{Sub: "583231", Email: "octo@home.example", EmailVerified: true, MailCode: true, DisplayName: "octocat"},
		},
		"an unverified address stays unverified": {
			user: githubtest.User{ID: 1, Login: "a", Emails: []githubtest.Email{work, {Email: "admin@bank.example", Primary: true}}}, link: true,
			want: login.Profile{Sub: "1", Email: "admin@bank.example", DisplayName: "a"},
		},
		"another verified address does not count": {
			user: githubtest.User{ID: 1, Login: "a", Emails: []githubtest.Email{work}}, link: true,
			want: login.Profile{Sub: "1", DisplayName: "a"},
		},
		"a noreply address is none": {
			user: githubtest.User{ID: 1, Login: "a", Emails: []githubtest.Email{{Email: "1+a@Users.NoReply.github.com", Primary: true, Verified: true}}}, link: true,
			want: login.Profile{Sub: "1", DisplayName: "a"},
		},
		"no address at all is a sign-in": {
			user: githubtest.User{ID: 9007199254740993, Login: "a"}, link: true, // more than a float holds
			want: login.Profile{Sub: "9007199254740993", DisplayName: "a"},
		},
		"nor is the scope needed": {
			user: githubtest.User{ID: 1, Login: "a", NoScope: true, Emails: []githubtest.Email{work}}, link: true,
			want: login.Profile{Sub: "1", DisplayName: "a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := githubtest.Start(t)
			s.SignIn(c.user)
			one := oauthtest.Ceremony("1")
			got, err := oauthtest.SignIn(t, provider(t, s, c.link), one, one)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestFailuresHaveTheirKind(t *testing.T) {
	octo := githubtest.User{ID: 1, Login: "octocat"}
	with := func(f func(*githubtest.User)) githubtest.User { u := octo; f(&u); return u }
	for name, c := range map[string]struct {
		user   githubtest.User
		status int
		config github.Config
		finish login.Ceremony
		want   login.Kind
		reason string
	}{
		"another PKCE verifier":     {user: octo, finish: oauthtest.Ceremony("2"), want: login.TokenExchangeFailed, reason: "bad_verification_code"},
		"another redirect URI":      {user: octo, finish: redirected(), want: login.TokenExchangeFailed, reason: "redirect_uri_mismatch"},
		"a wrong client secret":     {user: octo, config: github.Config{ClientSecret: "wrong"}, want: login.TokenExchangeFailed, reason: "incorrect_client_credentials"},
		"a page instead of a token": {user: octo, status: http.StatusBadGateway, want: login.TokenExchangeFailed, reason: "status 502"},
		"a suspended user":          {user: with(func(u *githubtest.User) { u.Suspended = true }), want: login.ProfileFetchFailed, reason: "/user: status 403"},
		"the rate limit":            {user: with(func(u *githubtest.User) { u.RateLimited = true }), want: login.ProfileFetchFailed, reason: "/user: status 403"},
		"a page instead of a user":  {user: with(func(u *githubtest.User) { u.Garbled = true }), want: login.ProfileFetchFailed, reason: "not of its shape"},
		"a user without an id":      {user: with(func(u *githubtest.User) { u.ID = 0 }), want: login.ProfileFetchFailed, reason: "no id"},
		"no addresses to be had":    {user: with(func(u *githubtest.User) { u.NoEmails = true }), want: login.EmailFetchFailed, reason: "status 404"},
	} {
		t.Run(name, func(t *testing.T) {
			s := githubtest.Start(t)
			s.SignIn(c.user)
			s.Break(c.status)
			config := github.Config{ClientID: githubtest.ClientID, ClientSecret: githubtest.ClientSecret, BaseURL: s.URL, Client: oauthtest.Client(t)}
			if c.config.ClientSecret != "" {
				config.ClientSecret = c.config.ClientSecret
			}
			begin := oauthtest.Ceremony("1")
			if c.finish.State == "" {
				c.finish = begin
			}
			_, err := oauthtest.SignIn(t, github.New(config), begin, c.finish)
			e, ok := login.AsCallbackError(err)
			if !ok || e.Kind != c.want || e.Provider != "github" {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			if !strings.Contains(err.Error(), c.reason) {
				t.Errorf("got %q, want the reason %q in it", err, c.reason)
			}
			if strings.Contains(err.Error(), "Unicorn") || strings.Contains(err.Error(), "Sorry") {
				t.Errorf("the error has text of the provider: %q", err)
			}
		})
	}
}

func redirected() login.Ceremony {
	c := oauthtest.Ceremony("1")
	c.RedirectURI = "https://evil.example/login/callback/github"
	return c
}

func TestAddressOfTheSignInHasPKCEAndTheLeastScope(t *testing.T) {
	p := github.New(github.Config{ClientID: "id", Client: oauthtest.Client(t)})
	address, err := p.Begin(t.Context(), oauthtest.Ceremony("1"))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if got := u.Scheme + "://" + u.Host + u.Path; got != "https://github.com/login/oauth/authorize" {
		t.Errorf("got %s", got)
	}
	if q.Get("scope") != "user:email" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 {
		t.Errorf("got %v, want scope user:email and PKCE by S256", q)
	}
	if strings.Contains(address, "verifier-of") {
		t.Errorf("the verifier is in the address: %s", address)
	}
}
