package console_test

import (
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"signet/internal/db/dbtest"
	signettest "signet/test/signet"
)

func TestSendersAreShownWithWhatTheirTokensAreBoundTo(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	if text := a.page("/console/senders"); !strings.Contains(text, "Nothing now.") {
		t.Error("something needs a person before anything happened")
	}
	cmd := exec.CommandContext(t.Context(), signettest.Binary(t), "try", "token", "--ready-file", d.ReadyFile)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("try token: %v\n%s", err, out)
	}
	text := a.page("/console/senders")
	row := regexp.MustCompile(`(?s)Dev app with a key.*?</tr>`).FindString(text)
	if !strings.Contains(row, `data-label="To a key">1<`) || !strings.Contains(row, `data-label="To nothing">0<`) || !strings.Contains(row, "required") {
		t.Errorf("got %s, want one token that is bound to a key", row)
	}
	for _, want := range []string{"A proof came again.", "<dt>Came again</dt><dd>1</dd>", "<dt>Another one</dt><dd>0</dd>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	d.signet(t, "signet admin account create --name acme")
	tenant := d.tenantAdmin(t, "boss@acme.test", "acme").page("/console/senders")
	for _, hidden := range []string{"Dev app", "A proof came again.", "What became of proofs"} {
		if strings.Contains(tenant, hidden) {
			t.Errorf("a tenant's administrator sees %s", hidden)
		}
	}
}

func TestAnAppThatAUserLetInIsShownAndRemoved(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	const callback = "http://127.0.0.1:49152/callback"
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	res := a.Get("/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {"dev"}, "redirect_uri": {callback}, "scope": {"openid profile offline_access"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode())
	to := res.Header.Get("Location")
	if to == "" {
		_, to, _ = strings.Cut(res.Header.Get("Refresh"), "url=")
	}
	back, err := url.Parse(to)
	if err != nil || back.Query().Get("code") == "" {
		t.Fatalf("got %d to %q, want a code", res.Status, to)
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {callback}, "code_verifier": {verifier},
		"client_id": {"dev"},
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.Origin+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("dev", d.Ready.OAuth.ClientSecret)
	answer, err := http.DefaultClient.Do(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("redeem: %v %v", answer, err)
	}
	_ = answer.Body.Close()

	user := "/console/users/" + d.userID(t, d.Ready.User.Email)
	text := a.page(user)
	for _, want := range []string{"Apps that were let in", "Dev app", "stays when they sign out", "offline_access", user + "/apps/dev"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page of the user lacks %s", want)
		}
	}
	if strings.Contains(text, "bound to its key") {
		t.Error("a bearer token is shown as bound")
	}
	a.does("/console/roles/new", "name", "reader", "permission", "users:read")
	_, reader := a.newUser("reader@signet.test", "Reader", "reader")
	if text := reader.page(user); !strings.Contains(text, "Dev app") || strings.Contains(text, "/apps/dev") {
		t.Error("a reader is not shown the app, or is offered to remove it")
	}
	if res := reader.Post(user + "/apps/dev"); res.Status != http.StatusForbidden {
		t.Errorf("a reader removes it: got %d, want 403", res.Status)
	}
	a.does(user + "/apps/dev")
	if text := a.page(user); strings.Contains(text, "/apps/dev") {
		t.Error("the app is still there")
	}
	if got := a.status(user + "/apps/dev"); got != http.StatusNotFound {
		t.Errorf("an app that nobody let in: got %d, want 404", got)
	}
}

// What is loosened for all must not be forgotten.
func TestABypassOfProofsIsSeenOnEveryPageAndAtHealth(t *testing.T) {
	end := time.Now().Add(time.Hour).UTC().Truncate(time.Minute)
	n := signettest.New(t, signettest.Options{StoreURL: dbtest.PostgresURL(t), Config: likeDev + `
security:
  senderConstraints:
    dpop:
      allowTemporaryBypass: {enabled: true, expiresAt: ` + end.Format(time.RFC3339) + `, reason: "the drill of today"}
`})
	d := &dev{&signettest.DevInstance{}}
	d.Ready.User.Email = "dev@signet.test"
	d.Ready.APIToken = n.BootstrapAdmin(d.Ready.User.Email)
	i := n.Start()
	d.runsAt(t, n, i, i)
	a := d.admin(t)
	a.does("/console/roles/new", "name", "reader", "permission", "users:read")
	_, reader := a.newUser("reader@signet.test", "Reader", "reader")
	banner := "Apps need not prove a key until " + end.Format("2006-01-02 15:04 UTC")
	for _, path := range []string{"/console", "/console/users", "/console/senders", "/console/audit"} {
		if text := a.page(path); !strings.Contains(text, banner) || !strings.Contains(text, "the drill of today") {
			t.Errorf("%s has no banner", path)
		}
	}
	if strings.Contains(reader.page("/console/users"), "the drill of today") {
		t.Error("who runs no apps is told of the bypass")
	}
	res, err := http.Get(i.Operations + "/health") //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(text), `"status":"alive"`) ||
		!strings.Contains(string(text), end.Format(time.RFC3339)+" (allowTemporaryBypass): the drill of today") {
		t.Errorf("/health: got %d %s, %v", res.StatusCode, text, err)
	}
}
