package load_test

import (
	"crypto/ed25519"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"signet/authproof"
	"signet/internal/load"
	"signet/internal/policyproto"
)

// respond serves a policy service whose answers the test chooses.
func respond(t *testing.T, answer func(q *policyproto.Request) policyproto.Action) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed with the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := policyproto.NewReader(c)
				var q policyproto.Request
				for {
					if err := r.Read(&q); err != nil {
						if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
							t.Errorf("read request: %v", err)
						}
						return
					}
					if _, err := c.Write(answer(&q).AppendTo(nil)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func options(t *testing.T, address string) load.Options {
	t.Helper()
	_, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return load.Options{
		Network: "tcp", Address: address, Rate: 400, For: 500 * time.Millisecond, Connections: 8,
		Sender: "alice@example.org", Key: priv, Enforced: true,
	}
}

// judge answers as a service in enforce mode does.
func judge(o *load.Options) func(q *policyproto.Request) policyproto.Action {
	return func(q *policyproto.Request) policyproto.Action {
		carried := policyproto.ProofFrom(q, false)
		if carried.Form == policyproto.NoProof {
			return policyproto.Dunno()
		}
		pub := o.Key.Public().(ed25519.PublicKey)
		p, err := authproof.Parse(carried.Proof)
		if err != nil || p.Verify(pub, carried.Sender, []string{authproof.AnyRelay}, time.Now(), time.Minute) != nil {
			return policyproto.Reject("Invalid signature")
		}
		return policyproto.Prepend("Authenticated-Routing: pass key-id=" + authproof.KeyID(pub))
	}
}

func TestGoodServiceIsReportedGood(t *testing.T) {
	var o load.Options
	o = options(t, respond(t, func(q *policyproto.Request) policyproto.Action { return judge(&o)(q) }))
	r, err := load.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Ok() || r.Sent != 200 || r.P50 <= 0 || r.P99 < r.P50 || r.Max < r.P99 {
		t.Errorf("got %+v, want 200 right answers", r)
	}
}

func TestWrongAnswersAreCounted(t *testing.T) {
	o := options(t, respond(t, func(*policyproto.Request) policyproto.Action { return policyproto.Dunno() }))
	r, err := load.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	// Of 20 requests one has no proof, so DUNNO is right for it alone.
	if r.Ok() || r.Wrong != 190 || !strings.Contains(r.FirstWrong, "DUNNO") {
		t.Errorf("got %+v, want 190 wrong", r)
	}
}

func TestNoServiceIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	if _, err := load.Run(t.Context(), options(t, address)); err == nil {
		t.Error("want an error")
	}
}
