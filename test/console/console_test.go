package console_test

import (
	"html"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/locale"
	signettest "signet/test/signet"
)

// sections are the pages that only show.
var sections = []string{
	"/console", "/console/users", "/console/roles", "/console/sessions", "/console/tokens", "/console/audit",
	"/console/mail-keys", "/console/verifications", "/console/domains", "/console/bypass", "/console/clients", "/console/senders",
	"/console/keys", "/console/buckets", "/console/buckets/demo", "/console/denials",
}

// lists are the same with filters.
var filtered = []string{
	"/console/users?q=de&state=enabled", "/console/users?q=nobody", "/console/audit?area=user&outcome=done&since=2026-01-01&until=2099-01-01",
	"/console/audit?actor=nobody", "/console/mail-keys?q=dev&revoked=1", "/console/mail-keys?q=nobody",
	"/console/keys?q=dev&ended=1", "/console/keys?q=nobody", "/console/buckets?q=nobody", "/console/buckets/demo?prefix=a%2F", "/console/denials?key=AKIANOBODY",
	"/console/verifications?domain=signet.test&result=fail&since=2026-01-01", "/console/verifications?q=nobody@example.org",
}

func TestEveryPageIsThereInThreeLanguages(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	id, _ := a.newUser("alice@signet.test", "Alice")
	pages := append(append([]string{}, sections...), filtered...)
	for _, verb := range []string{"", "/name", "/disable", "/reset-factors", "/setup-link", "/end-sessions", "/addresses/add", "/addresses/remove?address=x%40y.test", "/roles/give", "/roles/take?role=administrator"} {
		pages = append(pages, "/console/users/"+id+verb)
	}
	app := a.newApp("web")
	for _, verb := range []string{"", "/edit", "/rotate", "/delete"} {
		pages = append(pages, app+verb)
	}
	a.upload("hello.txt", "hello")
	pages = append(pages, "/console/keys/new", "/console/keys/"+d.Ready.S3.AccessKeyID+"/rotate", "/console/keys/"+d.Ready.S3.AccessKeyID+"/revoke",
		"/console/buckets/_new", "/console/buckets/demo/grants/new", "/console/buckets/demo/link?key=hello.txt", "/console/buckets/demo/delete-object?key=hello.txt",
		"/console/buckets/demo/delete", "/console/denials/"+d.deny(t, a))
	pages = append(pages, "/console/clients/new", "/console/clients/policy",
		"/console/users/new", "/console/roles/new", "/console/roles/edit?role=administrator", "/console/roles/mfa", "/console/service-keys/new",
		"/console/mail-keys/"+d.Ready.Authroute.KeyID+"/revoke", "/console/domains/mode", "/console/domains/mode?domain=signet.test",
		"/console/domains/unset?domain=signet.test", "/console/bypass/start", "/console/bypass/stop")
	for _, language := range []string{"en", "de", "fr"} {
		a.Cookies["signet-locale"] = language
		for _, path := range pages {
			text := a.page(path)
			if !strings.Contains(text, `<html lang="`+language+`">`) {
				t.Errorf("%s is not in %s", path, language)
			}
			if i := strings.Index(text, "console."); i >= 0 && !strings.Contains(text[i:i+20], "console.js") {
				t.Errorf("%s in %s lacks a text: %s", path, language, text[i:min(i+40, len(text))])
			}
		}
	}
}

func TestWhoIsNotSignedInSignsInFirst(t *testing.T) {
	a := newDev(t).agent(t)
	for _, path := range append(sections, "/console/users/new") {
		res := a.Do(http.MethodGet, path, nil)
		if want := "/login?next=" + url.QueryEscape(path); res.Status != http.StatusSeeOther || res.Header.Get("Location") != want {
			t.Errorf("%s: got %d to %q, want 303 to %q", path, res.Status, res.Header.Get("Location"), want)
		}
	}
}

func TestFormsOfOtherSitesChangeNothing(t *testing.T) {
	a := newDev(t).admin(t)
	res := a.Do(http.MethodPost, "/console/bypass/start", url.Values{"reason": {"x"}, "hours": {"1"}}, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
	if res.Status != http.StatusForbidden {
		t.Errorf("got %d, want 403", res.Status)
	}
	if text := a.page("/console/bypass"); !strings.Contains(text, "Off: mail is judged") {
		t.Error("the bypass is on")
	}
}

func TestPagesShowWhatTheRoleMay(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	a.does("/console/roles/new", "name", "reader", "permission", "users:read")
	a.does("/console/roles/new", "name", "auditor", "permission", "audit:read")
	subject, nobody := a.newUser("nobody@signet.test", "Nobody")
	_, reader := a.newUser("reader@signet.test", "Reader", "reader")
	_, auditor := a.newUser("auditor@signet.test", "Auditor", "auditor")
	const yes, no = http.StatusOK, http.StatusForbidden
	for _, c := range []struct {
		path                           string
		admin, reader, auditor, nobody int
	}{
		{"/console", yes, yes, yes, yes},
		{"/console/users", yes, yes, no, no},
		{"/console/users/" + subject, yes, yes, no, no},
		{"/console/users/new", yes, no, no, no},
		{"/console/users/" + subject + "/disable", yes, no, no, no},
		{"/console/users/" + subject + "/setup-link", yes, no, no, no},
		{"/console/roles", yes, yes, no, no},
		{"/console/roles/new", yes, no, no, no},
		{"/console/sessions", yes, yes, no, no},
		{"/console/tokens", yes, yes, no, no},
		{"/console/service-keys/new", yes, no, no, no},
		{"/console/clients", yes, no, no, no},
		{"/console/clients/new", yes, no, no, no},
		{"/console/clients/policy", yes, no, no, no},
		{"/console/senders", yes, no, no, no},
		{"/console/audit", yes, no, yes, no},
		{"/console/keys", yes, yes, yes, yes},
		{"/console/buckets", yes, yes, yes, yes},
		{"/console/buckets/demo", yes, no, no, no},
		{"/console/denials", yes, no, no, no},
		{"/console/mail-keys", yes, no, no, no},
		{"/console/verifications", yes, no, no, no},
		{"/console/domains", yes, no, no, no},
		{"/console/domains/mode?domain=signet.test", yes, no, no, no},
		{"/console/bypass", yes, no, no, no},
		{"/console/bypass/start", yes, no, no, no},
	} {
		for _, one := range []struct {
			name string
			who  *agent
			want int
		}{{"administrator", a, c.admin}, {"reader", reader, c.reader}, {"auditor", auditor, c.auditor}, {"nobody", nobody, c.nobody}} {
			if got := one.who.status(c.path); got != one.want {
				t.Errorf("%s for %s: got %d, want %d", c.path, one.name, got, one.want)
			}
			if one.want == no {
				if got := one.who.Post(c.path).Status; got != no && got != http.StatusMethodNotAllowed {
					t.Errorf("POST %s for %s: got %d, want 403", c.path, one.name, got)
				}
			}
		}
	}
	if text := reader.page("/console/users/" + subject); strings.Contains(text, "/disable") || strings.Contains(text, "/console/audit") {
		t.Error("a reader is offered what they may not do")
	}
}

func TestATenantsAdministratorSeesTheirOwnAccountAlone(t *testing.T) {
	d := newDev(t)
	if res := d.Call(http.MethodPost, "/api/v1/accounts", d.Ready.APIToken, `{"name":"acme"}`); res.Status != http.StatusCreated {
		t.Fatalf("create account: %d %s", res.Status, res.Body)
	}
	tenant := d.tenantAdmin(t, "boss@acme.test", "acme")
	for _, path := range []string{"/console", "/console/users", "/console/roles", "/console/sessions", "/console/tokens", "/console/users/new", "/console/roles/new", "/console/service-keys/new"} {
		text := tenant.page(path)
		if strings.Contains(text, d.Ready.User.Email) {
			t.Errorf("%s shows a user of another account", path)
		}
		if strings.Contains(text, "authroute:admin") || strings.Contains(text, "audit:read") {
			t.Errorf("%s offers a permission of the node", path)
		}
	}
	for _, path := range []string{"/console/audit", "/console/mail-keys", "/console/verifications", "/console/domains", "/console/bypass"} {
		if got := tenant.status(path); got != http.StatusForbidden {
			t.Errorf("%s: got %d, want 403", path, got)
		}
	}
	other := d.userID(t, d.Ready.User.Email)
	for _, verb := range []string{"", "/disable", "/setup-link", "/roles/give"} {
		if got := tenant.status("/console/users/" + other + verb); got != http.StatusNotFound {
			t.Errorf("another account's user%s: got %d, want 404", verb, got)
		}
		if verb != "" {
			if got := tenant.Post("/console/users/" + other + verb).Status; got != http.StatusNotFound && got != http.StatusForbidden {
				t.Errorf("POST another account's user%s: got %d, want 404", verb, got)
			}
		}
	}
}

func TestAUserIsDisabledAndEnabledByAPageOfItsOwn(t *testing.T) {
	a := newDev(t).admin(t)
	id, alice := a.newUser("alice@signet.test", "Alice")
	ask := a.page("/console/users/" + id + "/disable")
	for _, want := range []string{"Alice &lt;alice@signet.test&gt;", "signet admin user disable " + id, "POST /api/v1/users/" + id + "/disable"} {
		if !strings.Contains(ask, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if to := a.does("/console/users/" + id + "/disable"); !strings.Contains(a.page(to), "The user is disabled.") {
		t.Error("nobody says that it was done")
	}
	if got := alice.Do(http.MethodGet, "/console", nil); got.Status != http.StatusSeeOther {
		t.Errorf("a disabled user's session: got %d, want 303 to sign in", got.Status)
	}
	a.does("/console/users/" + id + "/enable")
	if strings.Contains(a.page("/console/users/"+id), "Disabled since") {
		t.Error("the user is disabled still")
	}
}

func TestTheLastAdministratorCannotGo(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	res := a.Post("/console/users/" + d.userID(t, d.Ready.User.Email) + "/roles/take?role=administrator")
	if res.Status != http.StatusConflict || !strings.Contains(string(res.Body), "make another administrator first") {
		t.Errorf("got %d\n%.2000s", res.Status, res.Body)
	}
}

func TestRolesAreMadeChangedGivenAndDeleted(t *testing.T) {
	a := newDev(t).admin(t)
	a.does("/console/roles/new", "name", "support", "permission", "users:read", "mfa", "1")
	edit := a.page("/console/roles/edit?role=support")
	for _, want := range []string{`value="users:read" checked`, "signet admin role update --account=", "--permission=users:read --mfa=on support"} {
		if !strings.Contains(edit, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	a.does("/console/roles/edit?role=support", "permission", "audit:read")
	if text := a.page("/console/roles/edit?role=support"); strings.Contains(text, `value="users:read" checked`) || !strings.Contains(text, `value="audit:read" checked`) {
		t.Error("the role was not changed")
	}
	id, _ := a.newUser("alice@signet.test", "Alice")
	a.does("/console/users/"+id+"/roles/give", "role", "support")
	if res := a.Post("/console/roles/delete?role=support"); res.Status != http.StatusConflict {
		t.Errorf("deleting a role in use: got %d, want 409", res.Status)
	}
	a.does("/console/users/" + id + "/roles/take?role=support")
	a.does("/console/roles/delete?role=support")
	if strings.Contains(a.page("/console/roles"), "support") {
		t.Error("the role is there still")
	}
}

func TestAServiceKeyIsShownOnce(t *testing.T) {
	a := newDev(t).admin(t)
	res := a.Post("/console/service-keys/new", "name", "relay", "days", "90", "permission", "users:read", "provider", "github, google")
	if res.Status != http.StatusOK || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d, Cache-Control %q\n%.2000s", res.Status, res.Header.Get("Cache-Control"), res.Body)
	}
	if s := secretOf(t, string(res.Body)); !strings.HasPrefix(s, "sgs_") {
		t.Errorf("got %q, want a service key", s)
	}
	list := a.page("/console/tokens")
	if strings.Contains(list, "sgs_") || !strings.Contains(list, "relay") {
		t.Error("the list shows the secret, or not the key")
	}
}

func TestTheBypassWarnsOnEveryPage(t *testing.T) {
	a := newDev(t).admin(t)
	a.does("/console/bypass/start", "reason", "the key server is down", "hours", "1")
	for _, path := range sections {
		if !strings.Contains(a.page(path), "Verification of mail is bypassed until") {
			t.Errorf("%s does not warn", path)
		}
	}
	a.does("/console/bypass/stop")
	if strings.Contains(a.page("/console"), "bypassed until") {
		t.Error("it warns still")
	}
}

func TestTheModeOfADomainIsChangedAndGivenBack(t *testing.T) {
	a := newDev(t).admin(t)
	if text := a.page("/console/domains/mode?domain=signet.test"); !strings.Contains(text, "last 7 days") || !strings.Contains(text, "signet authroute domain set --mode=enforce signet.test") {
		t.Error("the page lacks the dry run or the command")
	}
	a.does("/console/domains/mode?domain=signet.test", "mode", "require")
	if !strings.Contains(a.page("/console/domains/mode?domain=signet.test"), "--mode=require") {
		t.Error("the mode was not set")
	}
	a.does("/console/domains/unset?domain=signet.test")
	if res := a.Post("/console/domains/mode", "domain", "no domain", "mode", "monitor"); res.Status != http.StatusUnprocessableEntity || !strings.Contains(string(res.Body), `value="no domain"`) {
		t.Errorf("a name that is none: got %d, want 422 and what was typed", res.Status)
	}
}

func TestAMailKeyIsRevoked(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	a.does("/console/mail-keys/"+d.Ready.Authroute.KeyID+"/revoke", "reason", "keyCompromise")
	if strings.Contains(a.page("/console/mail-keys"), d.Ready.Authroute.KeyID) {
		t.Error("the key is listed among the live ones")
	}
	if !strings.Contains(a.page("/console/mail-keys?revoked=1"), d.Ready.Authroute.KeyID) {
		t.Error("the key is not listed among the revoked ones")
	}
}

// hostile are names that try to be something else.
var hostile = []string{
	`'; rm -rf / #`, `</code></pre><script>alert(1)</script>`, "x\u200bz", `$(reboot)`, "`id`", `a"onload="b`, `-rf`, `{{.}}`, `%2e%2e/`, `a\'b`,
}

var values = regexp.MustCompile(` value="[^"]*"`)

func TestHostileNamesAreTextEverywhere(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	for i, name := range hostile {
		id, _, _ := strings.Cut(strings.TrimPrefix(a.does("/console/users/new", "email", string(rune('a'+i))+"@hostile.test", "name", name), "/console/users/"), "?")
		a.does("/console/roles/new", "name", name, "permission", "users:read")
		role := url.QueryEscape(name)
		a.does("/console/users/"+id+"/roles/give", "role", name)
		for _, path := range []string{
			"/console/users", "/console/users/" + id, "/console/users/" + id + "/name", "/console/users/" + id + "/disable",
			"/console/users/" + id + "/roles/take?role=" + role, "/console/roles", "/console/roles/edit?role=" + role, "/console/audit",
		} {
			text := values.ReplaceAllString(a.page(path), "") // a field keeps what it has
			for _, bad := range []string{"<script>alert", "\u200b", `"onload="`} {
				if strings.Contains(text, bad) {
					t.Errorf("%s with %q has %q", path, name, bad)
				}
			}
			if strings.Contains(text, "--mfa=off -rf") {
				t.Errorf("%s: the command takes a name for a flag", path)
			}
		}
		if name[0] != '-' {
			d.signet(t, commandOf(t, a.page("/console/users/"+id+"/name")))
			if text := a.page("/console/users/" + id); !strings.Contains(html.UnescapeString(text), locale.Plain(name)) {
				t.Errorf("the command of the page gave %q another name", name)
			}
		}
	}
}

func TestWhatCouldLockSomebodyOutAsksForAFreshSignIn(t *testing.T) {
	d := newDev(t)
	id, _ := d.admin(t).newUser("alice@signet.test", "Alice")
	old := d.admin(t)
	store, err := db.Open(t.Context(), "sqlite:"+filepath.Join(d.Ready.Data, "signet.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.SQL().ExecContext(t.Context(), `UPDATE account_sessions SET auth_time = $1`, db.Now(time.Now().Add(-6*time.Minute))); err != nil {
		t.Fatal(err)
	}
	if got := old.status("/console/users/" + id); got != http.StatusOK {
		t.Errorf("a page that only shows: got %d, want 200", got)
	}
	for _, path := range []string{
		"/console/users/" + id + "/disable", "/console/users/" + id + "/setup-link", "/console/users/" + id + "/reset-factors", "/console/users/" + id + "/roles/give",
		"/console/users/new", "/console/roles/new", "/console/service-keys/new", "/console/bypass/start", "/console/domains/mode?domain=signet.test",
		"/console/keys/new", "/console/keys/" + d.Ready.S3.AccessKeyID + "/revoke", "/console/buckets/demo/grants/new",
	} {
		for _, res := range []signettest.Answer{old.Do(http.MethodGet, path, nil), old.Post(path)} {
			if want := "/login/confirm?next=" + url.QueryEscape(path); res.Status != http.StatusSeeOther || res.Header.Get("Location") != want {
				t.Errorf("%s: got %d to %q, want 303 to %q", path, res.Status, res.Header.Get("Location"), want)
			}
		}
	}
}

func TestWhoIsInvitedGetsAMailAndTheAdministratorIsToldSo(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	page := a.page(a.does("/console/users/new", "email", "carol@signet.test", "name", "Carol", "invite", "1"))
	if want := "a link is on its way to them"; !strings.Contains(page, want) {
		t.Errorf("after an invitation: want %q in\n%.3000s", want, page)
	}
	page = a.page(a.does("/console/users/new", "email", "dave@signet.test", "name", "Dave"))
	if unwanted := "a link is on its way to them"; strings.Contains(page, unwanted) {
		t.Errorf("without an invitation the page says %q", unwanted)
	}
}

var (
	actionShown = regexp.MustCompile(`<strong class="word">([a-z_]+)\.`)
	areaOffered = regexp.MustCompile(`<option>([a-z_]+)</option>`)
)

func TestTheAuditLogIsFilteredByEveryAreaItShows(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	d.fill(t, a)
	cmd := exec.CommandContext(t.Context(), signettest.Binary(t), "admin", "client", "create", "--data", d.Ready.Data, "--name", "Hello")
	cmd.Env = []string{} // what a test run is told is no configuration
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make a client: %v %s", err, out)
	}
	page := a.page("/console/audit")
	offered := map[string]bool{}
	for _, m := range areaOffered.FindAllStringSubmatch(page, -1) {
		offered[m[1]] = true
	}
	shown := actionShown.FindAllStringSubmatch(page, -1)
	if len(shown) < 10 {
		t.Fatalf("got %d actions, want a filled log", len(shown))
	}
	for _, m := range shown {
		if !offered[m[1]] {
			t.Errorf("%s stands in the log, and no filter finds it: %v", m[1], offered)
		}
	}
}
