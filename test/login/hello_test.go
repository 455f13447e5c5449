package login_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"signet/test/browser"
	signettest "signet/test/signet"
)

// hello is the example app, in a process of its own.
type hello struct{ origin string }

// startHello starts it; by OAuth with a key of its own where oauth says so, else by handoff.
func (w *world) startHello(t *testing.T, oauth bool) *hello {
	t.Helper()
	port := freePort(t)
	h := &hello{origin: "http://app.localhost:" + port}
	var out struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	client := []string{
		"admin", "client", "create", "--name", "Hello",
		"--redirect-uri", h.origin + "/callback", "--logout-uri", "http://127.0.0.1:" + port + "/backchannel-logout",
	}
	args := []string{"--signet", w.origin, "--origin", h.origin, "--listen", "127.0.0.1:" + port}
	if oauth {
		client = append(client, "--grant", "authorization_code", "--scope", "openid", "--scope", "profile", "--consent", "never", "--dpop", "required")
		args = append(args, "--oauth")
	}
	w.JSON(&out, client...)
	w.Secrets.Add(out.Secret)
	log, err := os.Create(filepath.Join(t.TempDir(), "hello.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(signettest.Hello(t), append(args, "--client-id", out.ID)...) //nolint:noctx // it is killed below
	cmd.Env = append(os.Environ(), "HELLO_CLIENT_SECRET="+out.Secret)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		_ = log.Close()
		text, _ := os.ReadFile(log.Name())
		w.Secrets.NotIn("log of hello", string(text))
		if t.Failed() {
			t.Logf("log of hello:\n%s", text)
		}
	})
	signettest.Await(t, "hello answers", patience, func() error {
		res, err := http.Get("http://127.0.0.1:" + port) //nolint:noctx // loopback
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
	return h
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("listens at %v", l.Addr())
	}
	return strconv.Itoa(addr.Port)
}

// begin goes to the app, and from there to the sign-in page.
func (h *hello) begin(w *world, b *browser.Tab) {
	b.Go(h.origin)
	b.Press("Sign in")
	b.At(w.origin + "/login")
}

// greets waits until the app has signed somebody in who proved themselves like that,
// such as "pwd (urn:signet:1)".
func (h *hello) greets(b *browser.Tab, how string) {
	b.At(h.origin)
	b.Sees("signed in with")
	b.Sees(how)
}

// forgets waits until the app's session has ended.
func (h *hello) forgets(t *testing.T, b *browser.Tab) {
	t.Helper()
	signettest.Await(t, "app signs out", patience, func() error {
		b.Go(h.origin)
		if b.Title() != "Hello" {
			return fmt.Errorf("at %s", b.URL())
		}
		if text := b.Text(); len(text) > 0 && !containsLine(text, "Sign in") {
			return errors.New("still signed in")
		}
		return nil
	})
}

// kept checks the cookie of a session.
func kept(t *testing.T, w *world, b *browser.Tab) {
	t.Helper()
	b.Go(w.origin + "/account")
	c := b.Cookie("__Host-signet")
	if c == nil {
		t.Fatal("there is no session cookie")
	}
	if !c.HTTPOnly || !c.Secure || c.SameSite != "Lax" || c.Path != "/" || c.Domain != "localhost" {
		t.Errorf("session cookie: got %+v, want HttpOnly, Secure, SameSite=Lax, Path=/ and the host alone", c)
	}
	if life := time.Until(time.Unix(int64(c.Expires), 0)); life <= 0 || life > 31*24*time.Hour {
		t.Errorf("session cookie lives for %v, want at most 30 days", life)
	}
}
