package console_test

import (
	"net/http"
	"strings"
	"testing"
)

// newApp makes an app with the fields of the form, and returns its page.
func (a *agent) newApp(id string, fields ...string) string {
	a.t.Helper()
	form := []string{"id", id, "auth", "client_secret_basic", "consent", "ask", "mtls", "optional"}
	for name, value := range map[string]string{"name": "App", "dpop": "optional"} {
		if !has(fields, name) {
			form = append(form, name, value)
		}
	}
	res := a.Post("/console/clients/new", append(form, fields...)...)
	if text := string(res.Body); res.Status != http.StatusOK || !strings.HasPrefix(secretOf(a.t, text), "sgc_") {
		a.t.Fatalf("make %s: got %d\n%.3000s", id, res.Status, text)
	}
	return "/console/clients/id/" + id
}

// has reports whether a field is among pairs of names and values.
func has(pairs []string, name string) bool {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] == name {
			return true
		}
	}
	return false
}

func TestAnAppIsMadeChangedRotatedAndDeleted(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	app := a.newApp("shop", "name", "Shop", "grant", "authorization_code", "redirects", "https://shop.example.org/cb\nhttp://127.0.0.1/cb", "scopes", "openid email")
	text := a.page(app)
	for _, want := range []string{"Shop", "https://shop.example.org/cb", "http://127.0.0.1/cb", "<code>openid</code>", "Sign-in of a person", "Secret in the header"} {
		if !strings.Contains(text, want) {
			t.Errorf("its page lacks %s", want)
		}
	}
	if strings.Contains(text, "sgc_") {
		t.Error("its page shows a secret")
	}
	for name, c := range map[string]struct {
		words  string
		fields []string
	}{
		"the id again":            {"is taken", []string{"id", "shop"}},
		"a capital":               {"small letters", []string{"id", "Shop"}},
		"http in the open":        {"must be https", []string{"redirects", "http://shop.example.org/"}},
		"code without an address": {"needs a redirect URI", []string{"grant", "authorization_code"}},
		"no keys":                 {"must fit how the app proves itself", []string{"auth", "private_key_jwt"}},
	} {
		form := []string{"name", "x", "consent", "ask", "dpop", "optional", "mtls", "optional"}
		if !has(c.fields, "auth") {
			form = append(form, "auth", "client_secret_basic")
		}
		res := a.Post("/console/clients/new", append(form, c.fields...)...)
		if res.Status < http.StatusBadRequest || !strings.Contains(string(res.Body), c.words) {
			t.Errorf("%s: got %d without %q", name, res.Status, c.words)
		}
	}
	if to := a.does("/console/clients/new", "id", "phone", "name", "Phone", "auth", "none", "consent", "ask", "dpop", "required", "mtls", "off"); !strings.Contains(a.page(to), "It has no secret") {
		t.Error("nobody is told that a public app has no secret")
	}

	a.does(app+"/edit", "name", "The shop", "consent", "never", "dpop", "off", "mtls", "off")
	if text := a.page(app); !strings.Contains(text, "The shop") || strings.Contains(text, "https://shop.example.org/cb") || !strings.Contains(text, "not used") {
		t.Error("it was not changed")
	}
	a.does("/console/clients/policy", "dpop", "required", "mtls", "off")
	if text := a.page(app); !strings.Contains(text, "Demanded by the account.") {
		t.Error("its page does not tell of the account's demand")
	}
	if res := a.Post(app + "/rotate"); !strings.HasPrefix(secretOf(t, string(res.Body)), "sgc_") || !strings.Contains(a.page(app), "The secret before is good until") {
		t.Error("no new secret beside the old one")
	}
	a.does(app + "/delete")
	if strings.Contains(a.page("/console/clients"), "The shop") {
		t.Error("it is listed still")
	}
	if text := a.page(app); !strings.Contains(text, "Deleted on") || strings.Contains(text, "/rotate") {
		t.Error("its page does not say that it is gone")
	}
}

func TestATenantSeesItsOwnAppsAlone(t *testing.T) {
	d := newDev(t)
	app := d.admin(t).newApp("theirs")
	if res := d.Call(http.MethodPost, "/api/v1/accounts", d.Ready.APIToken, `{"name":"acme"}`); res.Status != http.StatusCreated {
		t.Fatalf("create account: %d %s", res.Status, res.Body)
	}
	tenant := d.tenantAdmin(t, "boss@acme.test", "acme")
	if text := tenant.page("/console/clients"); strings.Contains(text, "theirs") || !strings.Contains(text, "No apps yet") {
		t.Error("a tenant's list is not empty")
	}
	for _, verb := range []string{"", "/edit", "/rotate", "/delete"} {
		if got := tenant.status(app + verb); got != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", verb, got)
		}
	}
	for _, verb := range []string{"/edit", "/rotate", "/delete"} {
		if got := tenant.Post(app+verb, "name", "x", "consent", "ask", "dpop", "off", "mtls", "off").Status; got != http.StatusNotFound {
			t.Errorf("POST %s: got %d, want 404", verb, got)
		}
	}
	res := tenant.Post("/console/clients/new", "name", "x", "auth", "client_secret_basic", "scopes", "audit:read", "consent", "ask", "dpop", "off", "mtls", "off")
	if res.Status < http.StatusBadRequest || !strings.Contains(string(res.Body), "concerns the whole installation") {
		t.Errorf("a scope of the node: got %d", res.Status)
	}
	tenant.newApp("ours")
	if text := tenant.page("/console/clients"); !strings.Contains(text, "/console/clients/id/ours") {
		t.Error("a tenant's own app is not listed")
	}
}
