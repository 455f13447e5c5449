package dpop_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"signet/internal/dpop"
)

func TestNonceIsGoodForItsTenantAndTime(t *testing.T) {
	n := dpop.NewNonces([32]byte{1}, 5*time.Minute)
	nonce := n.Issue("acme", 7, start)
	if len(nonce) > 128 || strings.Trim(nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("%q is not URL-safe and short", nonce)
	}
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil {
		t.Fatal(err)
	}
	altered := func(i int) string {
		b := append([]byte(nil), raw...)
		b[i] ^= 1
		return base64.RawURLEncoding.EncodeToString(b)
	}
	for _, c := range []struct {
		name   string
		nonces *dpop.Nonces
		tenant string
		nonce  string
		after  time.Duration
		want   dpop.Reason
	}{
		{"at once", n, "acme", nonce, 0, dpop.Good},
		{"on an instance of the same key", dpop.NewNonces([32]byte{1}, 5*time.Minute), "acme", nonce, time.Second, dpop.Good},
		{"after two thirds of its time", n, "acme", nonce, 200 * time.Second, dpop.Good},
		{"after its time", n, "acme", nonce, 300 * time.Second, dpop.Expired},
		{"after a year", n, "acme", nonce, 365 * 24 * time.Hour, dpop.Expired},
		{"by a clock that is behind", n, "acme", nonce, -200 * time.Second, dpop.Good},
		{"by a clock that is far behind", n, "acme", nonce, -301 * time.Second, dpop.Unknown},
		{"none", n, "acme", "", 0, dpop.First},
		{"of another tenant", n, "other", nonce, 0, dpop.Unknown},
		{"of no tenant", n, "", nonce, 0, dpop.Unknown},
		{"of another key", dpop.NewNonces([32]byte{2}, 5*time.Minute), "acme", nonce, 0, dpop.Unknown},
		{"epoch altered", n, "acme", altered(7), 0, dpop.Unknown},
		{"time altered", n, "acme", altered(15), 0, dpop.Unknown},
		{"old and time altered", n, "acme", altered(15), 400 * time.Second, dpop.Unknown},
		{"MAC altered", n, "acme", altered(16), 0, dpop.Unknown},
		{"end altered", n, "acme", altered(len(raw) - 1), 0, dpop.Unknown},
		{"cut", n, "acme", nonce[:len(nonce)-4], 0, dpop.Unknown},
		{"longer", n, "acme", nonce + "AAAA", 0, dpop.Unknown},
		{"line end in it", n, "acme", nonce[:8] + "\n" + nonce[8:], 0, dpop.Unknown},
		{"made up", n, "acme", "x", 0, dpop.Unknown},
	} {
		epoch, why := c.nonces.Check(c.tenant, c.nonce, start.Add(c.after))
		if why != c.want || (why == dpop.Good) != (epoch == 7) {
			t.Errorf("%s: got %q of epoch %d, want %q", c.name, why, epoch, c.want)
		}
	}
}

func TestNonceIsGoodForTwoThirdsOfItsTimeAtLeastAndAllOfItAtMost(t *testing.T) {
	n := dpop.NewNonces([32]byte{}, 3*time.Second)
	for at := start; at.Before(start.Add(3 * time.Second)); at = at.Add(99 * time.Millisecond) {
		nonce := n.Issue("a", -1, at)
		if epoch, why := n.Check("a", nonce, at.Add(2*time.Second)); why != dpop.Good || epoch != -1 {
			t.Errorf("made at %s, after 2 s: got %q", at, why)
		}
		if _, why := n.Check("a", nonce, at.Add(3*time.Second)); why != dpop.Expired {
			t.Errorf("made at %s, after 3 s: got %q", at, why)
		}
	}
}
