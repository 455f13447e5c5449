package account_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/google/go-cmp/cmp"

	"signet/internal/account"
	"signet/internal/fault"
	"signet/internal/ticket"
)

func TestRegistrationNeedsAFreshSignInOfThatUser(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		mallory := p.other(t)
		if _, err := p.keys.BeginRegistration(t.Context(), p.ID); !errors.Is(err, ticket.ErrNone) {
			t.Errorf("nobody: got %v, want ErrNone", err)
		}
		if _, err := p.keys.BeginRegistration(p.as(t.Context(), mallory.ID), p.ID); !errors.Is(err, account.ErrNoUser) {
			t.Errorf("another: got %v, want ErrNoUser", err)
		}
		if _, err := p.keys.BeginRegistration(p.signedIn(t.Context(), 6*time.Minute), p.ID); !errors.Is(err, account.ErrStepUp) {
			t.Errorf("stale: got %v, want ErrStepUp", err)
		}
		c, d := p.beginRegistration(t, p.ID), newDevice()
		if _, err := p.keys.FinishRegistration(p.as(t.Context(), mallory.ID), p.ID, c.Handle, "", d.create(t, c)); !errors.Is(err, account.ErrNoUser) {
			t.Errorf("another finishes: got %v, want ErrNoUser", err)
		}
		if _, err := p.keys.FinishRegistration(p.signedIn(t.Context(), 9*time.Minute), p.ID, c.Handle, "", d.create(t, c)); err != nil {
			t.Errorf("finished when the sign-in was no longer fresh: got %v", err)
		}
	})
}

// withHugeKey replaces the key of an answer with one of RSA, 24,000 bits long.
func withHugeKey(answer []byte) []byte {
	id := sha256.Sum256([]byte("login.example.org"))
	auth := append(id[:], 0x45, 0, 0, 0, 0)                             // user present and verified, with a key
	auth = append(auth, make([]byte, 16)...)                            // AAGUID
	auth = append(auth, 0, 4, 'h', 'u', 'g', 'e')                       // credential id
	auth = append(auth, 0xa4, 1, 3, 3, 0x39, 1, 0, 0x20, 0x59, 11, 184) // {1: RSA, 3: RS256, -1: 3000 bytes, ...
	auth = append(append(auth, bytes.Repeat([]byte{0xff}, 3000)...), 0x21, 0x43, 1, 0, 1)
	object := []byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59")
	object = append(binary.BigEndian.AppendUint16(object, uint16(len(auth))), auth...)
	encode := base64.RawURLEncoding.EncodeToString
	answer = regexp.MustCompile(`"(id|rawId)":"[^"]*"`).ReplaceAll(answer, []byte(`"$1":"`+encode([]byte("huge"))+`"`))
	return regexp.MustCompile(`"attestationObject":"[^"]*"`).ReplaceAll(answer, []byte(`"attestationObject":"`+encode(object)+`"`))
}

func TestRegistrationRefusesWhatIsNotWhatWasAskedFor(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		p.register(t, p.ID, newDevice())
		mallory := p.other(t)
		for _, c := range []struct {
			name   string
			change func(d *device, c *account.PasskeyChallenge)
			answer func([]byte) []byte
			want   error
			kind   fault.Kind
			reason string
		}{
			{name: "foreign origin", change: func(d *device, _ *account.PasskeyChallenge) { d.rp.Origin = "https://evil.example" }, want: account.ErrPasskeyInvalid, kind: fault.Invalid, reason: "Error validating origin"},
			{name: "another RP ID", change: func(d *device, _ *account.PasskeyChallenge) { d.rp.ID = "evil.example" }, want: account.ErrPasskeyInvalid, kind: fault.Invalid, reason: "RP Hash"},
			{name: "user not verified", change: func(d *device, _ *account.PasskeyChallenge) { d.auth.Options.UserNotVerified = true }, want: account.ErrPasskeyInvalid, kind: fault.Invalid, reason: "User verification required"},
			{name: "another challenge", change: func(_ *device, c *account.PasskeyChallenge) { c.Options = p.beginRegistration(t, p.ID).Options }, want: account.ErrPasskeyInvalid, kind: fault.Invalid, reason: "Error validating challenge"},
			{name: "huge key", answer: withHugeKey, want: account.ErrPasskeyInvalid, kind: fault.Invalid, reason: "public key is too long"},
			{name: "not discoverable", answer: func(b []byte) []byte {
				return bytes.Replace(b, []byte(`{"type"`), []byte(`{"clientExtensionResults":{"credProps":{"rk":false}},"type"`), 1)
			}, want: account.ErrPasskeyInvalid, kind: fault.Invalid, reason: "not discoverable"},
			{name: "an assertion", answer: func([]byte) []byte { return newDevice().get(t, p.beginSignIn(t)) }, want: account.ErrPasskeyInvalid, kind: fault.Invalid, reason: "refused"},
			{name: "no JSON", answer: func([]byte) []byte { return []byte("[]") }, want: account.ErrPasskeyInvalid, kind: fault.Invalid, reason: "Parse error"},
			{name: "over 64 KiB", answer: func(b []byte) []byte { return append(b, bytes.Repeat([]byte(" "), 64<<10)...) }, want: account.ErrPasskeyInvalid, kind: fault.Invalid, reason: "too long"},
			{name: "handle of another user", change: func(_ *device, c *account.PasskeyChallenge) { *c = p.beginRegistration(t, mallory.ID) }, want: account.ErrPasskeyOverdue, kind: fault.Conflict, reason: "for another user"},
			{name: "handle of a factor", change: func(_ *device, c *account.PasskeyChallenge) { c.Handle = p.beginFactor(t, p.ID).Handle }, want: account.ErrPasskeyOverdue, kind: fault.Conflict, reason: "for something else"},
			{name: "handle of a sign-in", change: func(_ *device, c *account.PasskeyChallenge) { c.Handle = p.beginSignIn(t).Handle }, want: account.ErrPasskeyOverdue, kind: fault.Conflict, reason: "for something else"},
			{name: "tampered handle", change: func(_ *device, c *account.PasskeyChallenge) { c.Handle = c.Handle[:len(c.Handle)-4] + "AAAA" }, want: account.ErrPasskeyOverdue, kind: fault.Conflict, reason: "not ours"},
			{name: "expired", change: func(*device, *account.PasskeyChallenge) { p.clock = p.clock.Add(account.PasskeyTime) }, want: account.ErrPasskeyOverdue, kind: fault.Conflict, reason: "expired"},
		} {
			t.Run(c.name, func(t *testing.T) {
				d, challenge := newDevice(), p.beginRegistration(t, p.ID)
				if c.change != nil {
					c.change(d, &challenge)
				}
				answer := d.create(t, challenge)
				if c.answer != nil {
					answer = c.answer(answer)
				}
				var err error
				log := logged(t, func() {
					_, err = p.keys.FinishRegistration(p.signedIn(t.Context(), 0), p.ID, challenge.Handle, "", answer)
				})
				if !errors.Is(err, c.want) || fault.KindOf(err) != c.kind {
					t.Errorf("got %v, want %v", err, c.want)
				}
				if !strings.Contains(log, c.reason) {
					t.Errorf("logged %q, want %q", log, c.reason)
				}
			})
		}
		if all, err := p.keys.List(p.signedIn(t.Context(), 0), p.ID); len(all) != 1 || err != nil {
			t.Errorf("after all these: got %d passkeys, %v, want 1", len(all), err)
		}
	})
}

func TestRegistrationIsGoodOnceOverInstances(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		instances := p.twoInstances(t)
		c := p.beginRegistration(t, p.ID)
		devices := make([][]byte, 64)
		for i := range devices {
			devices[i] = newDevice().create(t, c)
		}
		ctx := p.signedIn(t.Context(), 0)
		of64(t, account.ErrPasskeyOverdue, func(i int) error {
			_, err := instances[i%2].FinishRegistration(ctx, p.ID, c.Handle, "", devices[i])
			return err
		})
	})
}

func TestPasskeyIsRegisteredOnce(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		d := newDevice()
		p.register(t, p.ID, d)
		c := p.beginRegistration(t, p.ID)
		o, err := virtualwebauthn.ParseAttestationOptions(string(c.Options))
		if err != nil || len(o.ExcludeCredentials) != 1 || !d.cred.IsExcludedForAttestation(*o) {
			t.Errorf("excluded: got %v, %v", o, err)
		}
		if _, err := p.keys.FinishRegistration(p.signedIn(t.Context(), 0), p.ID, c.Handle, "", d.create(t, c)); !errors.Is(err, account.ErrPasskeyExists) {
			t.Errorf("again: got %v, want ErrPasskeyExists", err)
		}
		mallory := p.other(t)
		c = p.beginRegistration(t, mallory.ID)
		stolen := *d
		if _, err := p.keys.FinishRegistration(p.as(t.Context(), mallory.ID), mallory.ID, c.Handle, "", stolen.create(t, c)); !errors.Is(err, account.ErrPasskeyExists) {
			t.Errorf("by another: got %v, want ErrPasskeyExists", err)
		}
		if err := p.signIn(t, d); err != nil {
			t.Errorf("got %v", err)
		}
	})
}

func TestTwentyPasskeysAreTheMost(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		for range account.MaxPasskeys - 1 {
			p.register(t, p.ID, newDevice())
		}
		// Both have begun while there was room for one.
		one, two := p.beginRegistration(t, p.ID), p.beginRegistration(t, p.ID)
		ctx := p.signedIn(t.Context(), 0)
		if _, err := p.keys.FinishRegistration(ctx, p.ID, one.Handle, "", newDevice().create(t, one)); err != nil {
			t.Errorf("the 20th: got %v", err)
		}
		if _, err := p.keys.FinishRegistration(ctx, p.ID, two.Handle, "", newDevice().create(t, two)); !errors.Is(err, account.ErrTooManyPasskeys) {
			t.Errorf("the 21st: got %v, want ErrTooManyPasskeys", err)
		}
		if _, err := p.keys.BeginRegistration(ctx, p.ID); !errors.Is(err, account.ErrTooManyPasskeys) {
			t.Errorf("begin another: got %v, want ErrTooManyPasskeys", err)
		}
	})
}

func TestPasskeyIsNamedByItsUserOrItsKeeper(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		got := map[string]string{}
		want := map[string]string{
			"fbfc3007154e4ecc8c0b6e020557d7bd": "iCloud Keychain",
			"ea9b8d664d011d213ce4b6b48cb575d4": "Google Password Manager",
			"08987058cadc4b81b6e130de50dcbe96": "Windows Hello",
			"bada5566a7aa401fbd9645619a55120d": "1Password",
			"d548826e79b4db40a3d811116f7e8349": "Bitwarden",
			"00000000000000000000000000000000": "Passkey",
			"0123456789abcdef0123456789abcdef": "Passkey",
		}
		for id := range want {
			d := newDevice()
			b, err := hex.DecodeString(id)
			if err != nil {
				t.Fatal(err)
			}
			copy(d.auth.Aaguid[:], b)
			got[id] = p.register(t, p.ID, d).Name
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
		ctx, c, d := p.signedIn(t.Context(), 0), p.beginRegistration(t, p.ID), newDevice()
		for _, name := range []string{"a\x00b", strings.Repeat("x", 201), "\n"} {
			if _, err := p.keys.FinishRegistration(ctx, p.ID, c.Handle, name, d.create(t, c)); !errors.Is(err, account.ErrName) {
				t.Errorf("%q: got %v, want ErrName", name, err)
			}
		}
		if k, err := p.keys.FinishRegistration(ctx, p.ID, c.Handle, "Alice's telephone", d.create(t, c)); err != nil || k.Name != "Alice's telephone" {
			t.Errorf("got %q, %v", k.Name, err)
		}
	})
}

func TestKeysOfWindowsHelloAreAccepted(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		d := newDevice()
		d.cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA)
		p.register(t, p.ID, d)
		if err := p.signIn(t, d); err != nil {
			t.Errorf("RSA: got %v", err)
		}
	})
}
