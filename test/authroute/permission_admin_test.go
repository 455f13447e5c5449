package authroute_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	signettest "signet/test/signet"
)

// fresh returns a word that nothing has as its name yet.
func fresh() string { return strings.ToLower(rand.Text()[:12]) }

// fill replaces what stands for something new in a path: USER, ADDRESS and HELD (a
// role) of that user, ROLE, TOKEN, ACCOUNT, SERVICE (a key), CLIENT, ACCESS (a key of the
// object storage) and GRANT.
func (m *matrix) fill(t *testing.T, path string) string {
	t.Helper()
	user := ""
	for part := range strings.SplitSeq(path, "/") {
		var v string
		switch part {
		case "USER":
			user = m.make(t, "/users", m.newUser(""))["user_id"]
			v = user
		case "ADDRESS":
			v = fresh() + "@enforce.test"
			m.do(t, http.MethodPost, "/users/"+user+"/addresses", `{"address":"`+v+`"}`)
		case "HELD":
			v = "reader"
			m.do(t, http.MethodPut, "/users/"+user+"/roles/reader", "")
		case "ROLE":
			v = m.make(t, "/roles", m.newRole(""))["name"]
		case "TOKEN":
			v, _ = m.CreateToken(m.make(t, "/users", m.newUser(""))["user_id"])
		case "ACCOUNT":
			v = m.make(t, "/accounts", m.newRole("account"))["account_id"]
		case "SERVICE":
			v = m.make(t, "/service-keys", `{"name":"k","permissions":[]}`)["key_id"]
		case "CLIENT":
			v = m.make(t, "/clients", `{"name":"App"}`)["client_id"]
		case "ACCESS":
			v = m.make(t, "/objects/keys", `{"name":"k"}`)["access_key_id"]
		case "GRANT":
			v = m.make(t, "/objects/grants", m.newGrant(""))["grant_id"]
		default:
			continue
		}
		path = strings.Replace(path, part, v, 1)
	}
	return path
}

// do has the operator call the API, and returns the body.
func (m *matrix) do(t *testing.T, method, path, body string) []byte {
	t.Helper()
	a := m.signet.Call(method, "/api/v1"+path, m.admin, body)
	if a.Status >= http.StatusBadRequest {
		t.Fatalf("%s %s: %d %s", method, path, a.Status, a.Body)
	}
	return a.Body
}

// make has the operator create something, and returns the texts of the answer.
func (m *matrix) make(t *testing.T, path, body string) map[string]string {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(m.do(t, http.MethodPost, path, body), &out); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for k, v := range out {
		if s, ok := v.(string); ok {
			texts[k] = s
		}
	}
	return texts
}

func (m *matrix) newUser(string) string {
	return body{"email": fresh() + "@enforce.test"}.text(m.t)
}

// newGrant is for a user who is named by id, as anybody of any account may be.
func (m *matrix) newGrant(string) string {
	return body{"user": m.make(m.t, "/users", m.newUser(""))["user_id"], "bucket": "files", "role": "read"}.text(m.t)
}

func (m *matrix) newAddress(string) string {
	return body{"address": fresh() + "@enforce.test"}.text(m.t)
}

// newRole is also a new account, which has a name and no permissions.
func (m *matrix) newRole(string) string { return `{"name":"` + fresh() + `"}` }

func TestTenantAdministratorReachesWeakerMembersOfTheTenantOnly(t *testing.T) {
	t.Parallel()
	f := newOffice(t, signettest.Options{})
	f.Run("admin", "create-account", "--name", "acme")
	f.Run("admin", "create-account", "--name", "other")
	f.Run("admin", "create-role", "--account", "acme", "--name", "helpdesk", "--permission", "users:read", "--permission", "users:write")
	boss := f.CreateUser("boss@acme.test", "--account", "acme", "--role", "administrator")
	f.CreateUser("help@acme.test", "--account", "acme", "--role", "helpdesk")
	bob := f.CreateUser("bob@acme.test", "--account", "acme")
	eve := f.CreateUser("eve@other.test", "--account", "other", "--role", "administrator")
	_, asBoss := f.CreateToken("boss@acme.test")
	_, asHelp := f.CreateToken("help@acme.test")

	for name, c := range map[string]struct {
		token, method, path, body string
		want                      int
	}{
		"the boss lists members":                   {asBoss, "GET", "/users", "", 200},
		"the boss renames a member":                {asBoss, "PATCH", "/users/" + bob, `{"display_name":"Bob"}`, 200},
		"the boss lists another account":           {asBoss, "GET", "/users?account=other", "", 404},
		"the boss lists the system account":        {asBoss, "GET", "/users?account=system", "", 404},
		"the boss shows a user elsewhere":          {asBoss, "GET", "/users/" + eve, "", 404},
		"the boss shows a user elsewhere by name":  {asBoss, "GET", "/users/eve@other.test", "", 404},
		"the boss shows the node's administrator":  {asBoss, "GET", "/users/root@enforce.test", "", 404},
		"the boss disables a user elsewhere":       {asBoss, "POST", "/users/" + eve + "/disable", "", 404},
		"the boss resets a user elsewhere":         {asBoss, "POST", "/users/" + eve + "/reset-factors", "", 404},
		"the boss gets in as a user elsewhere":     {asBoss, "POST", "/users/" + eve + "/setup-link", "", 404},
		"the boss invites to another account":      {asBoss, "POST", "/users", `{"email":"x@acme.test","account":"other","invite":true}`, 404},
		"the boss makes a role of the node":        {asBoss, "POST", "/roles", `{"name":"auditor","permissions":["audit:read"]}`, 422},
		"the boss makes a key of the node":         {asBoss, "POST", "/service-keys", `{"name":"k","permissions":["auth:oauth"]}`, 403},
		"the boss reads accounts":                  {asBoss, "GET", "/accounts", "", 403},
		"the boss sets the MFA of another account": {asBoss, "PUT", "/accounts/other/mfa", `{"on":true}`, 404},
		"the boss sets the own account's MFA":      {asBoss, "PUT", "/accounts/acme/mfa", `{"on":true}`, 204},
		"the boss invites":                         {asBoss, "POST", "/users", `{"email":"new@acme.test","invite":true}`, 201},
		"helpdesk sees the boss":                   {asHelp, "GET", "/users/" + boss, "", 200},
		"helpdesk renames the boss":                {asHelp, "PATCH", "/users/" + boss, `{"display_name":"x"}`, 403},
		"helpdesk disables the boss":               {asHelp, "POST", "/users/" + boss + "/disable", "", 403},
		"helpdesk adds an address to the boss":     {asHelp, "POST", "/users/" + boss + "/addresses", `{"address":"y@acme.test"}`, 403},
		"helpdesk resets the boss":                 {asHelp, "POST", "/users/" + boss + "/reset-factors", "", 403},
		"helpdesk gets in as the boss":             {asHelp, "POST", "/users/" + boss + "/setup-link", "", 403},
		"helpdesk signs the boss out":              {asHelp, "DELETE", "/users/" + boss + "/sessions", "", 403},
		"helpdesk takes the boss's role":           {asHelp, "DELETE", "/users/" + boss + "/roles/administrator", "", 403},
		"helpdesk becomes administrator":           {asHelp, "PUT", "/users/help@acme.test/roles/administrator", "", 403},
		"helpdesk makes an administrator":          {asHelp, "POST", "/users", `{"email":"z@acme.test","roles":["administrator"]}`, 403},
		"helpdesk strengthens the own role":        {asHelp, "PATCH", "/roles/helpdesk", `{"mfa":false,"permissions":["users:read","users:write","oauth:clients"]}`, 403},
		"helpdesk sets the account's MFA":          {asHelp, "PUT", "/accounts/acme/mfa", `{"on":false}`, 403},
		"helpdesk lets a member back in":           {asHelp, "POST", "/users/" + bob + "/setup-link", "", 201},
	} {
		a := f.signet.Call(c.method, "/api/v1"+c.path, c.token, c.body)
		if a.Status != c.want {
			t.Errorf("%s: got %d %s, want %d", name, a.Status, a.Body, c.want)
		}
	}
}
