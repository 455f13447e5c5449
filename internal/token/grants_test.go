package token_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/token"
)

func TestTokenEndpointRefusesInTheWordsOfOAuth(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	few, fewSecret := h.client(func(n *token.NewClient) { n.Grants = []string{token.GrantCode} })
	public, _ := h.client(func(n *token.NewClient) { n.Auth = token.AuthNone })
	ask := func(pairs ...string) url.Values {
		return form(append([]string{"grant_type", "client_credentials"}, pairs...)...)
	}
	for name, c := range map[string]struct {
		id, secret string
		form       url.Values
		status     int
		code       string
	}{
		"good":                         {id, secret, ask(), 200, ""},
		"no grant_type":                {id, secret, form("scope", "mail:send"), 400, "invalid_request"},
		"grant_type of nobody":         {id, secret, form("grant_type", "password"), 400, "unsupported_grant_type"},
		"implicit":                     {id, secret, form("grant_type", "implicit"), 400, "unsupported_grant_type"},
		"grant of others":              {few, fewSecret, ask(), 400, "unauthorized_client"},
		"wrong secret":                 {id, "sgc_wrong", ask(), 401, "invalid_client"},
		"unknown client":               {"nobody", secret, ask(), 401, "invalid_client"},
		"nobody at all":                {"", "", ask(), 401, "invalid_client"},
		"public client, its own grant": {"", "", form("grant_type", "client_credentials", "client_id", public), 400, "unauthorized_client"},
		"two grant_types":              {id, secret, form("grant_type", "client_credentials", "grant_type", "client_credentials"), 400, "invalid_request"},
		"two scopes":                   {id, secret, ask("scope", "mail:send", "scope", "mail:send"), 400, "invalid_request"},
		"scope of others":              {id, secret, ask("scope", "users:write"), 400, "invalid_scope"},
		"scope with two spaces":        {id, secret, ask("scope", "mail:send  mail:send"), 400, "invalid_scope"},
		"scope about a person":         {id, secret, ask("scope", "openid"), 400, "invalid_scope"},
		"resource of others":           {id, secret, ask("resource", "https://elsewhere.example.org"), 400, "invalid_target"},
		"resource":                     {id, secret, ask("resource", issuer), 200, ""},
		"two resources":                {id, secret, ask("resource", issuer, "resource", api), 200, ""},
		"NUL":                          {id, secret, ask("scope", "mail:send\x00"), 400, "invalid_request"},
		"no code":                      {id, secret, form("grant_type", "authorization_code"), 400, "invalid_request"},
		"code of nobody":               {id, secret, exchange("nothing"), 400, "invalid_grant"},
		"no refresh token":             {id, secret, form("grant_type", "refresh_token"), 400, "invalid_request"},
		"refresh token of nobody":      {id, secret, form("grant_type", "refresh_token", "refresh_token", "sgf_x"), 400, "invalid_grant"},
		"no device code":               {id, secret, form("grant_type", token.GrantDevice), 400, "invalid_request"},
		"device code of nobody":        {id, secret, form("grant_type", token.GrantDevice, "device_code", "x"), 400, "invalid_grant"},
	} {
		a := h.nodes[0].call(t, "/token", c.id, c.secret, c.form)
		a.wants(t, name, c.status, c.code)
		if got := a.header.Get("WWW-Authenticate"); c.status == 401 && got != `Basic realm="signet"` {
			t.Errorf("%s: challenge: got %q", name, got)
		}
	}
}

func TestTokenEndpointReadsOneFormFromTheBody(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	for name, c := range map[string]struct{ contentType, body string }{
		"json":               {"application/json", `{"grant_type":"client_credentials"}`},
		"no type":            {"", "grant_type=client_credentials"},
		"broken escape":      {"application/x-www-form-urlencoded", "grant_type=%zz"},
		"semicolons":         {"application/x-www-form-urlencoded", "grant_type=client_credentials;scope=x"},
		"in the address too": {"application/x-www-form-urlencoded", ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/token?grant_type=client_credentials", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(id, secret)
		r.Header.Set("Content-Type", c.contentType)
		h.nodes[0].send(t, r).wants(t, name, http.StatusBadRequest, "invalid_request")
	}
}

func TestClientCredentialsGiveATokenForTheClientAlone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{})
		id, secret := h.client(nil)
		a := h.nodes[0].call(t, "/token", id, secret, form("grant_type", "client_credentials", "scope", "mail:send", "resource", issuer))
		a.wants(t, "token", http.StatusOK, "")
		if a.text("token_type") != "Bearer" || a.text("scope") != "mail:send" || a.body["expires_in"] != 300.0 || a.body["refresh_token"] != nil {
			t.Errorf("got %v", a.body)
		}
		i := h.nodes[0].call(t, "/introspect", id, secret, form("token", a.text("access_token")))
		if i.body["active"] != true || i.text("sub") != id || i.text("client_id") != id || i.text("tenant") != "acme" || i.text("scope") != "mail:send" {
			t.Errorf("introspection: got %v", i.body)
		}
		if i.body["auth_time"] != nil || i.body["sid"] != nil {
			t.Errorf("it says that a person stands behind it: %v", i.body)
		}
		h.nodes[0].call(t, "/revoke", id, secret, form("token", a.text("access_token"))).wants(t, "revoke", 200, "")
		if i := h.nodes[0].call(t, "/introspect", id, secret, form("token", a.text("access_token"))); i.body["active"] != false || len(i.body) != 1 {
			t.Errorf("after its revocation: got %v", i.body)
		}
	})
}

func TestForgetfulAuthorityKeepsNoTokenOfAClientItself(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{forgetful: true})
	id, secret := h.client(nil)
	n := h.nodes[0]
	own := n.call(t, "/token", id, secret, form("grant_type", "client_credentials")).text("access_token")
	alices := n.call(t, "/token", id, secret, exchange(h.authorize(id))).text("access_token")
	var kept int
	if err := h.d.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM authority_tokens WHERE kind = 'access'`).Scan(&kept); err != nil || kept != 1 {
		t.Errorf("%d access tokens are kept, %v, want alice's alone", kept, err)
	}
	for name, c := range map[string]struct {
		token   string
		revoked bool
	}{"own": {own, false}, "alice's": {alices, true}} {
		if i := n.call(t, "/introspect", id, secret, form("token", c.token)); i.body["active"] != true {
			t.Errorf("%s: got %v", name, i.body)
		}
		n.call(t, "/revoke", id, secret, form("token", c.token)).wants(t, name, 200, "")
		if i := n.call(t, "/introspect", id, secret, form("token", c.token)); i.body["active"] == c.revoked {
			t.Errorf("%s, after /revoke: got %v", name, i.body)
		}
	}
	if err := h.clients.Disable(member(t.Context(), "acme", "oauth:clients", "mail:send"), id); err != nil {
		t.Fatal(err)
	}
	watcher, watcherSecret := h.client(nil)
	if i := n.call(t, "/introspect", watcher, watcherSecret, form("token", own)); i.body["active"] != false {
		t.Errorf("its client is disabled: got %v", i.body)
	}
}

func TestOpaqueTokensSayNothingByThemselves(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(func(n *token.NewClient) { n.Format = token.Opaque })
	a := h.nodes[0].call(t, "/token", id, secret, form("grant_type", "client_credentials"))
	if v := a.text("access_token"); !strings.HasPrefix(v, token.AccessPrefix) || strings.Contains(v, ".") {
		t.Errorf("got %q", v)
	}
	i := h.nodes[0].call(t, "/introspect", id, secret, form("token", a.text("access_token")))
	if i.body["active"] != true || i.text("sub") != id {
		t.Errorf("got %v", i.body)
	}
	h.advance(5*time.Minute + time.Second)
	if i := h.nodes[0].call(t, "/introspect", id, secret, form("token", a.text("access_token"))); i.body["active"] != false {
		t.Errorf("after its end: got %v", i.body)
	}
}

func TestCodeIsGoodOnceForItsClientRedirectAndVerifier(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{})
		id, secret := h.client(nil)
		other, otherSecret := h.client(nil)
		n := h.nodes[0]
		wrong := func(name, value string) url.Values {
			f := exchange(h.authorize(id))
			f.Set(name, value)
			return f
		}
		n.call(t, "/token", other, otherSecret, exchange(h.authorize(id))).wants(t, "another client", 400, "invalid_grant")
		n.call(t, "/token", id, secret, wrong("code_verifier", strings.Repeat("x", 43))).wants(t, "another verifier", 400, "invalid_grant")
		n.call(t, "/token", id, secret, wrong("code_verifier", "")).wants(t, "no verifier", 400, "invalid_grant")
		n.call(t, "/token", id, secret, wrong("redirect_uri", "https://app.example.org/other")).wants(t, "another redirect URI", 400, "invalid_grant")
		late := exchange(h.authorize(id))
		h.advance(time.Minute + time.Second)
		n.call(t, "/token", id, secret, late).wants(t, "late", 400, "invalid_grant")

		good := exchange(h.authorize(id))
		a := n.call(t, "/token", id, secret, good)
		a.wants(t, "good", 200, "")
		if a.text("refresh_token") == "" || a.text("id_token") == "" || a.text("scope") != "openid mail:send" {
			t.Errorf("got %v", a.body)
		}
		n.call(t, "/token", other, otherSecret, good).wants(t, "again, by another", 400, "invalid_grant")
		if i := n.call(t, "/introspect", id, secret, form("token", a.text("access_token"))); i.body["active"] != true {
			t.Error("who does not own the code ended what it gave")
		}
		n.call(t, "/token", id, secret, good).wants(t, "again", 400, "invalid_grant")
		if i := n.call(t, "/introspect", id, secret, form("token", a.text("access_token"))); i.body["active"] != false {
			t.Errorf("a code came twice, and what it gave is alive: %v", i.body)
		}
		n.call(t, "/token", id, secret, form("grant_type", "refresh_token", "refresh_token", a.text("refresh_token"))).
			wants(t, "refresh after the code came twice", 400, "invalid_grant")
		if !h.recorded("oauth_code.replay") {
			t.Error("the replay is not in the audit log")
		}
	})
}

// recorded reports whether an event of that action was written.
func (h *house) recorded(action string) bool {
	h.lock.Lock()
	defer h.lock.Unlock()
	for _, e := range h.events {
		if e.Action == action {
			return true
		}
	}
	return false
}

func TestOfManyRequestsWithOneCodeOneWins(t *testing.T) {
	onEveryStore(t, func(t *testing.T, d *db.DB, o houseOptions) {
		h := newHouse(t, d, o)
		id, secret := h.client(nil)
		f := exchange(h.authorize(id))
		if won := h.race(64, func(n *node) bool { return n.call(t, "/token", id, secret, f).status == 200 }); won != 1 {
			t.Errorf("%d won, want 1", won)
		}
	})
}

// race runs try so many times at once, on the nodes in turn, and counts who won.
func (h *house) race(n int, try func(n *node) bool) (won int) {
	var all sync.WaitGroup
	var lock sync.Mutex
	for i := range n {
		all.Go(func() {
			if try(h.nodes[i%len(h.nodes)]) {
				lock.Lock()
				defer lock.Unlock()
				won++
			}
		})
	}
	all.Wait()
	return won
}

func TestRefreshTokensRotateAndALostAnswerCanBeHadAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{nodes: 2, store: inSQL})
		id, secret := h.client(nil)
		first := h.nodes[0].call(t, "/token", id, secret, exchange(h.authorize(id))).text("refresh_token")
		use := func(n *node, value string) answer {
			return n.call(t, "/token", id, secret, form("grant_type", "refresh_token", "refresh_token", value))
		}
		a, b := use(h.nodes[0], first), use(h.nodes[1], first)
		a.wants(t, "first use", 200, "")
		b.wants(t, "again at once, on another node", 200, "")
		if a.text("refresh_token") != b.text("refresh_token") || a.text("refresh_token") == first {
			t.Error("the successors differ, or there is none")
		}
		if a.text("access_token") == b.text("access_token") {
			t.Error("the access tokens are one")
		}
		h.advance(11 * time.Second)
		c := use(h.nodes[1], a.text("refresh_token"))
		c.wants(t, "the successor", 200, "")
		h.advance(11 * time.Second)
		use(h.nodes[0], a.text("refresh_token")).wants(t, "a used one, later", 400, "invalid_grant")
		use(h.nodes[1], c.text("refresh_token")).wants(t, "the newest, after that", 400, "invalid_grant")
		if i := h.nodes[0].call(t, "/introspect", id, secret, form("token", c.text("access_token"))); i.body["active"] != false {
			t.Errorf("its access token is alive: %v", i.body)
		}
		if !h.recorded("authority.refresh.replay") {
			t.Error("the reuse is not in the audit log")
		}
	})
}

func TestGraceOfARefreshTokenIsNotExtendedByItsUse(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	first := h.nodes[0].call(t, "/token", id, secret, exchange(h.authorize(id))).text("refresh_token")
	use := func() answer {
		return h.nodes[0].call(t, "/token", id, secret, form("grant_type", "refresh_token", "refresh_token", first))
	}
	use().wants(t, "first use", 200, "")
	h.advance(6 * time.Second)
	use().wants(t, "after six seconds", 200, "")
	h.advance(6 * time.Second)
	use().wants(t, "after twelve", 400, "invalid_grant")
}

func TestManyRefreshesAtOnceHaveOneSuccessor(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{})
		id, secret := h.client(nil)
		first := h.nodes[0].call(t, "/token", id, secret, exchange(h.authorize(id))).text("refresh_token")
		var lock sync.Mutex
		next := map[string]bool{}
		won := h.race(32, func(n *node) bool {
			a := n.call(t, "/token", id, secret, form("grant_type", "refresh_token", "refresh_token", first))
			lock.Lock()
			defer lock.Unlock()
			next[a.text("refresh_token")] = true
			return a.status == 200
		})
		if won != 32 || len(next) != 1 {
			t.Errorf("%d of 32 answered, with %d successors", won, len(next))
		}
	})
}

func TestRefreshKeepsWhatWasProvenAndMayBeNarrowed(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	n := h.nodes[0]
	a := n.call(t, "/token", id, secret, exchange(h.authorize(id)))
	h.advance(time.Hour)
	r := n.call(t, "/token", id, secret, form("grant_type", "refresh_token", "refresh_token", a.text("refresh_token"), "scope", "mail:send"))
	r.wants(t, "narrowed", 200, "")
	i := n.call(t, "/introspect", id, secret, form("token", r.text("access_token")))
	if want := float64(h.people["ses_alice"].AuthTime.Unix()); i.body["auth_time"] != want || i.text("acr") != "phr" || i.text("scope") != "mail:send" {
		t.Errorf("got %v, want auth_time %v", i.body, want)
	}
	r = n.call(t, "/token", id, secret, form("grant_type", "refresh_token", "refresh_token", r.text("refresh_token")))
	if r.text("scope") != "openid mail:send" {
		t.Errorf("the family was narrowed for good: %v", r.body)
	}
	n.call(t, "/token", id, secret, form("grant_type", "refresh_token", "refresh_token", r.text("refresh_token"), "scope", "email")).
		wants(t, "widened", 400, "invalid_scope")
}

func TestRefreshGivesNothingThatTheClientMayHaveNoMore(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	n := h.nodes[0]
	a := n.call(t, "/token", id, secret, exchange(h.authorize(id)))
	ctx := member(t.Context(), "acme", "oauth:clients", "mail:send")
	change := func(f func(c *token.Client)) {
		t.Helper()
		if _, _, err := h.clients.Update(ctx, id, f); err != nil {
			t.Fatal(err)
		}
	}
	change(func(c *token.Client) { c.Scopes = []string{"openid"} })
	r := n.call(t, "/token", id, secret, form("grant_type", "refresh_token", "refresh_token", a.text("refresh_token")))
	if r.text("scope") != "openid" {
		t.Errorf("scope: got %v, want openid alone", r.body)
	}
	change(func(c *token.Client) { c.Audiences = []string{"https://new.example.org"} })
	n.call(t, "/token", id, secret, form("grant_type", "refresh_token", "refresh_token", r.text("refresh_token"))).wants(t, "no resource left", 400, "invalid_target")
	change(func(c *token.Client) { c.Grants = []string{token.GrantCode} })
	n.call(t, "/token", id, secret, form("grant_type", "refresh_token", "refresh_token", r.text("refresh_token"))).wants(t, "no refresh", 400, "unauthorized_client")
}

func TestRefreshEndsWithTheSessionUnlessItWasLetOutliveIt(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{})
		id, secret := h.client(nil)
		n := h.nodes[0]
		online := n.call(t, "/token", id, secret, exchange(h.authorize(id)))
		offline := n.call(t, "/token", id, secret, exchange(h.authorize(id, "scope", "offline_access mail:send")))
		open := exchange(h.authorize(id, "scope", "offline_access mail:send"))
		h.tx(func(ctx context.Context, tx *db.Tx) error {
			return h.codes.SessionsEnded(ctx, tx, []string{"ses_alice"})
		})
		n.call(t, "/token", id, secret, open).wants(t, "a code of before", 400, "invalid_grant") // though alice is signed in for ever here
		for name, c := range map[string]struct {
			of     answer
			active bool
		}{"online": {online, false}, "offline": {offline, true}} {
			i := n.call(t, "/introspect", id, secret, form("token", c.of.text("access_token")))
			if i.body["active"] != c.active {
				t.Errorf("%s: active: got %v, want %t", name, i.body["active"], c.active)
			}
		}
		n.call(t, "/token", id, secret, form("grant_type", "refresh_token", "refresh_token", online.text("refresh_token"))).wants(t, "online", 400, "invalid_grant")
		n.call(t, "/token", id, secret, form("grant_type", "refresh_token", "refresh_token", offline.text("refresh_token"))).wants(t, "offline", 200, "")
		h.tx(func(ctx context.Context, tx *db.Tx) error { return h.codes.CloseUser(ctx, tx, "usr_alice") })
		h.advance(time.Second)
		if i := n.call(t, "/introspect", id, secret, form("token", offline.text("access_token"))); i.body["active"] != false {
			t.Errorf("the user is disabled: %v", i.body)
		}
	})
}

func (h *house) tx(f func(ctx context.Context, tx *db.Tx) error) {
	h.t.Helper()
	if err := h.d.Update(h.t.Context(), func(tx *db.Tx) error { return f(h.t.Context(), tx) }); err != nil {
		h.t.Fatal(err)
	}
}

func TestDisabledClientsTokensAreDead(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	watcher, watcherSecret := h.client(nil)
	a := h.nodes[0].call(t, "/token", id, secret, form("grant_type", "client_credentials", "resource", api))
	see := func() any {
		return h.nodes[0].call(t, "/introspect", watcher, watcherSecret, form("token", a.text("access_token"))).body["active"]
	}
	if see() != true {
		t.Fatal("a client for the same audience does not see it")
	}
	if err := h.clients.Disable(member(t.Context(), "acme", "oauth:clients"), id); err != nil {
		t.Fatal(err)
	}
	if see() != false {
		t.Error("the token lives on")
	}
}

func TestIntrospectionTellsOnlyWhoseBusinessItIs(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	owner, secret := h.client(nil)
	a := h.nodes[0].call(t, "/token", owner, secret, exchange(h.authorize(owner)))
	resource, resourceSecret := h.client(func(n *token.NewClient) { n.Audiences = []string{api} })
	elsewhere, elsewhereSecret := h.client(func(n *token.NewClient) { n.Audiences = []string{"https://else.example.org"} })
	public, _ := h.client(func(n *token.NewClient) { n.Auth = token.AuthNone })
	foreign, foreignSecret, err := h.clients.Create(member(t.Context(), "other", "oauth:clients"), token.NewClient{Name: "Other", Audiences: []string{api}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		id, secret, token string
		active            bool
	}{
		"owner":                       {owner, secret, a.text("access_token"), true},
		"owner, refresh token":        {owner, secret, a.text("refresh_token"), true},
		"resource":                    {resource, resourceSecret, a.text("access_token"), true},
		"resource, refresh token":     {resource, resourceSecret, a.text("refresh_token"), false},
		"another audience":            {elsewhere, elsewhereSecret, a.text("access_token"), false},
		"another tenant's":            {foreign.ID, foreignSecret, a.text("access_token"), false},
		"ID token":                    {owner, secret, a.text("id_token"), false},
		"nonsense":                    {owner, secret, "x.y.z", false},
		"something with our prefix":   {owner, secret, "sga_x", false},
		"something very long":         {owner, secret, strings.Repeat("a", 100_000), false},
		"token of a foreign issuer":   {owner, secret, "eyJhbGciOiJub25lIn0.e30.", false},
		"token with another key's id": {owner, secret, a.text("access_token") + "x", false},
	} {
		got := h.nodes[0].call(t, "/introspect", c.id, c.secret, form("token", c.token))
		got.wants(t, name, 200, "")
		if got.body["active"] != c.active || !c.active && len(got.body) != 1 {
			t.Errorf("%s: got %v, want active %t", name, got.body, c.active)
		}
	}
	h.nodes[0].call(t, "/introspect", "", "", form("token", "x", "client_id", public)).wants(t, "public client", 200, "")
	h.nodes[0].call(t, "/introspect", "", "", form("token", "x")).wants(t, "nobody", 401, "invalid_client")
	h.nodes[0].call(t, "/introspect", owner, secret, form()).wants(t, "no token", 400, "invalid_request")
	h.nodes[0].call(t, "/revoke", resource, resourceSecret, form("token", a.text("refresh_token"))).wants(t, "revoked by another", 200, "")
	if got := h.nodes[0].call(t, "/introspect", owner, secret, form("token", a.text("refresh_token"))); got.body["active"] != true {
		t.Error("another client revoked it")
	}
	h.nodes[0].call(t, "/revoke", owner, secret, form("token", a.text("refresh_token"), "token_type_hint", "access_token")).wants(t, "revoke", 200, "")
	if got := h.nodes[0].call(t, "/introspect", owner, secret, form("token", a.text("access_token"))); got.body["active"] != false {
		t.Error("the refresh token is revoked, and its access token lives")
	}
}

func TestDeviceWaitsForItsUser(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{})
		id, secret := h.client(nil)
		n := h.nodes[0]
		begin := func() (device, user string) {
			a := n.call(t, "/device_authorization", id, secret, form("scope", "openid mail:send"))
			a.wants(t, "begin", 200, "")
			if a.text("verification_uri") != issuer+"/device" || a.body["interval"] != 5.0 || a.body["expires_in"] != 600.0 {
				t.Errorf("got %v", a.body)
			}
			return a.text("device_code"), a.text("user_code")
		}
		poll := func(device string) answer {
			return n.call(t, "/token", id, secret, form("grant_type", token.GrantDevice, "device_code", device))
		}
		device, user := begin()
		other, otherSecret := h.client(nil)
		n.call(t, "/token", other, otherSecret, form("grant_type", token.GrantDevice, "device_code", device)).wants(t, "another client polls", 400, "invalid_grant")
		poll(device).wants(t, "nobody has typed it", 400, "authorization_pending")
		poll(device).wants(t, "at once again", 400, "slow_down")
		h.advance(6 * time.Second)
		poll(device).wants(t, "after five seconds, of ten now", 400, "slow_down")
		h.advance(16 * time.Second)
		poll(device).wants(t, "after sixteen", 400, "authorization_pending")

		person := h.people["ses_alice"]
		typed := " " + strings.ToLower(strings.ReplaceAll(user, "-", "  "))
		if w, err := n.Device(t.Context(), typed); err != nil || w.Client.ID != id || !slices.Equal(w.Scopes, []string{"openid", "mail:send"}) {
			t.Fatalf("as it was typed: got %+v, %v", w, err)
		}
		if err := n.SettleDevice(t.Context(), typed, person, true); err != nil {
			t.Fatal(err)
		}
		if err := n.SettleDevice(t.Context(), typed, person, false); !errors.Is(err, token.ErrDeviceCode) {
			t.Errorf("settled twice: got %v", err)
		}
		a := poll(device)
		a.wants(t, "let in", 200, "")
		if i := n.call(t, "/introspect", id, secret, form("token", a.text("access_token"))); i.text("sub") != "usr_alice" || i.body["auth_time"] != nil {
			t.Errorf("got %v", i.body)
		}
		poll(device).wants(t, "again", 400, "invalid_grant")

		device, user = begin()
		if err := n.SettleDevice(t.Context(), user, person, false); err != nil {
			t.Fatal(err)
		}
		poll(device).wants(t, "denied", 400, "access_denied")
		device, user = begin()
		h.advance(10 * time.Minute)
		poll(device).wants(t, "late", 400, "expired_token")
		if _, err := n.Device(t.Context(), user); !errors.Is(err, token.ErrDeviceCode) {
			t.Errorf("late: got %v", err)
		}
		_, user = begin()
		person.Account = "other"
		if err := n.SettleDevice(t.Context(), user, person, true); !errors.Is(err, token.ErrNoClient) {
			t.Errorf("somebody of another account: got %v", err)
		}
	})
}

func TestRefreshTokenWithASuccessorIsNotActive(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	n := h.nodes[0]
	first := n.call(t, "/token", id, secret, exchange(h.authorize(id, "scope", "openid offline_access"))).text("refresh_token")
	active := func(value string) any {
		return n.call(t, "/introspect", id, secret, form("token", value)).body["active"]
	}
	if got := active(first); got != true {
		t.Errorf("before it is used: got %v", got)
	}
	second := n.call(t, "/token", id, secret, form("grant_type", "refresh_token", "refresh_token", first)).text("refresh_token")
	h.advance(2 * time.Second)
	if old, young := active(first), active(second); old != false || young != true {
		t.Errorf("after: got %v and of its successor %v, want false and true", old, young)
	}
}

func TestUserInfoTellsWhatTheScopesLet(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	n := h.nodes[0]
	get := func(scope string) answer {
		a := n.call(t, "/token", id, secret, exchange(h.authorize(id, "scope", scope)))
		return n.call(t, "/userinfo", "", "", form(), "Authorization", "Bearer "+a.text("access_token"))
	}
	if a := get("openid"); a.status != 200 || len(a.body) != 1 || a.text("sub") != "usr_alice" {
		t.Errorf("openid: got %v", a.body)
	}
	if a := get("openid profile email"); a.text("name") != "Alice" || a.text("email") != "alice@example.org" || a.body["email_verified"] != true {
		t.Errorf("all: got %v", a.body)
	}
	a := get("mail:send")
	a.wants(t, "without openid", 403, "insufficient_scope")
	a = n.call(t, "/userinfo", "", "", form())
	a.wants(t, "nobody", 401, "invalid_token")
	if got := a.header.Get("WWW-Authenticate"); !strings.Contains(got, "Bearer") || !strings.Contains(got, "DPoP algs=") {
		t.Errorf("challenge: got %q", got)
	}
	n.call(t, "/userinfo", "", "", form(), "Authorization", "Bearer x", "Authorization", "Bearer x").wants(t, "two headers", 400, "invalid_request")
	n.call(t, "/userinfo", "", "", form("access_token", a.text("access_token"))).wants(t, "in the body", 401, "invalid_token")
}

func TestFreshAuthSaysWhenAndHow(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	n := h.nodes[0]
	a := n.call(t, "/token", id, secret, exchange(h.authorize(id)))
	ask := func(value string, f url.Values) answer {
		return n.call(t, "/fresh-auth", "", "", f, "Authorization", "Bearer "+value)
	}
	got := ask(a.text("access_token"), form())
	got.wants(t, "a minute old", 200, "")
	if got.body["fresh"] != true || got.text("acr") != "phr" || got.body["max_age"] != 300.0 || got.body["auth_time"] != float64(h.people["ses_alice"].AuthTime.Unix()) {
		t.Errorf("got %v", got.body)
	}
	session := h.people["ses_alice"]
	session.ACR = "urn:signet:2"
	h.people["ses_alice"] = session
	two := n.call(t, "/token", id, secret, exchange(h.authorize(id))).text("access_token")
	ask(two, form("acr_values", "urn:signet:1")).wants(t, "two factors where one is asked for", 200, "")
	session.ACR = "urn:signet:1"
	h.people["ses_alice"] = session
	one := n.call(t, "/token", id, secret, exchange(h.authorize(id))).text("access_token")
	ask(one, form("acr_values", "urn:signet:2")).wants(t, "one factor where two are asked for", 401, "insufficient_user_authentication")
	for name, f := range map[string]url.Values{
		"too old":      form("max_age", "30"),
		"another acr":  form("acr_values", "urn:example:gold"),
		"never enough": form("max_age", "0"),
	} {
		got := ask(a.text("access_token"), f)
		got.wants(t, name, 401, "insufficient_user_authentication")
		challenge := got.header.Get("WWW-Authenticate")
		if !strings.Contains(challenge, `error="insufficient_user_authentication"`) || !strings.Contains(challenge, "max_age=") ||
			f.Has("acr_values") && !strings.Contains(challenge, `acr_values="urn:example:gold"`) {
			t.Errorf("%s: challenge: got %q", name, challenge)
		}
	}
	ask(a.text("access_token"), form("max_age", "soon")).wants(t, "no number", 400, "invalid_request")
	own := n.call(t, "/token", id, secret, form("grant_type", "client_credentials"))
	ask(own.text("access_token"), form("max_age", "31622400")).wants(t, "a client's own token", 401, "insufficient_user_authentication")
}
