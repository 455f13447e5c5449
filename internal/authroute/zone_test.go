package authroute_test

import (
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"signet/internal/authroute"
)

func TestZoneLinesAreReadAsTheRecordsTheyAre(t *testing.T) {
	node := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey) // crypto/ed25519 promises the type
	plain, quoted := newPair(t), newPair(t)
	key := func(p pair, address string) authroute.Key {
		return authroute.Key{ID: p.id, Type: authroute.Subkey, Address: address, Public: p.priv.Public().(ed25519.PublicKey)} // as above
	}
	zone := authroute.Zone{
		Domains: []authroute.Domain{{Name: "example.org", Mode: authroute.Enforce, Hosted: true}, {Name: "elsewhere.example", Mode: authroute.Require}},
		Keys:    []authroute.Key{key(plain, "alice@example.org"), key(quoted, `john doe@example.org`), key(plain, "alice@elsewhere.example")},
		Node:    node, Origin: "https://" + strings.Repeat("long.", 40) + "example.org",
	}
	lines, err := zone.Lines()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, l := range lines {
		rr, err := dns.NewRR(l)
		txt, ok := rr.(*dns.TXT)
		if err != nil || !ok || txt.Hdr.Ttl != 60 {
			t.Fatalf("%s: got %v, %v", l, rr, err)
		}
		got[txt.Hdr.Name] = strings.Join(txt.Txt, "")
	}
	want := map[string]string{
		"_authroute.example.org.": "v=AUTHROUTE1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=; u=" + zone.Origin + "; policy=enforce",
	}
	for _, k := range zone.Keys[:2] {
		name, err := authroute.KeyName(k.Address)
		if err != nil {
			t.Fatal(err)
		}
		want[name] = authroute.RecordOf(k).String()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestOnlyLiveSubkeysArePublished(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		_, alice := f.register(t, "alice", "alice@example.org")
		_, bob := f.register(t, "bob", "bob@example.org")
		if err := f.Revoke(as(t, "bob"), bob.id, ""); err != nil {
			t.Fatal(err)
		}
		f.load(t)
		if live := f.keys.AllLive(f.clock); len(live) != 1 || live[0].ID != alice.id {
			t.Errorf("got %v, want alice's subkey alone", live)
		}
		if live := f.keys.AllLive(f.clock.AddDate(1, 0, 0)); len(live) != 0 {
			t.Errorf("after its expiry: got %v, want none", live)
		}
	})
}
