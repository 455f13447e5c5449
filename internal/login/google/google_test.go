package google_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"signet/internal/login"
	"signet/internal/login/google"
	"signet/internal/login/oidc"
	oauthtest "signet/test/oauth"
	oidctest "signet/test/oidc"
)

func provider(t *testing.T, s *oidctest.Server) *oidc.Provider {
	t.Helper()
	return google.New(google.Config{
		ClientID: s.ClientID, ClientSecret: s.ClientSecret, Issuer: s.Issuer,
		TrustedDomains: []string{"example.org"}, Client: oauthtest.Client(t),
	})
}

// set returns an edit of claims; nil deletes one.
func set(pairs map[string]any) func(map[string]any) {
	return func(claims map[string]any) {
		for name, value := range pairs {
			claims[name] = value
			if value == nil {
				delete(claims, name)
			}
		}
	}
}

func TestGoogleVouchesForItsOwnAddressesAlone(t *testing.T) {
	s := oidctest.Start(t)
	p := provider(t, s)
	one := oauthtest.Ceremony("1")
	for _, c := range []struct {
		name, email string
		verified    any
		hd          any
		want        bool
	}{
		{"gmail", "ada@gmail.com", true, nil, true},
		{"gmail in another case", "Ada@GMail.com", true, nil, true},
		{"gmail that is not verified", "ada@gmail.com", false, nil, false},
		{"gmail without a word on it", "ada@gmail.com", nil, nil, false},
		{"a trusted organisation", "ada@example.org", true, "example.org", true},
		{"a trusted organisation, claims as text", "ada@example.org", "true", "Example.org", true},
		{"a trusted domain without hd", "ada@example.org", true, nil, false},
		{"a trusted domain, another organisation", "ada@example.org", true, "example.net", false},
		{"an organisation that is not trusted", "ada@example.net", true, "example.net", false},
		{"a subdomain of a trusted one", "ada@mail.example.org", true, "mail.example.org", false},
		{"a name that ends like gmail", "ada@notgmail.com", true, nil, false},
		{"gmail in front", "ada@gmail.com@evil.example", true, nil, false},
		{"googlemail is another domain", "ada@googlemail.com", true, nil, false},
		{"no address", "", true, "example.org", false},
	} {
		s.Claims(set(map[string]any{"email": c.email, "email_verified": c.verified, "hd": c.hd, "name": "Ada"}))
		got, err := oauthtest.SignIn(t, p, one, one)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got.EmailVerified != c.want || got.Email != c.email || got.Sub != "1234567890" || got.MailCode {
			t.Errorf("%s: got %+v, want verified %t", c.name, got, c.want)
		}
	}
}

func TestIssuerIsAcceptedInBothSpellings(t *testing.T) {
	s := oidctest.Start(t)
	p := provider(t, s)
	one := oauthtest.Ceremony("1")
	s.Claims(set(map[string]any{"iss": strings.TrimPrefix(s.Issuer, "http://")}))
	if _, err := oauthtest.SignIn(t, p, one, one); err != nil {
		t.Errorf("without the scheme: %v", err)
	}
	for _, iss := range []any{s.Issuer + "/", "https://accounts.google.com.evil.example", "", nil} {
		s.Claims(set(map[string]any{"iss": iss}))
		wantKind(t, p, one, one, login.TokenValidationFailed)
	}
}

func TestTokenThatIsNotForThisSignInIsRefused(t *testing.T) {
	now := time.Now()
	for name, edit := range map[string]map[string]any{
		"another audience":      {"aud": "somebody-else"},
		"no audience":           {"aud": nil},
		"expired":               {"exp": now.Add(-time.Minute).Unix()},
		"without an expiry":     {"exp": nil},
		"not yet valid":         {"nbf": now.Add(time.Hour).Unix()},
		"another nonce":         {"nonce": "nonce-2"},
		"no nonce":              {"nonce": nil},
		"another azp":           {"azp": "somebody-else"},
		"another's at_hash":     {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
		"claims of other types": {"sub": 7},
	} {
		t.Run(name, func(t *testing.T) {
			s := oidctest.Start(t)
			s.Claims(set(edit))
			one := oauthtest.Ceremony("1")
			wantKind(t, provider(t, s), one, one, login.TokenValidationFailed)
		})
	}
}

func TestTokenForSeveralAudiencesNeedsAuthorizedParty(t *testing.T) {
	s := oidctest.Start(t)
	p := provider(t, s)
	one := oauthtest.Ceremony("1")
	s.Claims(set(map[string]any{"aud": []string{s.ClientID, "another"}}))
	wantKind(t, p, one, one, login.TokenValidationFailed)
	s.Claims(set(map[string]any{"aud": []string{s.ClientID, "another"}, "azp": s.ClientID}))
	if _, err := oauthtest.SignIn(t, p, one, one); err != nil {
		t.Errorf("with azp: %v", err)
	}
}

func TestForgedSignatureIsRefused(t *testing.T) {
	for name, forge := range map[string]func(*oidctest.Server){
		"another key":     func(s *oidctest.Server) { s.Forge(t) },
		"HS256":           (*oidctest.Server).ForgeHMAC,
		"alg none":        (*oidctest.Server).ForgeNone,
		"no token at all": func(s *oidctest.Server) { s.Claims(func(c map[string]any) { clear(c) }) },
	} {
		t.Run(name, func(t *testing.T) {
			s := oidctest.Start(t)
			forge(s)
			one := oauthtest.Ceremony("1")
			wantKind(t, provider(t, s), one, one, login.TokenValidationFailed)
		})
	}
}

func TestCodeIsNotExchangedWithoutItsVerifier(t *testing.T) {
	s := oidctest.Start(t)
	begin, other := oauthtest.Ceremony("1"), oauthtest.Ceremony("1")
	other.Verifier = oauthtest.Ceremony("2").Verifier
	wantKind(t, provider(t, s), begin, other, login.TokenExchangeFailed)
}

func TestErrorTextOfTheProviderStaysOut(t *testing.T) {
	s := oidctest.Start(t)
	p := provider(t, s)
	one := oauthtest.Ceremony("1")
	address, err := p.Begin(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	code := oauthtest.Visit(t, address).Get("code")
	s.Refuse(http.StatusBadRequest, "invalid_grant", "<b>call 555-1234</b>")
	_, err = p.Finish(t.Context(), code, one)
	if e, ok := login.AsCallbackError(err); !ok || e.Kind != login.TokenExchangeFailed || strings.Contains(err.Error(), "555") {
		t.Errorf("got %v, want token_exchange_failed without the description", err)
	}
}

func TestAddressOfTheSignInAsksWhichAccount(t *testing.T) {
	s := oidctest.Start(t)
	one := oauthtest.Ceremony("1")
	address, err := provider(t, s).Begin(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("prompt") != "select_account" || q.Get("nonce") != one.Nonce || q.Get("code_challenge_method") != "S256" || q.Get("scope") != "openid email profile" {
		t.Errorf("got %v", q)
	}
}

func TestProviderThatIsAwayCannotBeginAndIsAskedAgain(t *testing.T) {
	s := oidctest.Start(t)
	p := provider(t, s)
	s.Refuse(http.StatusServiceUnavailable, "down", "down")
	if _, err := p.Begin(t.Context(), oauthtest.Ceremony("1")); err == nil {
		t.Fatal("begun without discovery")
	}
	if _, err := p.Begin(t.Context(), oauthtest.Ceremony("1")); err != nil {
		t.Errorf("after it came back: %v", err)
	}
}

func wantKind(t *testing.T, p login.Provider, begin, finish login.Ceremony, want login.Kind) {
	t.Helper()
	_, err := oauthtest.SignIn(t, p, begin, finish)
	if e, ok := login.AsCallbackError(err); !ok || e.Kind != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
