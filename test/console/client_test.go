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
type dev struct{ *signettest.DevInstance }

func newDev(t *testing.T) *dev {
	t.Helper()
	return &dev{signettest.Dev(t)}
}

// agent is somebody at the console, who reads English.
type agent struct {
	*signettest.Agent

	t *testing.T
	d *dev
}

func (d *dev) agent(t *testing.T) *agent {
	a := &agent{d.Agent(t), t, d}
	a.Cookies["signet-locale"] = "en"
	return a
}

// page opens a page that must be there, and that nobody keeps.
func (a *agent) page(path string) string {
	a.t.Helper()
	res := a.Do(http.MethodGet, path, nil)
	if res.Status != http.StatusOK {
		a.t.Fatalf("GET %s: got %d to %s, want 200\n%.3000s", path, res.Status, res.Header.Get("Location"), res.Body)
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		a.t.Errorf("GET %s: Cache-Control is %q, want no-store", path, got)
	}
	return string(res.Body)
}

// status opens a page.
func (a *agent) status(path string) int {
	a.t.Helper()
	return a.Do(http.MethodGet, path, nil).Status
}

// does sends a form that must be taken, and returns where it leads.
func (a *agent) does(path string, fields ...string) string {
	a.t.Helper()
	res := a.Post(path, fields...)
	if res.Status != http.StatusSeeOther || strings.HasPrefix(res.Header.Get("Location"), "/login") {
		a.t.Fatalf("POST %s: got %d to %q\n%.3000s", path, res.Status, res.Header.Get("Location"), res.Body)
	}
	return res.Header.Get("Location")
}

func (d *dev) admin(t *testing.T) *agent {
	t.Helper()
	a := d.agent(t)
	a.SignIn(d.Ready.User.Email, d.Ready.User.Password)
	return a
}

// newUser has the administrator make a user with a role, and signs that one in.
func (a *agent) newUser(email, name string, roles ...string) (id string, person *agent) {
	a.t.Helper()
	fields := []string{"email", email, "name", name}
	for _, r := range roles {
		fields = append(fields, "role", r)
	}
	id, _, _ = strings.Cut(strings.TrimPrefix(a.does("/console/users/new", fields...), "/console/users/"), "?")
	link := secretOf(a.t, string(a.Post("/console/users/"+id+"/setup-link").Body))
	person = a.d.agent(a.t)
	if res := person.Post(strings.TrimPrefix(link, a.d.Origin)); res.Status != http.StatusSeeOther {
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
	if res := person.Post("/setup/" + code); res.Status != http.StatusSeeOther {
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
