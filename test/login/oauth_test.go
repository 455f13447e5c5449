package login_test

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"signet/test/browser"
)

// relying is an app that asks at /authorize, and shows what it gets.
type relying struct {
	w          *world
	origin     string
	id, secret string

	lock sync.Mutex
	got  url.Values // with the last answer
}

// The verifier and its challenge of RFC 7636, appendix B.
const (
	codeVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	codeChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// startRelying registers an app of that name, and listens for it.
func (w *world) startRelying(t *testing.T, name string, args ...string) *relying {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &relying{w: w, origin: "http://" + l.Addr().String()}
	server := &http.Server{Handler: a}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	var out struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	w.JSON(&out, append([]string{
		"admin", "client", "create", "--name", name, "--redirect-uri", "http://127.0.0.1/callback", "--post-logout-uri", a.origin + "/left",
		"--grant", "authorization_code", "--grant", "refresh_token", "--grant", "device_code",
		"--scope", "openid", "--scope", "profile", "--scope", "email", "--scope", "offline_access",
	}, args...)...)
	w.Secrets.Add(out.Secret)
	w.known = append(w.known, a.origin)
	a.id, a.secret = out.ID, out.Secret
	return a
}

// ServeHTTP answers the browser.
func (a *relying) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/callback" || r.URL.Path == "/left" {
		a.lock.Lock()
		a.got = r.URL.Query()
		a.lock.Unlock()
	}
	out.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = out.Write([]byte("<!doctype html><html lang=en><title>App</title><link rel=icon href=data:,><h1>App at " + r.URL.Path + "</h1>"))
}

// answer returns what the browser brought, once it is there.
func (a *relying) answer(b *browser.Tab) url.Values {
	b.At(a.origin)
	a.lock.Lock()
	defer a.lock.Unlock()
	return a.got
}

// asks returns the address of a request, with more parameters as pairs.
func (a *relying) asks(more ...string) string {
	q := url.Values{
		"response_type": {"code"}, "client_id": {a.id}, "redirect_uri": {a.origin + "/callback"}, "scope": {"openid profile"},
		"state": {"as it was"}, "code_challenge": {codeChallenge}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return a.w.origin + "/authorize?" + q.Encode()
}

// tokenAnswer is an answer at /token.
type tokenAnswer struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	Scope   string `json:"scope"`
	Error   string `json:"error"`
}

// token asks at /token, as the app.
func (a *relying) token(t *testing.T, form url.Values) (out tokenAnswer) {
	t.Helper()
	basic := base64.StdEncoding.EncodeToString([]byte(a.id + ":" + a.secret))
	a.w.api.Call(http.MethodPost, "/token", "", form.Encode(),
		"Content-Type", "application/x-www-form-urlencoded", "Authorization", "Basic "+basic).JSON(t, &out)
	for _, secret := range []string{out.Access, out.Refresh} {
		if secret != "" {
			a.w.Secrets.Add(secret)
		}
	}
	return out
}

// redeem exchanges the code that the browser brought.
func (a *relying) redeem(t *testing.T, b *browser.Tab) tokenAnswer {
	t.Helper()
	q := a.answer(b)
	if q.Get("state") != "as it was" || q.Get("iss") != a.w.origin || q.Get("code") == "" {
		t.Fatalf("the app got %v, want a code with state and iss", q)
	}
	return a.token(t, url.Values{
		"grant_type": {"authorization_code"}, "code": {q.Get("code")}, "redirect_uri": {a.origin + "/callback"}, "code_verifier": {codeVerifier},
	})
}

// refreshes reports whether the app gets a new token for an older one.
func (a *relying) refreshes(t *testing.T, got *tokenAnswer) bool {
	t.Helper()
	out := a.token(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh}})
	if out.Error == "" {
		*got = out
	}
	return out.Error == ""
}

// claim returns a member of an ID token.
func claim[T any](t *testing.T, token, name string) (v T) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("ID token of %d parts", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if raw, ok := all[name]; ok {
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// consent is an app that asks, is let in, and then asks no more.
func consent(t *testing.T, w *world) {
	a, b, p := w.startRelying(t, "Planner", "--scope", "authroute:keys", "--scope", "audit:read", "--scope", "blueprints"), w.tab(t), w.person(t)
	everything := []string{"scope", "openid profile email offline_access authroute:keys audit:read blueprints", "ui_locales", "ja de-CH en"}
	b.Go(a.asks(everything...))
	b.At(w.origin + "/login")
	b.Sees("Weiter zu Planner") // before it knows anybody, in the language that the app wishes
	b.Press("English")
	b.Sees("To go on to Planner")
	p.signIn(b)
	b.At(w.origin + "/authorize")
	for _, words := range []string{
		"Allow access?", "Planner, an app of system, asks you for this:", "Know that it is you", "See your name and language", "See your e-mail address",
		"Keep its access, also while you are not there", "See, create and revoke your mail keys", "read the audit log (audit:read)", "blueprints",
		a.origin + "/callback", "You are signed in as Ada Lovelace.",
	} {
		b.Sees(words)
	}
	w.look(b, "consent")
	b.Press("Allow")
	got := a.redeem(t, b)
	if got.ID == "" || got.Refresh == "" || claim[string](t, got.ID, "aud") != a.id {
		t.Errorf("got %+v, want tokens with an ID token for the app", got)
	}

	b.Go(a.asks()) // less than it was let have
	if again := a.redeem(t, b); again.ID == "" {
		t.Error("an app that was let in got no tokens")
	}
	b.Go(a.asks("prompt", "consent"))
	b.At(w.origin + "/authorize")
	b.Press("Deny")
	if q := a.answer(b); q.Get("error") != "access_denied" || q.Get("state") != "as it was" || q.Has("code") {
		t.Errorf("denied: the app got %v", q)
	}
	b.Go(w.origin + "/account/activity")
	b.Sees("An app was given access")
}

// silent is an app that wants nobody to be asked.
func silent(t *testing.T, w *world) {
	a, own, b, p := w.startRelying(t, "Silent"), w.startRelying(t, "Own", "--consent", "never"), w.tab(t), w.person(t)
	for _, c := range []struct {
		name    string
		app     *relying
		prepare func()
		want    string
	}{
		{"nobody signed in", own, func() {}, "login_required"},
		{"nobody agreed", a, func() { w.home(b, p) }, "consent_required"},
		{"the operator's own app", own, func() {}, ""},
		{"sign-in too weak", own, func() {}, "login_required"},
	} {
		c.prepare()
		more := []string{"prompt", "none"}
		if c.name == "sign-in too weak" {
			more = append(more, "acr_values", "urn:signet:2")
		}
		b.Go(c.app.asks(more...))
		if q := c.app.answer(b); q.Get("error") != c.want || (c.want == "") != q.Has("code") {
			t.Errorf("%s: the app got %v, want %q", c.name, q, c.want)
		}
		b.Go(w.origin + "/login/forgot") // so that the next answer is awaited
	}
}

// recent is an app that wants to see a new sign-in, which must not go on for ever.
func recent(t *testing.T, w *world) {
	a, b, p := w.startRelying(t, "Bank", "--consent", "never"), w.tab(t), w.person(t)
	b.Go(a.asks("prompt", "login")) // nobody is signed in: once is enough
	p.signIn(b)
	first := claim[int64](t, a.redeem(t, b).ID, "auth_time")

	b.Go(a.asks("max_age", "3600"))
	if again := claim[int64](t, a.redeem(t, b).ID, "auth_time"); again != first {
		t.Errorf("auth_time of a sign-in that is new enough: got %d, want %d", again, first)
	}
	awaitSecond(t, 2)
	for _, more := range [][]string{{"prompt", "login"}, {"prompt", "select_account"}, {"max_age", "1"}, {"max_age", "0"}} {
		b.Go(a.asks(more...))
		b.At(w.origin + "/login/confirm")
		b.Sees("To go on to Bank")
		b.Fill("Password", p.password)
		b.Press("Confirm")
		if now := claim[int64](t, a.redeem(t, b).ID, "auth_time"); now <= first {
			t.Errorf("%v: auth_time %d is not after %d", more, now, first)
		}
		awaitSecond(t, 2)
	}

	b.Go(a.asks("acr_values", "urn:signet:2")) // which this person cannot reach
	b.At(w.origin + "/login/confirm")
	b.Fill("Password", p.password)
	b.Press("Confirm")
	if q := a.answer(b); q.Get("error") != "unmet_authentication_requirements" {
		t.Errorf("too weak: the app got %v", q)
	}
	phone, _ := w.setUpApp(t, b)
	b.Go(a.asks("acr_values", "urn:signet:2"))
	b.At(w.origin + "/login/confirm")
	b.Fill("Code", phone.code(t))
	b.Press("Confirm")
	if acr := claim[string](t, a.redeem(t, b).ID, "acr"); acr != "urn:signet:2" {
		t.Errorf("acr: got %q", acr)
	}
}

// somebodyElse is who is signed in as one person and lets an app in as another.
func somebodyElse(t *testing.T, w *world) {
	a, b, p, other := w.startRelying(t, "Shared"), w.tab(t), w.person(t), w.person(t)
	w.home(b, p)
	b.Go(a.asks())
	b.At(w.origin + "/authorize")
	b.Press("Somebody else?")
	b.At(w.origin + "/login")
	b.Sees("To go on to Shared")
	other.signIn(b)
	b.At(w.origin + "/authorize")
	b.Press("Allow")
	first := a.redeem(t, b)

	b.Go(a.asks("prompt", "select_account"))
	b.At(w.origin + "/login/confirm")
	w.look(b, "confirm-for-app")
	b.Press("Somebody else?")
	b.At(w.origin + "/login")
	p.signIn(b)
	b.At(w.origin + "/authorize")
	b.Press("Allow")
	if now, before := claim[string](t, a.redeem(t, b).ID, "sub"), claim[string](t, first.ID, "sub"); now == before {
		t.Errorf("the app got %s again", now)
	}
}

// device is a device without a browser.
func device(t *testing.T, w *world) {
	a, b, p := w.startRelying(t, "Television"), w.tab(t), w.person(t)
	begin := func() (userCode string, poll func() tokenAnswer) {
		var out struct {
			Device string `json:"device_code"`
			User   string `json:"user_code"`
		}
		basic := base64.StdEncoding.EncodeToString([]byte(a.id + ":" + a.secret))
		w.api.Call(http.MethodPost, "/device_authorization", "", url.Values{"scope": {"openid profile"}}.Encode(),
			"Content-Type", "application/x-www-form-urlencoded", "Authorization", "Basic "+basic, "X-Forwarded-For", "192.0.2.7").JSON(t, &out)
		return out.User, func() tokenAnswer {
			return a.token(t, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {out.Device}})
		}
	}
	code, poll := begin()
	b.Go(w.origin + "/device")
	b.At(w.origin + "/login")
	p.signIn(b)
	b.At(w.origin + "/device")
	w.look(b, "device")
	b.Fill("Code", "BBBB-BBBB")
	b.Press("Continue")
	b.Sees("No device waits with this code.")
	b.Fill("Code", strings.ToLower(strings.Replace(code, "-", " ", 1)))
	b.Press("Continue")
	b.Sees("Let this device in?")
	b.Sees("Only go on if you began this yourself")
	b.Sees("Television, an app of system")
	b.Sees("Asked from 192.0.2.7")
	w.look(b, "device-ask")
	b.Press("Allow")
	b.Sees("The device is in")
	w.look(b, "device-done")
	if got := poll(); got.Access == "" {
		t.Errorf("allowed: the device got %+v", got)
	}

	code, poll = begin()
	b.Go(w.origin + "/device?user_code=" + code)
	b.Press("Continue") // it is filled in, and still to be sent
	b.Press("Deny")
	b.Sees("The device stays out")
	if got := poll(); got.Error != "access_denied" {
		t.Errorf("denied: the device got %+v", got)
	}
}

// endSession is an app that signs its user out.
func endSession(t *testing.T, w *world) {
	a, b, p := w.startRelying(t, "Leaving", "--consent", "never"), w.tab(t), w.person(t)
	in := func() tokenAnswer {
		b.Go(a.asks())
		p.signIn(b)
		return a.redeem(t, b)
	}
	leave := func(more ...string) {
		q := url.Values{"post_logout_redirect_uri": {a.origin + "/left"}, "state": {"bye & thanks"}}
		for i := 0; i+1 < len(more); i += 2 {
			q.Set(more[i], more[i+1])
		}
		b.Go(w.origin + "/end_session?" + q.Encode())
	}
	out := func(how string) {
		t.Helper()
		b.At(a.origin + "/left")
		if q := a.answer(b); q.Get("state") != "bye & thanks" {
			t.Errorf("%s: the app got %v, want its state", how, q)
		}
		b.Go(w.origin + "/account")
		b.At(w.origin + "/login")
	}
	first := in()
	leave("id_token_hint", first.ID)
	out("with the ID token of the session")
	if a.refreshes(t, &first) {
		t.Error("what came of the session outlives it")
	}

	in()
	leave("id_token_hint", first.ID) // of a session that has ended
	b.Sees("Leaving asks to sign you out.")
	w.look(b, "end-session")
	b.Press("Sign out")
	out("after being asked")

	leave("client_id", a.id)
	b.At(a.origin + "/left") // nobody is signed in

	in()
	b.Go(w.origin + "/end_session")
	b.Sees("Sign out?")
	b.Press("Sign out")
	b.Sees("You are signed out")
}

// removeApp is the end of what an app was let have.
func removeApp(t *testing.T, w *world) {
	a, b, p := w.startRelying(t, "Old planner"), w.tab(t), w.person(t)
	w.home(b, p)
	b.Go(w.origin + "/account/apps")
	b.Sees("You have not let any app in yet.")
	w.look(b, "apps-none")
	b.Go(a.asks("scope", "openid email offline_access"))
	b.Press("Allow")
	got := a.redeem(t, b)
	if !a.refreshes(t, &got) {
		t.Fatal("the app cannot refresh its tokens")
	}
	b.Go(w.origin + "/account/apps")
	b.Sees("Old planner")
	b.Sees("also while you are not there")
	b.Sees("See your e-mail address")
	w.look(b, "apps")
	b.Press("Remove")
	b.Sees("Remove the app?")
	w.look(b, "apps-remove")
	b.Press("Remove")
	b.Sees("Removed.")
	b.Sees("You have not let any app in yet.")
	if a.refreshes(t, &got) {
		t.Error("the app refreshes its tokens after it was removed")
	}
	b.Go(a.asks("scope", "openid"))
	b.At(w.origin + "/authorize")
	b.Sees("Allow access?")
}

// elsewhere is an app of another tenant.
func elsewhere(t *testing.T, w *world) {
	w.Run("admin", "account", "create", "--name", "acme")
	a, b, p := w.startRelying(t, "Acme planner", "--account", "acme"), w.tab(t), w.person(t)
	w.home(b, p)
	b.Go(a.asks())
	b.Sees("This app is not there for your account.")
}
