package token_test

import (
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/token"
)

const left = "https://app.example.org/left?from=signet"

// newLeaving is a desk whose app may have people come back to it, and its authority.
func newLeaving(t *testing.T, d *db.DB) (*desk, *token.OAuth) {
	t.Helper()
	k := newDesk(t, d, token.NewClient{PostLogoutRedirects: []string{left}, Scopes: []string{"openid", "profile"}, Grants: []string{token.GrantCode}})
	return k, token.NewOAuth(d, k.authority.Authority, k.clients, token.OAuthOptions{
		People: k.sessions, Audit: locked{recorder{k.events}, k.lock}, Now: func() time.Time { return *k.authority.now },
	})
}

// identity returns an ID token of alice's session as it is signed, with another header or
// payload where there is one.
func (k *desk) identity(t *testing.T, typ, issuer, audience string) string {
	t.Helper()
	kid, _ := k.authority.ActiveKey(t)
	return k.authority.Sign(t, fmt.Sprintf(`{"alg":"ES256","kid":%q,"typ":%q}`, kid, typ),
		fmt.Sprintf(`{"iss":%q,"sub":"usr_alice","aud":%q,"sid":"ses_alice","iat":1,"exp":301}`, issuer, audience)) // long ago
}

func TestAHintNamesTheClientAndTheSessionThoughItHasExpired(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k, g := newLeaving(t, d)
		hint := k.identity(t, "JWT", issuer, k.app.ID)
		look := func(when string) {
			t.Helper()
			l, err := g.Leave(t.Context(), url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {left}, "state": {"a b"}})
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			if l.Client.ID != k.app.ID || l.User != "usr_alice" || l.Session != "ses_alice" || l.To != left+"&state=a+b" {
				t.Errorf("%s: got %+v", when, l)
			}
		}
		look("signed by the key in use")
		k.authority.advance(token.Lead)
		if err := k.authority.Rotate(operator(t.Context())); err != nil {
			t.Fatal(err)
		}
		k.authority.advance(token.Retired + time.Minute)
		if err := k.authority.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		look("signed by a key that verifies no access token any more")
	})
}

func TestNobodyIsSentOutWithWhatIsNotTheClients(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k, g := newLeaving(t, d)
		other, _ := k.newApp(t, token.NewClient{Name: "Other"})
		good := k.identity(t, "JWT", issuer, k.app.ID)
		for name, c := range map[string]struct {
			q    url.Values
			want error
		}{
			"access token":          {url.Values{"id_token_hint": {k.identity(t, "at+jwt", issuer, k.app.ID)}}, token.ErrHint},
			"another issuer":        {url.Values{"id_token_hint": {k.identity(t, "JWT", "https://evil.example", k.app.ID)}}, token.ErrHint},
			"changed":               {url.Values{"id_token_hint": {good[:len(good)-5] + "AAAAA"}}, token.ErrHint},
			"no token":              {url.Values{"id_token_hint": {"x"}}, token.ErrHint},
			"another client's":      {url.Values{"id_token_hint": {good}, "client_id": {other.ID}}, token.ErrHint},
			"client that is none":   {url.Values{"id_token_hint": {k.identity(t, "JWT", issuer, "cli_nobody")}}, token.ErrNoClient},
			"address of the other":  {url.Values{"client_id": {other.ID}, "post_logout_redirect_uri": {left}}, token.ErrUnregistered},
			"address but for a bit": {url.Values{"id_token_hint": {good}, "post_logout_redirect_uri": {left + "&x=1"}}, token.ErrUnregistered},
			"address of nobody":     {url.Values{"post_logout_redirect_uri": {left}}, token.ErrRequest},
			"two of them":           {url.Values{"client_id": {k.app.ID, other.ID}}, token.ErrRequest},
		} {
			if l, err := g.Leave(t.Context(), c.q); !errors.Is(err, c.want) || l.To != "" {
				t.Errorf("%s: got %q, %v, want %v", name, l.To, err, c.want)
			}
		}
	})
}
