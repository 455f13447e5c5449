package signettest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Agent is a program that keeps cookies as a browser does, Secure ones on
// http://localhost included, and sends forms as a page of the origin would.
type Agent struct {
	Cookies map[string]string

	t  testing.TB
	at *Instance
}

// Agent returns one without cookies. It ends t where a page is not as asked for.
func (i *Instance) Agent(t testing.TB) *Agent {
	return &Agent{t: t, at: i, Cookies: map[string]string{}}
}

// Do sends a request, with a form where there is one. Headers are pairs.
func (a *Agent) Do(method, path string, form url.Values, headers ...string) Answer {
	a.t.Helper()
	body := ""
	if form != nil {
		body = form.Encode()
		headers = append([]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin", "Origin", a.at.Origin}, headers...)
	}
	var pairs []string
	for name, v := range a.Cookies {
		pairs = append(pairs, name+"="+v)
	}
	if len(pairs) > 0 {
		headers = append(headers, "Cookie", strings.Join(pairs, "; "))
	}
	res := a.at.Call(method, path, "", body, headers...)
	for _, c := range (&http.Response{Header: res.Header}).Cookies() {
		if c.MaxAge < 0 {
			delete(a.Cookies, c.Name)
			continue
		}
		a.Cookies[c.Name] = c.Value
	}
	return res
}

// Get opens a page.
func (a *Agent) Get(path string) Answer {
	a.t.Helper()
	return a.Do(http.MethodGet, path, nil)
}

// Post sends a form of pairs, which may be empty.
func (a *Agent) Post(path string, fields ...string) Answer {
	a.t.Helper()
	form := url.Values{"-": {""}} // Call sends no Content-Type with an empty body
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return a.Do(http.MethodPost, path, form)
}

// SignIn signs in by password.
func (a *Agent) SignIn(email, password string) *Agent {
	a.t.Helper()
	res := a.Post("/login", "email", email, "password", password)
	if res.Status != http.StatusSeeOther || a.Cookies["__Host-signet"] == "" {
		a.t.Fatalf("sign-in of %s: got %d\n%.2000s", email, res.Status, res.Body)
	}
	return a
}

// SignedIn returns an agent that is signed in as the seeded user.
func (d *DevInstance) SignedIn(t testing.TB) *Agent {
	t.Helper()
	return d.Agent(t).SignIn(d.Ready.User.Email, d.Ready.User.Password)
}
