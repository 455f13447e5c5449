package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

func TestARoleThatDemandsASecondFactorIsMetByASetupLink(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	a.does("/console/roles/new", "name", "careful", "permission", "users:read", "mfa", "1")
	id, _, _ := strings.Cut(strings.TrimPrefix(a.does("/console/users/new", "email", "alice@signet.test", "role", "careful"), "/console/users/"), "?")
	link := secretOf(t, string(a.Post("/console/users/"+id+"/setup-link").Body))
	alice := d.agent(t)
	res := alice.Post(strings.TrimPrefix(link, d.Origin))
	enrol := res.Header.Get("Location")
	if res.Status != http.StatusSeeOther || !strings.HasPrefix(enrol, "/login/enrol") {
		t.Fatalf("got %d to %q, want 303 to set up a second factor", res.Status, enrol)
	}
	alice.enrols(enrol)
	const password = "walrus tangent ferry mosaic"
	if res := alice.Post("/account/security/password", "password", password); res.Status != http.StatusSeeOther {
		t.Fatalf("set a password: got %d\n%.2000s", res.Status, res.Body)
	}

	// What would be refused is not offered.
	again := d.agent(t)
	again.Post("/login", "email", "alice@signet.test", "password", password)
	factor := string(again.Get("/login/factor").Body)
	if strings.Contains(factor, "/login/recover") || !strings.Contains(factor, "An administrator can reset your second steps") {
		t.Errorf("a recovery that is refused is offered, or nothing is in its place:\n%.3000s", factor)
	}
}

// enrols sets up an authenticator app on a page that keeps its secret until the first
// code is right.
func (a *agent) enrols(page string) {
	a.t.Helper()
	first := string(a.Get(page).Body)
	secret := secretOf(a.t, first)
	if again := secretOf(a.t, string(a.Get(page).Body)); again != secret {
		a.t.Error("the page has another secret when it is loaded again")
	}
	code, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		a.t.Fatal(err)
	}
	wrong := "000000"
	if code == wrong {
		wrong = "111111"
	}
	res := a.Post(page, "code", wrong, "kept", "1")
	if res.Status != http.StatusUnauthorized || secretOf(a.t, string(res.Body)) != secret || !strings.Contains(string(res.Body), `class="qr"`) {
		a.t.Errorf("after a wrong code: got %d, want 401 with the same picture and secret\n%.3000s", res.Status, res.Body)
	}
	if res = a.Post(page, "code", code, "kept", "1"); res.Status != http.StatusSeeOther {
		a.t.Fatalf("with the right code: got %d\n%.3000s", res.Status, res.Body)
	}
}
