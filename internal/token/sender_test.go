package token_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/dpop/dpoptest"
	"signet/internal/once"
	"signet/internal/ticket"
	"signet/internal/token"
)

// bound is a client that must prove a key.
func (h *house) bound() (id, secret string) {
	return h.client(func(n *token.NewClient) { n.Policy.DPoP = token.Required })
}

// The matrix of what clients get, with nonces: no proof is 400 with use_dpop_nonce in
// the challenge, a used proof is 401 and in the audit log, another key is invalid_grant,
// a bound token as Bearer is 401.
func TestMatrixOfBoundTokens(t *testing.T) {
	onEveryStore(t, func(t *testing.T, d *db.DB, o houseOptions) {
		o.sender = func(s *token.SenderOptions) { s.Nonces = true }
		h := newHouse(t, d, o)
		id, secret := h.bound()
		first, last := h.nodes[0], h.nodes[len(h.nodes)-1]
		ask := func(n *node, headers ...string) answer {
			return n.call(t, "/token", id, secret, form("grant_type", "client_credentials"), headers...)
		}
		a := ask(first)
		a.wants(t, "no proof", 400, "invalid_dpop_proof")
		nonce := a.header.Values("DPoP-Nonce")
		challenge := a.header.Get("WWW-Authenticate")
		if len(nonce) != 1 || !strings.Contains(challenge, `DPoP error="use_dpop_nonce"`) || !strings.Contains(challenge, `algs="ES256 EdDSA Ed25519 PS256"`) {
			t.Fatalf("no proof: got nonces %q, challenge %q", nonce, challenge)
		}
		k := h.holder()
		a = ask(first, "DPoP", k.proof("/token", nil))
		a.wants(t, "no nonce", 400, "use_dpop_nonce")
		if len(a.header.Values("DPoP-Nonce")) != 1 {
			t.Errorf("no nonce: got %q", a.header.Values("DPoP-Nonce"))
		}
		ask(first, "DPoP", k.proof("/token", map[string]any{"nonce": "AAAA"})).wants(t, "nonce of nobody", 400, "use_dpop_nonce")
		good := k.proof("/token", map[string]any{"nonce": nonce[0]})
		a = ask(last, "DPoP", good)
		a.wants(t, "good, with the other node's nonce", 200, "")
		if a.text("token_type") != "DPoP" {
			t.Errorf("token_type: got %q", a.text("token_type"))
		}
		i := first.call(t, "/introspect", id, secret, form("token", a.text("access_token")))
		if cnf, _ := i.body["cnf"].(map[string]any); cnf["jkt"] != k.thumbprint() || i.text("token_type") != "DPoP" {
			t.Errorf("introspection: got %v", i.body)
		}
		for _, n := range h.nodes {
			ask(n, "DPoP", good).wants(t, "the same proof again", 401, "invalid_dpop_proof")
		}
		if !h.recorded("authority.dpop.replay") {
			t.Error("the replay is not in the audit log")
		}
		if got := first.count(t, "authority_dpop_nonce_miss_total", "first"); got != 1 {
			t.Errorf("misses of the first nonce: got %v, want 1", got)
		}
	})
}

func TestProofsAtTheTokenEndpoint(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.bound()
	free, freeSecret := h.client(nil)
	off, offSecret := h.client(func(n *token.NewClient) { n.Policy.DPoP = token.Off })
	k := h.holder()
	n := h.nodes[0]
	f := form("grant_type", "client_credentials")
	for name, c := range map[string]struct {
		headers []string
		status  int
		code    string
	}{
		"good":             {[]string{"DPoP", k.proof("/token", nil)}, 200, ""},
		"empty":            {[]string{"DPoP", ""}, 400, "invalid_dpop_proof"},
		"two":              {[]string{"DPoP", k.proof("/token", nil), "DPoP", k.proof("/token", nil)}, 400, "invalid_dpop_proof"},
		"list":             {[]string{"DPoP", k.proof("/token", nil) + ", " + k.proof("/token", nil)}, 400, "invalid_dpop_proof"},
		"another endpoint": {[]string{"DPoP", k.proof("/par", nil)}, 400, "invalid_dpop_proof"},
		"another method":   {[]string{"DPoP", k.proof("/token", map[string]any{"htm": "GET"})}, 400, "invalid_dpop_proof"},
		"address of Host":  {[]string{"DPoP", k.proof("/token", map[string]any{"htu": "http://elsewhere.example.org/token"})}, 400, "invalid_dpop_proof"},
		"old":              {[]string{"DPoP", k.proof("/token", map[string]any{"iat": h.now().Add(-71 * time.Second).Unix()})}, 400, "invalid_dpop_proof"},
		"of the future":    {[]string{"DPoP", k.proof("/token", map[string]any{"iat": h.now().Add(20 * time.Second).Unix()})}, 400, "invalid_dpop_proof"},
		"huge":             {[]string{"DPoP", k.proof("/token", map[string]any{"x": strings.Repeat("x", 9000)})}, 400, "invalid_dpop_proof"},
		"no jti":           {[]string{"DPoP", k.proof("/token", map[string]any{"jti": nil})}, 400, "invalid_dpop_proof"},
	} {
		n.call(t, "/token", id, secret, f, c.headers...).wants(t, name, c.status, c.code)
	}
	n.call(t, "/token", free, freeSecret, f).wants(t, "who need not, without", 200, "")
	if a := n.call(t, "/token", free, freeSecret, f, "DPoP", k.proof("/token", nil)); a.text("token_type") != "DPoP" {
		t.Errorf("who need not, with: got %v", a.body)
	}
	n.call(t, "/token", free, freeSecret, f, "DPoP", "x").wants(t, "who need not, with a bad one", 400, "invalid_dpop_proof")
	n.call(t, "/token", off, offSecret, f, "DPoP", k.proof("/token", nil)).wants(t, "where it is off", 400, "invalid_dpop_proof")

	spared := k.proof("/token", nil)
	n.call(t, "/token", id, "sgc_wrong", f, "DPoP", spared).wants(t, "with a wrong secret", 401, "invalid_client")
	n.call(t, "/token", id, secret, form("grant_type", "authorization_code", "code", "x"), "DPoP", spared).wants(t, "with a bad code", 400, "invalid_grant")
	n.call(t, "/token", id, secret, f, "DPoP", spared).wants(t, "the same proof, which was not spent", 200, "")
}

func TestOfManyUsesOfOneProofOneWins(t *testing.T) {
	onEveryStore(t, func(t *testing.T, d *db.DB, o houseOptions) {
		h := newHouse(t, d, o)
		id, secret := h.bound()
		proof := h.holder().proof("/token", nil)
		var late atomic.Bool // a store on a busy machine may answer too late, to the winner too
		won := h.race(64, func(n *node) bool {
			a := n.call(t, "/token", id, secret, form("grant_type", "client_credentials"), "DPoP", proof)
			if a.status == http.StatusServiceUnavailable {
				late.Store(true)
			}
			return a.status == http.StatusOK
		})
		if won > 1 || won == 0 && !late.Load() {
			t.Errorf("%d won, want 1", won)
		}
	})
}

func TestSingleUseNonceIsGoodOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, d *db.DB, o houseOptions) {
		o.sender = func(s *token.SenderOptions) { s.Nonces, s.SingleUse = true, true }
		h := newHouse(t, d, o)
		id, secret := h.bound()
		k := h.holder()
		ask := func(n *node, nonce string) answer {
			return n.call(t, "/token", id, secret, form("grant_type", "client_credentials"), "DPoP", k.proof("/token", map[string]any{"nonce": nonce}))
		}
		nonce := ask(h.nodes[0], "x").header.Get("DPoP-Nonce")
		won := h.race(16, func(n *node) bool { return ask(n, nonce).status == 200 })
		if won != 1 {
			t.Errorf("%d won with one nonce, want 1", won)
		}
		a := ask(h.nodes[0], nonce)
		a.wants(t, "the nonce again", 401, "invalid_dpop_proof")
		ask(h.nodes[0], a.header.Get("DPoP-Nonce")).wants(t, "the nonce of that answer", 200, "")
		if got := h.nodes[0].count(t, "authority_dpop_nonce_miss_total", "replayed"); got == 0 {
			t.Error("nobody counted the replayed nonce")
		}
	})
}

func TestCodeAndRefreshTokenAreBoundToTheirKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{})
		public, _ := h.client(func(n *token.NewClient) { n.Auth, n.Consent = token.AuthNone, token.ConsentAsk })
		n, owner, thief := h.nodes[0], h.holder(), h.holder()
		as := func(f url.Values) url.Values { f.Set("client_id", public); return f }

		bound := as(exchange(h.authorize(public, "dpop_jkt", owner.thumbprint())))
		n.call(t, "/token", "", "", bound, "DPoP", thief.proof("/token", nil)).wants(t, "code, another key", 400, "invalid_grant")
		n.call(t, "/token", "", "", bound).wants(t, "code, no key", 400, "invalid_grant")
		a := n.call(t, "/token", "", "", bound, "DPoP", owner.proof("/token", nil))
		a.wants(t, "code, its key", 200, "")

		again := as(form("grant_type", "refresh_token", "refresh_token", a.text("refresh_token")))
		n.call(t, "/token", "", "", again, "DPoP", thief.proof("/token", nil)).wants(t, "refresh, another key", 400, "invalid_grant")
		n.call(t, "/token", "", "", again).wants(t, "refresh, no key", 400, "invalid_grant")
		n.call(t, "/token", "", "", again, "DPoP", owner.proof("/token", nil)).wants(t, "refresh, its key", 200, "")

		if a := n.call(t, "/token", "", "", as(exchange(h.authorize(public)))); a.status != 200 || a.body["refresh_token"] != nil {
			t.Errorf("a public client without a key: got %v, want no refresh token", a.body)
		}
	})
}

func TestPushedRequestIsBoundToItsKeyAndGoodOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{})
		id, secret := h.client(nil)
		other, _ := h.client(nil)
		n, k := h.nodes[0], h.holder()
		ask := form("response_type", "code", "redirect_uri", "https://app.example.org/cb", "code_challenge", challenge,
			"code_challenge_method", "S256", "scope", "mail:send", "client_id", id)
		a := n.call(t, "/par", id, secret, ask, "DPoP", k.proof("/par", nil))
		a.wants(t, "pushed", 201, "")
		uri := a.text("request_uri")
		if _, err := n.Begin(t.Context(), form("client_id", other, "request_uri", uri)); err == nil {
			t.Error("another client may use it")
		}
		asked, err := n.Begin(t.Context(), form("client_id", id, "request_uri", uri))
		if err != nil {
			t.Fatal(err)
		}
		to, err := n.Grant(t.Context(), asked, "usr_alice", "ses_alice", false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Grant(t.Context(), asked, "usr_alice", "ses_alice", false); err == nil {
			t.Error("granted twice")
		}
		if _, err := n.Begin(t.Context(), form("client_id", id, "request_uri", uri)); err == nil {
			t.Error("begun again after it was granted")
		}
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		f := exchange(u.Query().Get("code"))
		n.call(t, "/token", id, secret, f, "DPoP", h.holder().proof("/token", nil)).wants(t, "another key", 400, "invalid_grant")
		n.call(t, "/token", id, secret, f, "DPoP", k.proof("/token", nil)).wants(t, "its key", 200, "")

		for name, c := range map[string]struct {
			name, value, code string
		}{
			"nested":             {"request_uri", uri, "invalid_request"},
			"no PKCE":            {"code_challenge", "", "invalid_request"},
			"plain PKCE":         {"code_challenge_method", "plain", "invalid_request"},
			"implicit":           {"response_type", "token", "unsupported_response_type"},
			"redirect of others": {"redirect_uri", "https://evil.example.org/cb", "invalid_request"},
			"scope of others":    {"scope", "users:write", "invalid_scope"},
			"another key's":      {"dpop_jkt", h.holder().thumbprint(), "invalid_request"},
		} {
			f := url.Values{}
			maps.Copy(f, ask)
			f.Set(c.name, c.value)
			n.call(t, "/par", id, secret, f, "DPoP", k.proof("/par", nil)).wants(t, name, 400, c.code)
		}
		n.call(t, "/par", id, "sgc_wrong", ask).wants(t, "wrong secret", 401, "invalid_client")
	})
}

func TestRequestIsToldWhatIsWrongWithIt(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	for _, c := range []struct {
		what, name, value string
		want              error
		text              string
	}{
		{"nobody asks", "client_id", "", token.ErrRequest, "client_id: request is not valid: it is missing: it says which app asks"},
		{"an unknown app asks", "client_id", "nobody", token.ErrNoClient, "no such OAuth client"},
		{"nowhere to go", "redirect_uri", "", token.ErrRequest, "redirect_uri: request is not valid: it is missing: want one that the client has registered"},
		{"a long state", "state", strings.Repeat("s", 2049), token.ErrRequest, "request is not valid: nonce or state is too long"},
		{"a long nonce", "nonce", strings.Repeat("n", 513), token.ErrRequest, "request is not valid: nonce or state is too long"},
		{"the longest state", "state", strings.Repeat("s", 2048), nil, ""},
		{"the longest nonce", "nonce", strings.Repeat("n", 512), nil, ""},
		{"elsewhere", "redirect_uri", "https://app.example.org/other", token.ErrUnregistered, "redirect_uri: is not among those that the client has registered"},
	} {
		if _, err := h.asked(id, c.name, c.value); !errors.Is(err, c.want) || err != nil && err.Error() != c.text {
			t.Errorf("%s: got %v, want %q", c.what, err, c.text)
		}
	}
	a := h.nodes[0].call(t, "/par", id, secret, form("response_type", "code", "scope", "openid"))
	a.wants(t, "pushed", 400, "invalid_request")
	if got, want := a.text("error_description"), "redirect_uri: request is not valid: it is missing"; !strings.HasPrefix(got, want) {
		t.Errorf("pushed: got %q, want %q", got, want)
	}
}

func TestBoundTokenIsOfNoUseToAThief(t *testing.T) {
	onEveryStore(t, func(t *testing.T, d *db.DB, o houseOptions) {
		h := newHouse(t, d, o)
		id, secret := h.bound()
		n, k, thief := h.nodes[0], h.holder(), h.holder()
		a := n.call(t, "/token", id, secret, exchange(h.authorize(id)), "DPoP", k.proof("/token", nil))
		a.wants(t, "token", 200, "")
		at := a.text("access_token")
		other := n.call(t, "/token", id, secret, exchange(h.authorize(id)), "DPoP", k.proof("/token", nil)).text("access_token")
		free, freeSecret := h.client(nil)
		bearer := n.call(t, "/token", free, freeSecret, exchange(h.authorize(free))).text("access_token")
		proof := func(by holder, changes map[string]any) string {
			all := map[string]any{"ath": ath(at)}
			maps.Copy(all, changes)
			return by.proof("/userinfo", all)
		}
		good := proof(k, nil)
		for _, c := range []struct {
			name    string
			headers []string
			status  int
			code    string
		}{
			{"good", []string{"Authorization", "DPoP " + at, "DPoP", good}, 200, ""},
			{"again", []string{"Authorization", "DPoP " + at, "DPoP", good}, 401, "invalid_dpop_proof"},
			{"as Bearer", []string{"Authorization", "Bearer " + at}, 401, "invalid_token"},
			{"as Bearer, with a proof", []string{"Authorization", "Bearer " + at, "DPoP", proof(k, nil)}, 401, "invalid_token"},
			{"without proof", []string{"Authorization", "DPoP " + at}, 401, "invalid_token"},
			{"another key", []string{"Authorization", "DPoP " + at, "DPoP", proof(thief, nil)}, 401, "invalid_token"},
			{"proof for another token", []string{"Authorization", "DPoP " + at, "DPoP", proof(k, map[string]any{"ath": ath(other)})}, 401, "invalid_dpop_proof"},
			{"proof for no token", []string{"Authorization", "DPoP " + at, "DPoP", proof(k, map[string]any{"ath": nil})}, 401, "invalid_dpop_proof"},
			{"proof for another endpoint", []string{"Authorization", "DPoP " + at, "DPoP", k.proof("/token", map[string]any{"ath": ath(at)})}, 401, "invalid_dpop_proof"},
			{"two proofs", []string{"Authorization", "DPoP " + at, "DPoP", proof(k, nil), "DPoP", proof(k, nil)}, 401, "invalid_dpop_proof"},
			{"two schemes", []string{"Authorization", "DPoP " + at, "Authorization", "Bearer " + at, "DPoP", proof(k, nil)}, 400, "invalid_request"},
			{"bearer token as DPoP", []string{"Authorization", "DPoP " + bearer, "DPoP", proof(k, map[string]any{"ath": ath(bearer)})}, 401, "invalid_token"},
		} {
			a := h.nodes[len(h.nodes)-1].call(t, "/userinfo", "", "", form(), c.headers...)
			a.wants(t, c.name, c.status, c.code)
			if challenge := a.header.Get("WWW-Authenticate"); c.status == 401 && !strings.Contains(challenge, "error=") {
				t.Errorf("%s: challenge: got %q", c.name, challenge)
			}
		}
	})
}

func TestRefusalOfABearerNamesEverySchemeThatIsTaken(t *testing.T) {
	for name, c := range map[string]struct {
		proofs bool
		sent   []string
		want   string
	}{
		"nothing sent":         {true, nil, `Bearer realm="signet", DPoP algs="ES256 EdDSA"`},
		"a bad bearer":         {true, []string{"Authorization", "Bearer x"}, `Bearer error="invalid_token", DPoP algs="ES256 EdDSA"`},
		"no token":             {true, []string{"Authorization", "Bearer"}, `Bearer realm="signet", DPoP algs="ES256 EdDSA"`},
		"a bad one as DPoP":    {true, []string{"Authorization", "DPoP x"}, `DPoP error="invalid_token", algs="ES256 EdDSA"`},
		"proofs are not taken": {false, []string{"Authorization", "Bearer x"}, `Bearer error="invalid_token"`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, dbtest.SQLite(t), houseOptions{sender: func(s *token.SenderOptions) {
				s.DPoP, s.Proofs.Algorithms = c.proofs, []string{"ES256", "EdDSA"}
			}})
			a := h.nodes[0].call(t, "/userinfo", "", "", form(), c.sent...)
			if got := a.header.Get("WWW-Authenticate"); a.status != 401 || got != c.want {
				t.Errorf("got %d %q, want 401 %q", a.status, got, c.want)
			}
		})
	}
}

func TestOwnAPIsMayAskForANonce(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{sender: func(s *token.SenderOptions) { s.Nonces, s.NonceAtAPIs = true, []string{issuer} }})
	id, secret := h.bound()
	n, k := h.nodes[0], h.holder()
	nonce := n.call(t, "/token", id, secret, form("grant_type", "client_credentials")).header.Get("DPoP-Nonce")
	a := n.call(t, "/token", id, secret, form("grant_type", "client_credentials", "resource", issuer), "DPoP", k.proof("/token", map[string]any{"nonce": nonce}))
	a.wants(t, "token", 200, "")
	api := token.NewAuthenticator(n.OAuth, func(string) bool { return false })
	at := a.text("access_token")
	try := func(changes map[string]any) (*ticket.Ticket, error) {
		changes["ath"] = ath(at)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x/api/v1/things?x=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "DPoP "+at)
		r.Header.Set("DPoP", k.proof("/api/v1/things", changes))
		return api.Authenticate(r)
	}
	if _, err := try(map[string]any{}); err == nil || !strings.Contains(err.Error(), "nonce") {
		t.Errorf("without nonce: got %v", err)
	}
	got, err := try(map[string]any{"nonce": nonce})
	if err != nil {
		t.Fatal(err)
	}
	if got.Kind != ticket.Client || got.Subject != id || !got.May("mail:send") || got.May("users:write") || got.Sender.JKT != k.thumbprint() {
		t.Errorf("got %+v", got)
	}
}

func TestAPITakesTokensForThisServerOnlyAndNoFurtherThanTheirScopes(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	n := h.nodes[0]
	api := token.NewAuthenticator(n.OAuth, func(s string) bool { return strings.HasPrefix(s, "sgt_") })
	try := func(value string) (*ticket.Ticket, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/api/v1/things", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", value)
		return api.Authenticate(r)
	}
	mine := n.call(t, "/token", id, secret, exchange(h.authorize(id, "resource", issuer))).text("access_token")
	got, err := try("Bearer " + mine)
	if err != nil {
		t.Fatal(err)
	}
	if got.Kind != ticket.User || got.Subject != "usr_alice" || got.Account != "acme" || !got.May("mail:send") || got.May("users:write") || got.Scopes == nil {
		t.Errorf("got %+v, want alice with mail:send alone", got)
	}
	h.tx(func(ctx context.Context, tx *db.Tx) error { // as if the scope had got the name of a permission later
		_, err := tx.ExecContext(ctx, `UPDATE oauth_clients SET scopes = '["openid","mail:send","peers:approve","free"]' WHERE id = $1`, id)
		return err
	})
	h.advance(time.Second)
	own := n.call(t, "/token", id, secret, form("grant_type", "client_credentials", "resource", issuer)).text("access_token")
	if got, err := try("Bearer " + own); err != nil || !slices.Equal(got.Permissions, []string{"mail:send"}) {
		t.Errorf("a tenant's client itself: got %+v, %v, want mail:send alone", got, err)
	}
	theirs := n.call(t, "/token", id, secret, exchange(h.authorize(id))).text("access_token")
	if _, err := try("Bearer " + theirs); err == nil {
		t.Error("a token for another API opens this one")
	}
	for _, v := range []string{"Bearer sgt_x", "Basic eDp5", "Bearer"} {
		if got, err := try(v); got != nil || err != nil {
			t.Errorf("%s: got %v, %v, want nobody", v, got, err)
		}
	}
	h.tx(func(ctx context.Context, tx *db.Tx) error { return h.codes.CloseUser(ctx, tx, "usr_alice") })
	h.advance(time.Second)
	if _, err := try("Bearer " + mine); err == nil {
		t.Error("the user is disabled, and the token opens the door")
	}
}

// away is a store that cannot tell.
type awayStore struct{ once.Store }

func (awayStore) Take(context.Context, once.Entry) (once.Answer, error) {
	return once.Answer{}, context.DeadlineExceeded
}

func TestWithoutAReplayStoreNothingIsAccepted(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{store: func(testing.TB, *db.DB) once.Store { return awayStore{once.NewMemory()} }})
	id, secret := h.bound()
	a := h.nodes[0].call(t, "/token", id, secret, form("grant_type", "client_credentials"), "DPoP", h.holder().proof("/token", nil))
	a.wants(t, "store away", 503, "temporarily_unavailable")
	if got := h.nodes[0].count(t, "authority_dpop_requests_total", "unavailable"); got != 1 {
		t.Errorf("counted %v times, want 1", got)
	}
}

func TestProofThatAYoungStoreCannotJudgeIsAskedForANonce(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{sender: func(s *token.SenderOptions) { s.Nonces = true }})
	h.advance(-newborn)
	id, secret := h.bound()
	n, k := h.nodes[0], h.holder()
	nonce := n.call(t, "/token", id, secret, form("grant_type", "client_credentials")).header.Get("DPoP-Nonce")
	at := n.call(t, "/token", id, secret, exchange(h.authorize(id)), "DPoP", k.proof("/token", map[string]any{"nonce": nonce})).text("access_token")
	ask := func(changes map[string]any) answer {
		changes["ath"] = ath(at)
		return n.call(t, "/userinfo", "", "", form(), "Authorization", "DPoP "+at, "DPoP", k.proof("/userinfo", changes))
	}
	a := ask(map[string]any{})
	a.wants(t, "without nonce", 401, "use_dpop_nonce")
	ask(map[string]any{"nonce": a.header.Get("DPoP-Nonce")}).wants(t, "with it", 200, "")
}

func TestBypassGivesBearerTokensUntilItEnds(t *testing.T) {
	var until time.Time
	h := newHouse(t, dbtest.SQLite(t), houseOptions{sender: func(s *token.SenderOptions) {
		until = time.Now().Add(2 * time.Minute)
		s.Bypass = token.Bypass{Until: until, Reason: "the gateway strips the header"}
		s.Nonces = true
	}})
	id, secret := h.bound()
	n, k := h.nodes[0], h.holder()
	f := form("grant_type", "client_credentials", "resource", issuer)
	a := n.call(t, "/token", id, secret, f)
	a.wants(t, "while it is on", 200, "")
	if left, _ := a.body["expires_in"].(float64); a.text("token_type") != "Bearer" || left > 120 {
		t.Errorf("got %v, want a bearer token that ends with the bypass", a.body)
	}
	if code := n.call(t, "/token", id, secret, exchange(h.authorize(id))); code.status != 200 || code.body["refresh_token"] != nil {
		t.Errorf("code: got %v, want no refresh token", code.body)
	}
	if got := n.count(t, "authority_dpop_requests_total", "bypass"); got != 2 {
		t.Errorf("counted %v times, want 2", got)
	}
	nonce := n.call(t, "/token", id, secret, f, "DPoP", k.proof("/token", nil)).header.Get("DPoP-Nonce")
	bound := n.call(t, "/token", id, secret, f, "DPoP", k.proof("/token", map[string]any{"nonce": nonce}))
	if bound.text("token_type") != "DPoP" {
		t.Fatalf("who proves a key all the same: got %v", bound.body)
	}
	n.call(t, "/userinfo", "", "", form(), "Authorization", "Bearer "+bound.text("access_token")).wants(t, "a bound token as Bearer", 401, "invalid_token")
	api := token.NewAuthenticator(n.OAuth, func(string) bool { return false })
	use := func() error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/api/v1/things", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+a.text("access_token"))
		_, err = api.Authenticate(r)
		return err
	}
	if err := use(); err != nil {
		t.Errorf("its token, while it is on: %v", err)
	}
	h.advance(2*time.Minute + time.Second)
	n.call(t, "/token", id, secret, f).wants(t, "when it has ended", 400, "invalid_dpop_proof")
	if err := use(); err == nil {
		t.Error("its token is good after the end")
	}
}

func TestTenantsAndTheConfigurationMayDemandAKey(t *testing.T) {
	for _, account := range []string{"acme", "*"} {
		h := newHouse(t, dbtest.SQLite(t), houseOptions{sender: func(s *token.SenderOptions) { s.DPoPFor = []string{"other", account} }})
		id, secret := h.client(nil)
		h.nodes[0].call(t, "/token", id, secret, form("grant_type", "client_credentials")).wants(t, "by configuration of "+account, 400, "invalid_dpop_proof")
	}
	h := newHouse(t, dbtest.SQLite(t), houseOptions{sender: func(s *token.SenderOptions) { s.DPoPFor = []string{"other"} }})
	id, secret := h.client(nil)
	before := h.nodes[0].call(t, "/token", id, secret, exchange(h.authorize(id)))
	before.wants(t, "by nobody", 200, "")
	if err := h.clients.SetTenantPolicy(member(t.Context(), "acme", "oauth:clients"), "", token.Policy{DPoP: token.Required, MTLS: token.Off}); err != nil {
		t.Fatal(err)
	}
	h.nodes[0].call(t, "/token", id, secret, form("grant_type", "client_credentials")).wants(t, "by the tenant", 400, "invalid_dpop_proof")
	h.nodes[0].call(t, "/userinfo", "", "", form(), "Authorization", "Bearer "+before.text("access_token")).
		wants(t, "a token of before", 401, "invalid_token")

	h = newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret = h.client(nil)
	k := h.holder()
	bound := h.nodes[0].call(t, "/token", id, secret, exchange(h.authorize(id)), "DPoP", k.proof("/token", nil)).text("access_token")
	if err := h.clients.SetTenantPolicy(member(t.Context(), "acme", "oauth:clients"), "", token.Policy{DPoP: token.Off, MTLS: token.Required}); err != nil {
		t.Fatal(err)
	}
	h.nodes[0].call(t, "/userinfo", "", "", form(), "Authorization", "DPoP "+bound, "DPoP", k.proof("/userinfo", map[string]any{"ath": ath(bound)})).
		wants(t, "a token with a key, once a certificate is demanded", 401, "invalid_token")
}

// What attackers send at resources and elsewhere, sent to /token: nothing of it passes.
func TestTokenEndpointRefusesWhatAttackersSend(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.bound()
	h.freeze()
	signer := dpoptest.NewSigner(t, "ES256")
	for _, a := range dpoptest.Attacks(t, signer, dpoptest.Payload(http.MethodPost, issuer+"/token", "", h.now()), h.now()) {
		var headers []string
		for _, v := range a.Headers {
			headers = append(headers, "DPoP", v)
		}
		h.nodes[0].call(t, "/token", id, secret, form("grant_type", "client_credentials"), headers...).wants(t, a.Name, 400, "invalid_dpop_proof")
	}
	good := signer.Proof(t, signer.Header(), dpoptest.Payload(http.MethodPost, issuer+"/token", "", h.now()))
	h.nodes[0].call(t, "/token", id, secret, form("grant_type", "client_credentials"), "DPoP", good).wants(t, "a good one", 200, "")
}
