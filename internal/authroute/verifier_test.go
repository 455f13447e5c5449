package authroute_test

import (
	"context"
	"crypto/ed25519"
	"net/netip"
	"strings"
	"testing"
	"time"

	"signet/authproof"
	"signet/internal/authroute"
	"signet/internal/policyproto"
	"signet/internal/ticket"
)

const passes = authroute.Cause("")

func TestMailOfAHostedDomainIsJudgedByTheRegistry(t *testing.T) {
	eachInstance(t, func(t *testing.T, in *instance) {
		alice := in.register(t, "alice", "alice@example.org")
		bob := in.register(t, "bob", "bob@example.org")
		const sender = "alice@example.org"
		sign := func(priv ed25519.PrivateKey, c authproof.Claims) string { return in.sign(t, priv, c) }
		good := authproof.Claims{Sender: sender}

		for name, c := range map[string]struct {
			sender, proof string
			want          authroute.Cause
		}{
			"good proof":                   {sender, sign(alice.subkey, good), passes},
			"any relay":                    {sender, sign(alice.subkey, authproof.Claims{Version: 2, Sender: sender, Audience: "*"}), passes},
			"version 1":                    {sender, sign(alice.subkey, authproof.Claims{Version: 1, Sender: sender}), passes},
			"sender in capitals":           {"Alice@Example.ORG", sign(alice.subkey, authproof.Claims{Sender: "Alice@Example.ORG"}), passes},
			"sender changed case":          {"Alice@Example.ORG", sign(alice.subkey, good), authroute.BadSigned},
			"no proof":                     {sender, "", authroute.NoProof},
			"null sender":                  {"", sign(alice.subkey, good), authroute.NullSender},
			"nonsense":                     {sender, "malformed", authroute.Malformed},
			"over-long":                    {sender, strings.Repeat("A", 3000), authroute.Malformed},
			"cut off":                      {sender, sign(alice.subkey, good)[:100], authroute.Malformed},
			"another relay":                {sender, sign(alice.subkey, authproof.Claims{Version: 2, Sender: sender, Audience: "mx.elsewhere.org"}), authroute.BadSigned},
			"another sender, same owner":   {"sales@example.org", sign(alice.subkey, authproof.Claims{Sender: "sales@example.org"}), authroute.WrongSender},
			"another sender, other owner":  {"bob@example.org", sign(alice.subkey, authproof.Claims{Sender: "bob@example.org"}), authroute.WrongSender},
			"captured for another sender":  {"bob@example.org", sign(alice.subkey, good), authroute.BadSigned},
			"primary key":                  {sender, sign(alice.primary, good), authroute.WrongSender},
			"unknown key":                  {sender, sign(newPrivate(t), good), authroute.KeyNotFound},
			"too old":                      {sender, sign(alice.subkey, authproof.Claims{Sender: sender, Timestamp: in.Now().Add(-302 * time.Second)}), authroute.Stale},
			"just in time":                 {sender, sign(alice.subkey, authproof.Claims{Sender: sender, Timestamp: in.Now().Add(-299 * time.Second)}), passes},
			"from the future":              {sender, sign(alice.subkey, authproof.Claims{Sender: sender, Timestamp: in.Now().Add(302 * time.Second)}), authroute.Stale},
			"old and for another sender":   {"bob@example.org", sign(alice.subkey, authproof.Claims{Sender: "bob@example.org", Timestamp: in.Now().Add(-time.Hour)}), authroute.WrongSender},
			"old and signed wrongly":       {sender, sign(alice.subkey, authproof.Claims{Sender: "x@example.org", Timestamp: in.Now().Add(-time.Hour)}), authroute.BadSigned},
			"another's signature":          {sender, sign(bob.subkey, good), authroute.WrongSender},
			"colon in sender of version 1": {"a:b@example.org", sign(alice.subkey, authproof.Claims{Version: 1, Sender: sender}), authroute.Malformed},
		} {
			got := in.expect(t, name, mail(t, c.sender, c.proof), c.want)
			if got.Sender != c.sender || got.Domain.Name != "example.org" && c.sender != "" {
				t.Errorf("%s: the verdict is about %q in %q", name, got.Sender, got.Domain.Name)
			}
		}
		if n := in.names.asked.Load(); n != 0 {
			t.Errorf("the DNS was asked %d times for keys of a hosted domain", n)
		}
	})
}

func TestVerdictNamesTheKeyAndTheMessage(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	alice := in.register(t, "alice", "alice@example.org")
	for want, c := range map[authroute.Cause]authproof.Claims{
		passes:              {Sender: "alice@example.org", MessageID: "<1@example.org>"},
		authroute.BadSigned: {Sender: "bob@example.org", MessageID: "<1@example.org>"},
	} {
		got := in.expect(t, string(want), mail(t, "alice@example.org", in.sign(t, alice.subkey, c)), want)
		if got.KeyID != keyID(alice.subkey) || got.MessageID != "<1@example.org>" {
			t.Errorf("%q: got key %s, message %s", want, got.KeyID, got.MessageID)
		}
	}
}

func TestRevokedAndExpiredKeysFailBeforeTheSignatureIsLookedAt(t *testing.T) {
	eachInstance(t, func(t *testing.T, in *instance) {
		alice := in.register(t, "alice", "alice@example.org")
		wrong := in.sign(t, alice.subkey, authproof.Claims{Sender: "other@example.org"})
		in.advance(time.Hour)
		in.refresh(t)
		in.expect(t, "expired", mail(t, "alice@example.org", wrong), authroute.Expired)
		in.revoke(t, "alice", alice)
		in.expect(t, "revoked and expired", mail(t, "alice@example.org", wrong), authroute.Revoked)
	})
}

func TestKeySignsUntilItExpires(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	alice := in.register(t, "alice", "alice@example.org")
	in.advance(time.Hour - 2*time.Second)
	in.refresh(t)
	in.expect(t, "before", mail(t, "alice@example.org", in.sign(t, alice.subkey, authproof.Claims{Sender: "alice@example.org"})), passes)
	in.advance(2 * time.Second)
	in.expect(t, "after", mail(t, "alice@example.org", in.sign(t, alice.subkey, authproof.Claims{Sender: "alice@example.org"})), authroute.Expired)
}

func TestForeignKeysComeFromTheDNS(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	k, priv := testKey(t)
	k.Address = "carol@elsewhere.example"
	const sender = "Carol@elsewhere.example"
	proof := func() string { return in.sign(t, priv, authproof.Claims{Sender: sender}) }

	in.expect(t, "not published", mail(t, sender, proof()), authroute.KeyNotFound)
	in.advance(time.Minute)
	in.names.answer(texts(60, authroute.RecordOf(k).String()))
	in.expect(t, "published", mail(t, sender, proof()), passes)
	in.expect(t, "for another sender", mail(t, sender, in.sign(t, priv, authproof.Claims{Sender: "x@elsewhere.example"})), authroute.BadSigned)
	k.Revoked = in.Now()
	in.names.answer(texts(60, authroute.RecordOf(k).String()))
	in.advance(time.Minute)
	in.expect(t, "revoked", mail(t, sender, proof()), authroute.Revoked)
	in.names.answer(rcode(2))
	in.advance(time.Hour)
	in.expect(t, "trouble", mail(t, sender, proof()), authroute.DNSTrouble)
}

func TestLocalKeyDoesNotSignForAForeignDomain(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	alice := in.register(t, "alice", "alice@example.org")
	in.expect(t, "foreign sender", mail(t, "alice@elsewhere.example", in.sign(t, alice.subkey, authproof.Claims{Sender: "alice@elsewhere.example"})), authroute.KeyNotFound)
}

func TestPublishedKeyDoesNotSignForAHostedDomain(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	k, priv := testKey(t)
	in.names.answer(texts(60, authroute.RecordOf(k).String()))
	in.expect(t, "hosted sender", mail(t, k.Address, in.sign(t, priv, authproof.Claims{Sender: k.Address})), authroute.KeyNotFound)
}

func TestOutdatedMemoryOfKeysIsTrouble(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	alice := in.register(t, "alice", "alice@example.org")
	in.advance(6 * time.Second)
	in.expect(t, "six seconds without the store", mail(t, "alice@example.org", in.sign(t, alice.subkey, authproof.Claims{Sender: "alice@example.org"})), authroute.StoreTrouble)
}

func TestStoreThatIsAwayIsTrouble(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	alice := in.register(t, "alice", "alice@example.org")
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the store does not answer in time
	q := mail(t, "alice@example.org", in.sign(t, alice.subkey, authproof.Claims{Sender: "alice@example.org"}))
	if got := in.verifier.Judge(ctx, q); got.Cause != authroute.StoreTrouble || got.Result != authroute.TempError {
		t.Errorf("got %s %s, want temperror store", got.Result, got.Cause)
	}
}

func TestDomainMayRefuseVersionOne(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	alice := in.register(t, "alice", "alice@example.org")
	in.domains.Reload(authroute.DomainsConfig{Domains: map[string]authroute.Domain{"example.org": {Hosted: true, RefuseV1: true}}})
	const sender = "alice@example.org"
	in.expect(t, "version 1", mail(t, sender, in.sign(t, alice.subkey, authproof.Claims{Version: 1, Sender: sender})), authroute.Malformed)
	in.expect(t, "version 2", mail(t, sender, in.sign(t, alice.subkey, authproof.Claims{Sender: sender})), passes)
}

func TestExemptMailIsNotJudged(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{
		ExemptSenders: []string{"Robot@Example.org", "@lists.example"},
		ExemptClients: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
		TrustedRelays: []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32")},
	})
	for name, c := range map[string]struct {
		sender, client string
		want           authroute.Cause
	}{
		"exempt sender":             {"robot@example.org", "192.0.2.1", authroute.Exempt},
		"exempt sender in capitals": {"ROBOT@EXAMPLE.ORG", "192.0.2.1", authroute.Exempt},
		"exempt domain":             {"any@lists.example", "192.0.2.1", authroute.Exempt},
		"subdomain":                 {"any@sub.lists.example", "192.0.2.1", authroute.NoProof},
		"exempt client":             {"alice@example.org", "10.1.2.3", authroute.Exempt},
		"mapped address":            {"alice@example.org", "::ffff:10.1.2.3", authroute.Exempt},
		"exempt client, IPv6":       {"alice@example.org", "2001:db8::1", authroute.Exempt},
		"trusted relay":             {"alice@example.org", "198.51.100.7", authroute.Exempt},
		"its neighbour":             {"alice@example.org", "198.51.100.8", authroute.NoProof},
		"null sender from a relay":  {"", "198.51.100.7", authroute.Exempt},
		"no address":                {"alice@example.org", "unknown", authroute.NoProof},
		"anybody else":              {"alice@example.org", "192.0.2.1", authroute.NoProof},
	} {
		q := mail(t, c.sender, "")
		q.ClientAddress = c.client
		in.expect(t, name, q, c.want)
	}
}

func TestBypassGoesBeforeEverything(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{ExemptSenders: []string{"alice@example.org"}})
	if err := in.bypass.Start(operator(t.Context()), time.Minute, "key store is gone"); err != nil {
		t.Fatal(err)
	}
	in.expect(t, "exempt", mail(t, "alice@example.org", ""), authroute.Bypassed)
	in.expect(t, "null sender", mail(t, "", ""), authroute.Bypassed)
	in.expect(t, "nonsense", mail(t, "bob@example.org", "malformed"), authroute.Bypassed)
	in.advance(time.Minute)
	in.expect(t, "after its end", mail(t, "bob@example.org", "malformed"), authroute.Malformed)
}

func TestTaggedSenderIsJudgedAsThePlainOne(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	alice := in.register(t, "alice", "alice@example.org")
	const plain = "alice@example.org"
	proof := in.sign(t, alice.subkey, authproof.Claims{Sender: plain})
	q := mail(t, plain, proof)
	q.Carried = policyproto.ProofFrom(&policyproto.Request{Sender: "alice+ap=" + proof + "@example.org"}, true)
	if got := in.expect(t, "tagged", q, passes); !got.Tagged || got.Sender != plain {
		t.Errorf("got tagged %v, sender %s", got.Tagged, got.Sender)
	}
	q.Carried = policyproto.ProofFrom(&policyproto.Request{Sender: "alice+ap=x@example.org"}, true)
	if got := in.expect(t, "nonsense in the tag", q, authroute.Malformed); !got.Tagged {
		t.Error("nonsense in the tag: the verdict does not tell of it")
	}
	q.Carried = policyproto.ProofFrom(&policyproto.Request{Sender: "alice+ap=" + proof + "@example.org"}, false)
	if got := in.expect(t, "form is off", q, authroute.NoProof); got.Tagged {
		t.Error("form is off: the sender counts as tagged")
	}
}

func TestRevocationHoldsOnEveryInstanceWithinASecond(t *testing.T) {
	eachInstance(t, func(t *testing.T, in *instance) {
		alice := in.register(t, "alice", "alice@example.org")
		other := newInstance(t, in.db, authroute.VerifierConfig{})
		run(t, in.bus.Run)
		run(t, other.bus.Run)
		run(t, other.keys.Run)
		judge := func() authroute.Cause {
			proof := in.sign(t, alice.subkey, authproof.Claims{Sender: "alice@example.org", Timestamp: other.Now()})
			return other.verifier.Judge(t.Context(), mail(t, "alice@example.org", proof)).Cause
		}
		if got := judge(); got != passes {
			t.Fatalf("before: got %q, want pass", got)
		}
		ctx := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: "alice"})
		if err := in.registry.Revoke(ctx, keyID(alice.subkey), ""); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		eventually(t, "revocation", func() bool { return judge() == authroute.Revoked })
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("it took %s, want less than 2 s", took)
		}
	})
}
