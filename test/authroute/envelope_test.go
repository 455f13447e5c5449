package authroute_test

import (
	"strings"
	"testing"
	"time"

	"signet/authproof"
	"signet/test/postfix"

	signettest "signet/test/signet"
)

// What clients can put into an envelope, by both stages: the reply, what the next hop
// receives, and the one verdict. alice@enforce.test has a key; its domain refuses
// what fails.
func TestEnvelopesOfARealClient(t *testing.T) {
	for name, stage := range stages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, postfix.Options{Stage: stage})
			w.testProofs(t)
			w.testMalformed(t)
			w.testRefusals(t)
			w.testReplay(t)
			w.testNoMoreVerdictsThanMails(t)
		})
	}
}

const alice = "alice@enforce.test"

func (w *world) testProofs(t *testing.T) {
	key := w.keys["enforce"]
	const john = "john doe@enforce.test"
	w.Run("admin", "user", "add-address", w.alice.ID, john)
	johns := w.alice.NewKey(t, john)
	w.signet.AwaitKeys(t, johns)

	first := key.Claims()
	first.Version, first.Audience = 1, ""
	meant := key.Claims()
	meant.Audience = "relay.test"
	elsewhere := key.Claims()
	elsewhere.Audience = "other.test"
	capital := key.Claims()
	capital.Sender = "Alice@Enforce.Test"

	for name, m := range map[string]mail{
		"a proof of version 1":        {from: from(alice, key.Sign(t, first)), want: passed(key)},
		"a proof of version 2":        {from: from(alice, key.Proof(t)), want: passed(key)},
		"a proof for this relay":      {from: from(alice, key.Sign(t, meant)), want: passed(key)},
		"a proof for another relay":   {from: from(alice, key.Sign(t, elsewhere)), want: refused("signature", "Invalid signature")},
		"a command in small letters":  {from: "mail from:<" + alice + "> auth-proof=" + key.Proof(t), want: passed(key)},
		"a sender in capitals":        {from: from(capital.Sender, key.Sign(t, capital)), want: passed(key), nextHop: capital.Sender},
		"other parameters":            {from: from(alice, key.Proof(t)) + " SIZE=100 BODY=8BITMIME", want: passed(key)},
		"three recipients":            {from: from(alice, key.Proof(t)), to: []string{"x@example.com", "y@example.com", "z@example.com"}, want: passed(key)},
		"a quoted local part":         {from: from(`"john doe"@enforce.test`, johns.Proof(t)), want: passed(johns), nextHop: `"john doe"@enforce.test`},
		"no proof":                    {from: "MAIL FROM:<" + alice + ">", want: unmarked("none", "no-proof")},
		"a null sender":               {from: "MAIL FROM:<>", want: unmarked("none", "null-sender"), nextHop: nobody},
		"a null sender with a proof":  {from: from("", key.Proof(t)), want: unmarked("none", "null-sender"), nextHop: nobody},
		"the client's own AUTH=":      {from: "MAIL FROM:<" + alice + "> AUTH=bob@example.org", want: unmarked("none", "no-proof")},
		"AUTH=<> beside a proof":      {from: "MAIL FROM:<" + alice + "> AUTH=<> AUTH-PROOF=" + key.Proof(t), want: passed(key)},
		"an AUTH= that is our prefix": {from: "MAIL FROM:<" + alice + "> AUTH=authroute:nonsense", want: unmarked("none", "malformed")},
		"a sender that nobody hosts":  {from: from("x@foreign.test", key.Proof(t)), want: unmarked("temperror", "dns"), nextHop: "x@foreign.test"},
		"a key that nobody knows":     {from: from(alice, signettest.NewKey(t, alice).Proof(t)), want: unmarked("none", "key-not-found")},
	} {
		t.Run(name, func(t *testing.T) { w.send(t, m) })
	}
}

// Whatever stands in place of a proof, the mail is not refused for it.
func (w *world) testMalformed(t *testing.T) {
	key := w.keys["enforce"]
	proof := key.Proof(t)
	for name, parameter := range map[string]string{
		"an empty proof":              "AUTH-PROOF=",
		"a bare name":                 "AUTH-PROOF",
		"a proof that is no base64":   "AUTH-PROOF=ab*cd",
		"a proof that is no JSON":     "AUTH-PROOF=YWJjZA",
		"a truncated proof":           "AUTH-PROOF=" + proof[:len(proof)-20],
		"a proof of 1,400 characters": "AUTH-PROOF=" + strings.Repeat("x", 1400),
		"a proof of 3,000 characters": "AUTH-PROOF=" + strings.Repeat("x", 3000),
		"a doubled proof":             "AUTH-PROOF=" + proof + " AUTH-PROOF=" + proof,
		"two proofs":                  "AUTH-PROOF=" + proof + " AUTH-PROOF=" + key.Proof(t),
	} {
		t.Run(name, func(t *testing.T) {
			w.send(t, mail{from: "MAIL FROM:<" + alice + "> " + parameter, want: unmarked("none", "malformed")})
		})
	}
}

func (w *world) testRefusals(t *testing.T) {
	key := w.keys["enforce"]
	bobs := w.NewUser(w.signet, "bob@enforce.test").NewKey(t, "bob@enforce.test")
	revoked := w.alice.NewKey(t, alice)
	expired := w.alice.NewKeyUntil(t, alice, soon())
	w.signet.AwaitKeys(t, bobs, revoked)
	if err := w.alice.RevokeKey(t.Context(), revoked.ID, "keyCompromise"); err != nil {
		t.Fatal(err)
	}
	w.signet.AwaitRevoked(t, revoked)
	awaitExpiry(t)

	stale, early, bob := key.Claims(), key.Claims(), key.Claims()
	stale.Timestamp = stale.Timestamp.Add(-authproof.Window - time.Minute)
	early.Timestamp = early.Timestamp.Add(authproof.Window + time.Minute)
	bob.Sender = bobs.Address

	for name, m := range map[string]mail{
		"a wrong signer under a right name":     {from: from(alice, underName(t, bobs.Sign(t, key.Claims()), key.ID)), want: refused("signature", "Invalid signature")},
		"a proof of another mail's sender":      {from: from(bobs.Address, key.Proof(t)), want: refused("signature", "Invalid signature")},
		"a revoked key":                         {from: from(alice, revoked.Proof(t)), want: refused("revoked", "Key revoked")},
		"an expired key":                        {from: from(alice, expired.Proof(t)), want: refused("expired", "Key expired")},
		"a stale timestamp":                     {from: from(alice, key.Sign(t, stale)), want: refused("stale", "Timestamp out of range")},
		"a timestamp ahead of time":             {from: from(alice, key.Sign(t, early)), want: refused("stale", "Timestamp out of range")},
		"a key whose owner has not that sender": {from: from(bobs.Address, key.Sign(t, bob)), want: refused("sender", "Key not valid for sender")},
		"a primary key":                         {from: from(alice, w.alice.Primary.Sign(t, key.Claims())), want: refused("sender", "Key not valid for sender")},
	} {
		t.Run(name, func(t *testing.T) { w.send(t, m) })
	}
}

func (w *world) testReplay(t *testing.T) {
	key := w.keys["enforce"]
	t.Run("an honest retry from the same address", func(t *testing.T) {
		first := mail{from: from(alice, key.Proof(t)), want: passed(key)}
		w.send(t, first, first)
	})
	t.Run("a captured proof from another address", func(t *testing.T) {
		first := mail{from: from(alice, key.Proof(t)), want: passed(key)}
		again := first
		again.client, again.want = "127.0.0.2", refused("replayed", "Proof replayed")
		w.send(t, first, again, again)
	})
	t.Run("the same twice in one session", func(t *testing.T) {
		c := w.relay.Dial(t)
		proof := key.Proof(t)
		for range 2 {
			if code, text := c.Mail(from(alice, proof), []string{"r@example.com"}, message); code != 250 {
				t.Errorf("got %d %s, want 250", code, text)
			}
		}
		w.sent += 2
		w.judged += 2
	})
}

// Three recipients, a retry, a replay: no mail has two verdicts, and none has none.
func (w *world) testNoMoreVerdictsThanMails(t *testing.T) {
	w.send(t, mail{from: from(alice, w.keys["enforce"].Proof(t)), want: passed(w.keys["enforce"])})
	if rows := w.signet.Verdicts(w.admin, ""); len(rows) != w.sent {
		t.Errorf("got %d verdicts for %d mails", len(rows), w.sent)
	}
}

// expiryWait is how long a key of soon is good, at most.
const expiryWait = 2 * time.Second

// soon is the nearest expiry that a key can have, in whole seconds.
func soon() time.Time { return time.Now().Add(expiryWait).Truncate(time.Second) }

// awaitExpiry waits until keys of soon have expired.
func awaitExpiry(t *testing.T) {
	t.Helper()
	select {
	case <-time.After(expiryWait):
	case <-t.Context().Done():
	}
}
