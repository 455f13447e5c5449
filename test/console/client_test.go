// Package console_test walks through the console of a running installation: as a
// browser would, by raw HTTP, and in a real one.
package console_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	signettest "signet/test/signet"
)

// dev is a running signet dev with its seeded user, who is the administrator.
type dev struct {
	*signettest.DevInstance
	email, password string
}

func newDev(t *testing.T) *dev {
	t.Helper()
	d := &dev{DevInstance: signettest.Dev(t)}
	text, err := os.ReadFile(d.ReadyFile)
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		User struct{ Email, Password string }
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	d.email, d.password = r.User.Email, r.User.Password
	return d
}

// agent keeps cookies as a browser does.
type agent struct {
	t       *testing.T
	d       *dev
	cookies map[string]string
}

func (d *dev) agent(t *testing.T) *agent {
	return &agent{t: t, d: d, cookies: map[string]string{"signet-locale": "en"}}
}

func (a *agent) do(method, path string, form url.Values, headers ...string) signettest.Answer {
	a.t.Helper()
	body := ""
	if form != nil {
		body = form.Encode()
		headers = append([]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin", "Origin", a.d.Origin}, headers...)
	}
	var pairs []string
	for name, v := range a.cookies {
		pairs = append(pairs, name+"="+v)
	}
	res := a.d.Call(method, path, "", body, append(headers, "Cookie", strings.Join(pairs, "; "))...)
	for _, c := range (&http.Response{Header: res.Header}).Cookies() {
		if c.MaxAge < 0 {
			delete(a.cookies, c.Name)
			continue
		}
		a.cookies[c.Name] = c.Value
	}
	return res
}

// page opens a page that must be there.
func (a *agent) page(path string) string {
	a.t.Helper()
	res := a.do(http.MethodGet, path, nil)
	if res.Status != http.StatusOK {
		a.t.Fatalf("GET %s: got %d to %s, want 200\n%.3000s", path, res.Status, res.Header.Get("Location"), res.Body)
	}
	return string(res.Body)
}

// status opens a page.
func (a *agent) status(path string) int {
	a.t.Helper()
	return a.do(http.MethodGet, path, nil).Status
}

// post sends a form of pairs; an empty one too.
func (a *agent) post(path string, fields ...string) signettest.Answer {
	a.t.Helper()
	form := url.Values{"-": {""}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return a.do(http.MethodPost, path, form)
}

// does sends a form that must be taken, and returns where it leads.
func (a *agent) does(path string, fields ...string) string {
	a.t.Helper()
	res := a.post(path, fields...)
	if res.Status != http.StatusSeeOther || strings.HasPrefix(res.Header.Get("Location"), "/login") {
		a.t.Fatalf("POST %s: got %d to %q\n%.3000s", path, res.Status, res.Header.Get("Location"), res.Body)
	}
	return res.Header.Get("Location")
}

// signIn signs in by password.
func (a *agent) signIn(email, password string) *agent {
	a.t.Helper()
	res := a.post("/login", "email", email, "password", password)
	if res.Status != http.StatusSeeOther || a.cookies["__Host-signet"] == "" {
		a.t.Fatalf("sign-in of %s: got %d\n%.2000s", email, res.Status, res.Body)
	}
	return a
}

func (d *dev) admin(t *testing.T) *agent {
	t.Helper()
	return d.agent(t).signIn(d.email, d.password)
}

// newUser has the administrator make a user with a role, and signs that one in.
func (a *agent) newUser(email, name string, roles ...string) (id string, person *agent) {
	a.t.Helper()
	fields := []string{"email", email, "name", name}
	for _, r := range roles {
		fields = append(fields, "role", r)
	}
	id, _, _ = strings.Cut(strings.TrimPrefix(a.does("/console/users/new", fields...), "/console/users/"), "?")
	link := secretOf(a.t, string(a.post("/console/users/"+id+"/setup-link").Body))
	person = a.d.agent(a.t)
	if res := person.post(strings.TrimPrefix(link, a.d.Origin)); res.Status != http.StatusSeeOther {
		a.t.Fatalf("setup of %s: got %d\n%.2000s", email, res.Status, res.Body)
	}
	return id, person
}

var secret = regexp.MustCompile(`<code class="secret">([^<]+)</code>`)

// secretOf returns what a page shows once.
func secretOf(t *testing.T, page string) string {
	t.Helper()
	m := secret.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("the page shows no secret:\n%.3000s", page)
	}
	return html.UnescapeString(m[1])
}

// userID returns the id of a user.
func (d *dev) userID(t *testing.T, email string) string {
	t.Helper()
	var u struct {
		ID string `json:"user_id"`
	}
	d.Call(http.MethodGet, "/api/v1/users/"+url.PathEscape(email), d.Ready.APIToken, "").JSON(t, &u)
	return u.ID
}

// signet runs a command line as somebody would who copied it from a page, in a shell,
// on the data of the running instance.
func (d *dev) signet(t *testing.T, line string) string {
	t.Helper()
	words := strings.SplitN(line, " ", 4) // signet admin user verb ...
	words[2] += " " + strings.SplitN(words[3], " ", 2)[0] + " --data " + d.Ready.Data
	words[3] = strings.SplitN(words[3], " ", 2)[1]
	cmd := exec.CommandContext(t.Context(), "bash", "-c", strings.Join(words, " "))
	cmd.Env = []string{"PATH=" + filepath.Dir(signettest.Binary(t)) + ":" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", cmd.Args[2], err, out)
	}
	return string(out)
}

// tenantAdmin returns the signed-in administrator of an account that is there.
func (d *dev) tenantAdmin(t *testing.T, email, account string) *agent {
	t.Helper()
	d.signet(t, "signet admin user create --account "+account+" --role administrator --email "+email)
	var made struct {
		Link string `json:"setup_link"`
	}
	if err := json.Unmarshal([]byte(d.signet(t, "signet admin user setup-link --json "+email)), &made); err != nil {
		t.Fatal(err)
	}
	person := d.agent(t)
	_, code, _ := strings.Cut(made.Link, "/setup/")
	if res := person.post("/setup/" + code); res.Status != http.StatusSeeOther {
		t.Fatalf("setup of %s: got %d\n%.2000s", email, res.Status, res.Body)
	}
	return person
}

var shell = regexp.MustCompile(`<pre class="command"><code>(signet [^<]+)</code>`)

// commandOf returns the command line that a page shows.
func commandOf(t *testing.T, page string) string {
	t.Helper()
	m := shell.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("the page shows no command:\n%.3000s", page)
	}
	return html.UnescapeString(m[1])
}
