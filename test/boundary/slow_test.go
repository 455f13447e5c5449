package boundary_test

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	signettest "signet/test/signet"
)

// TestSlowConnectionsLeaveOthersServed opens as many half requests as one laptop easily
// can: some without the end of their header, some without their body.
func TestSlowConnectionsLeaveOthersServed(t *testing.T) {
	d := signettest.Dev(t)
	u, err := url.Parse(d.Origin)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		c, err := net.Dial("tcp", "127.0.0.1:"+u.Port()) //nolint:noctx // loopback
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		half := "POST /login HTTP/1.1\r\nHost: " + u.Host + "\r\n"
		if i%2 == 0 {
			half += "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\nemail=" + strings.Repeat("a", 100)
		}
		if _, err := c.Write([]byte(half)); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		a := d.Agent(t)
		if res := a.Get("/login"); res.Status != http.StatusOK {
			t.Fatalf("sign-in page meanwhile: got %d", res.Status)
		}
		a.SignIn(d.Ready.User.Email, d.Ready.User.Password)
		if res := a.Get("/account"); res.Status != http.StatusOK {
			t.Fatalf("account meanwhile: got %d", res.Status)
		}
	}
}
