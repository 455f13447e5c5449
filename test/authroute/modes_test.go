package authroute_test

import (
	"testing"
	"time"

	"signet/authproof"
	"signet/test/postfix"

	signettest "signet/test/signet"
)

// answers are those of a case in each mode, in the order of modes.
type answers [4]want

// failing is what a proof that fails comes to: marked, held, refused, refused.
func failing(reason, text string) answers {
	fail := "fail reason=" + reason
	return answers{
		{code: 250, header: []string{fail}, result: "fail", reason: reason, action: "PREPEND Authenticated-Routing: " + fail},
		{code: 250, held: true, result: "fail", reason: reason, action: "HOLD"},
		refused(reason, text),
		refused(reason, text),
	}
}

// lacking is what the lack of a proof comes to: only require refuses.
func lacking(reason, text string) answers {
	w := unmarked("none", reason)
	return answers{w, w, w, {code: 554, text: text, result: "none", reason: reason, action: "REJECT " + text}}
}

func always(w want) answers { return answers{w, w, w, w} }

// Every case of docs/spec/authenticated-routing.md in every mode, by both stages.
func TestEachModeDoesWithEachCaseWhatItSays(t *testing.T) {
	for name, stage := range stages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, postfix.Options{Stage: stage})
			cases := w.casesByMode(t)
			for i, mode := range modes {
				t.Run(mode, func(t *testing.T) {
					var mails []mail
					for _, c := range cases {
						m := c.mail(t, mode)
						m.want = c.want[i]
						if m.want.result == "pass" {
							m.want = passed(w.keys[mode])
						}
						mails = append(mails, m)
					}
					w.send(t, mails...)
				})
			}
		})
	}
}

type modeCase struct {
	mail func(t *testing.T, mode string) mail
	want answers
}

func (w *world) casesByMode(t *testing.T) []modeCase {
	t.Helper()
	revoked, expired := map[string]signettest.Key{}, map[string]signettest.Key{}
	for _, mode := range modes {
		address := w.keys[mode].Address
		revoked[mode] = w.alice.NewKey(t, address)
		if err := w.alice.RevokeKey(t.Context(), revoked[mode].ID, ""); err != nil {
			t.Fatal(err)
		}
		w.signet.AwaitRevoked(t, revoked[mode])
		expired[mode] = w.alice.NewKeyUntil(t, address, soon())
	}
	awaitExpiry(t)

	by := func(make func(t *testing.T, key signettest.Key, mode string) string) func(*testing.T, string) mail {
		return func(t *testing.T, mode string) mail {
			key := w.keys[mode]
			return mail{from: "MAIL FROM:<" + key.Address + ">" + make(t, key, mode), nextHop: key.Address}
		}
	}
	param := func(proof string) string { return " AUTH-PROOF=" + proof }
	captured := map[string]string{}
	return []modeCase{
		{by(func(t *testing.T, k signettest.Key, mode string) string {
			captured[mode] = k.Proof(t)
			return param(captured[mode])
		}), always(want{result: "pass"})},
		{func(_ *testing.T, mode string) mail {
			address := w.keys[mode].Address
			return mail{from: from(address, captured[mode]), nextHop: address, client: "127.0.0.2"}
		}, failing("replayed", "Proof replayed")},
		{by(func(t *testing.T, k signettest.Key, _ string) string {
			return param(underName(t, signettest.NewKey(t, k.Address).Proof(t), k.ID))
		}), failing("signature", "Invalid signature")},
		{by(func(t *testing.T, _ signettest.Key, mode string) string { return param(revoked[mode].Proof(t)) }), failing("revoked", "Key revoked")},
		{by(func(t *testing.T, _ signettest.Key, mode string) string { return param(expired[mode].Proof(t)) }), failing("expired", "Key expired")},
		{by(func(t *testing.T, k signettest.Key, _ string) string {
			return param(w.alice.Primary.Sign(t, k.Claims()))
		}), failing("sender", "Key not valid for sender")},
		{func(t *testing.T, mode string) mail {
			sender := "other@" + mode + ".test" // in the domain, but nobody's
			c := w.keys[mode].Claims()
			c.Sender = sender
			return mail{from: from(sender, w.keys[mode].Sign(t, c)), nextHop: sender}
		}, failing("sender", "Key not valid for sender")},
		{by(func(t *testing.T, k signettest.Key, _ string) string {
			c := k.Claims()
			c.Timestamp = c.Timestamp.Add(-authproof.Window - time.Minute)
			return param(k.Sign(t, c))
		}), failing("stale", "Timestamp out of range")},
		{by(func(t *testing.T, k signettest.Key, _ string) string {
			return param(signettest.NewKey(t, k.Address).Proof(t))
		}), lacking("key-not-found", "Key not found")},
		{by(func(*testing.T, signettest.Key, string) string { return "" }), lacking("no-proof", "Proof required")},
		{by(func(*testing.T, signettest.Key, string) string { return param("nonsense") }), lacking("malformed", "Proof required")},
		{func(*testing.T, string) mail { return mail{from: "MAIL FROM:<>", nextHop: nobody} }, always(unmarked("none", "null-sender"))},
	}
}

// A mode that an operator sets holds without a restart, and unset the configuration
// decides again.
func TestModeIsChangedWhileMailFlows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, postfix.Options{})
	key := w.keys["monitor"]
	bad := func() mail {
		return mail{from: from(key.Address, underName(t, signettest.NewKey(t, key.Address).Proof(t), key.ID)), nextHop: key.Address}
	}
	wants := failing("signature", "Invalid signature")
	for _, step := range []struct {
		command []string
		mode    string
		want    want
	}{
		{[]string{"authroute", "domain", "set", "monitor.test", "--mode", "enforce"}, "enforce", wants[2]},
		{[]string{"authroute", "domain", "set", "monitor.test", "--mode", "quarantine"}, "quarantine", wants[1]},
		{[]string{"authroute", "domain", "unset", "monitor.test"}, "monitor", wants[0]},
	} {
		w.Run(step.command...)
		w.awaitMode(t, "monitor.test", step.mode)
		m := bad()
		m.want = step.want
		w.send(t, m)
	}
}

// Break-glass: mail that would be refused passes, and is judged again afterwards.
func TestBypassLetsAllMailPassForATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, postfix.Options{})
	key := w.keys["enforce"]
	bad := func(want want) mail {
		return mail{from: from(key.Address, underName(t, signettest.NewKey(t, key.Address).Proof(t), key.ID)), want: want}
	}
	w.Run("authroute", "bypass", "--for", "1h", "--reason", "a test")
	w.awaitBypass(t, true)
	w.send(t, bad(unmarked("none", "bypass")))
	w.Run("authroute", "bypass", "--stop")
	w.awaitBypass(t, false)
	w.send(t, bad(refused("signature", "Invalid signature")))
}
