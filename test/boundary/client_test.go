// Package boundary_test attacks the pages as a program would that is no browser: with
// cookies, headers and bodies of its own making.
package boundary_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	signettest "signet/test/signet"
)

// dev is a running signet dev with its seeded user.
type dev struct {
	*signettest.DevInstance
	email, password, link string
}

func newDev(t *testing.T) *dev {
	t.Helper()
	d := &dev{DevInstance: signettest.Dev(t)}
	text, err := os.ReadFile(d.ReadyFile)
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		AdminLink string `json:"admin_link"`
		User      struct{ Email, Password string }
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	d.email, d.password, d.link = r.User.Email, r.User.Password, r.AdminLink
	return d
}

// agent keeps cookies as a browser does, Secure ones on http://localhost included.
type agent struct {
	t               *testing.T
	at              *signettest.Instance
	email, password string
	cookies         map[string]string
}

func (d *dev) agent(t *testing.T) *agent {
	return &agent{t: t, at: d.Instance, email: d.email, password: d.password, cookies: map[string]string{}}
}

// do sends a request; a form is sent as one, as a page of this origin would.
func (a *agent) do(method, path string, form url.Values, headers ...string) signettest.Answer {
	a.t.Helper()
	body := ""
	if form != nil {
		body = form.Encode()
		headers = append([]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin", "Origin", a.at.Origin}, headers...)
	}
	var pairs []string
	for name, v := range a.cookies {
		pairs = append(pairs, name+"="+v)
	}
	if len(pairs) > 0 {
		headers = append(headers, "Cookie", strings.Join(pairs, "; "))
	}
	res := a.at.Call(method, path, "", body, headers...)
	for _, c := range (&http.Response{Header: res.Header}).Cookies() {
		if c.MaxAge < 0 {
			delete(a.cookies, c.Name)
			continue
		}
		a.cookies[c.Name] = c.Value
	}
	return res
}

func (a *agent) get(path string) signettest.Answer {
	a.t.Helper()
	return a.do(http.MethodGet, path, nil)
}

func (a *agent) post(path string, fields ...string) signettest.Answer {
	a.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return a.do(http.MethodPost, path, form)
}

// signIn signs in by password.
func (a *agent) signIn() *agent {
	a.t.Helper()
	res := a.post("/login", "email", a.email, "password", a.password)
	if res.Status != http.StatusSeeOther || a.cookies["__Host-signet"] == "" {
		a.t.Fatalf("sign-in: got %d\n%.2000s", res.Status, res.Body)
	}
	return a
}
