package account_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"signet/internal/account"
	"signet/internal/fault"
	"signet/internal/limit"
	"signet/internal/ticket"
)

var home = account.Origin{Address: netip.MustParseAddr("192.0.2.7")}

func TestPasswordOfTheUserSignsIn(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		p.setPassword(t, good)
		got, err := p.CheckPassword(t.Context(), " Alice@Example.ORG", good, home)
		if err != nil || got.ID != p.ID || !slices.Equal(got.Addresses, p.Addresses) {
			t.Errorf("got %+v, %v, want %+v", got, err, p.User)
		}
	})
}

func TestSignInTellsNoReason(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		op := p.operator(t.Context())
		p.setPassword(t, good)
		for _, a := range []string{"none@example.org", "gone@example.org"} {
			if _, err := p.users.CreateUser(op, account.NewUser{Email: a}); err != nil {
				t.Fatal(err)
			}
		}
		gone, err := p.users.FindUser(op, "gone@example.org")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.SetPassword(op, gone.ID, "", good); err != nil {
			t.Fatal(err)
		}
		if err := p.users.Disable(op, gone.ID); err != nil {
			t.Fatal(err)
		}
		took := map[string]time.Duration{}
		for name, c := range map[string]struct{ address, password string }{
			"wrong password":      {"alice@example.org", good + "!"},
			"empty password":      {"alice@example.org", ""},
			"password with NUL":   {"alice@example.org", good + "\x00"},
			"password not UTF-8":  {"alice@example.org", good + "\xff"},
			"endless password":    {"alice@example.org", strings.Repeat(good, 1000)},
			"unknown user":        {"nobody@example.org", good},
			"user without one":    {"none@example.org", good},
			"disabled user":       {"gone@example.org", good},
			"no address":          {"alice", good},
			"address with NUL":    {"alice\x00@example.org", good},
			"empty address":       {"", ""},
			"id for the address":  {p.ID, good},
			"other letter case":   {"alice@example.org", strings.ToUpper(good)},
			"password and spaces": {"alice@example.org", " " + good + " "},
		} {
			start := time.Now()
			got, err := p.CheckPassword(t.Context(), c.address, c.password, home)
			took[name] = time.Since(start)
			if got.ID != "" || !errors.Is(err, account.ErrCredentials) || err.Error() != account.ErrCredentials.Error() {
				t.Errorf("%s: got %+v, %v, want ErrCredentials", name, got, err)
			}
		}
		// Only said: a loaded machine has its own opinion of time.
		t.Logf("unknown user / wrong password: %.2f", float64(took["unknown user"])/float64(took["wrong password"]))
	})
}

func TestPasswordRules(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		ctx := p.signedIn(t.Context(), 0)
		for name, c := range map[string]struct {
			password string
			want     error
		}{
			"empty":                        {"", account.ErrPasswordShort},
			"14 characters":                {"kzwmvbxqtrnhgp", account.ErrPasswordShort},
			"15 characters":                {"kzwmvbxqtrnhgpl", nil},
			"14 that are 15 decomposed":    {"kzwmvbxqtrnhge\u0301", account.ErrPasswordShort},
			"15 of several bytes":          {"žluťoučkýkůňběž", nil},
			"128 characters":               {strings.Repeat("kzwmvbxq", 15) + "tréaplwo", nil},
			"129 characters":               {strings.Repeat("kzwmvbxq", 15) + "tréaplwop", account.ErrPasswordLong},
			"endless":                      {strings.Repeat("x", 1<<20), account.ErrPasswordLong},
			"only lower case, with spaces": {"wooden elbow parade", nil},
			"one letter":                   {"aaaaaaaaaaaaaaaa", account.ErrGuessable},
			"a piece repeated":             {"abc1abc1abc1abc1ab", account.ErrGuessable},
			"a common one twice":           {"passwordPASSWORD", account.ErrGuessable},
			"a common one with digits":     {"Password20261234!", account.ErrGuessable},
			"a row of keys":                {"qwertyuiopasdfgh", account.ErrGuessable},
			"a row backwards":              {"zyxwvutsrqponmlk", account.ErrGuessable},
			"the own address":              {"alice@example.org", account.ErrGuessable},
			"the own address and a digit":  {"Alice@Example.org1", account.ErrGuessable},
			"the own name":                 {"Alice Rabbithole", account.ErrGuessable},
			"a part of the name and more":  {"rabbithole-kzwmvbxq", nil},
		} {
			err := p.SetPassword(ctx, p.ID, "", c.password)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", name, err, c.want)
			}
			if f, ok := fault.As(err); ok && f.Field != "password" {
				t.Errorf("%s: got field %q, want password", name, f.Field)
			}
		}
		for _, bad := range []string{good + "\x00", good + "\xff"} {
			if err := p.SetPassword(ctx, p.ID, "", bad); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: got %v, want invalid", bad, err)
			}
		}
	})
}

func TestPasswordIsTheSameOnEveryKeyboard(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		p.setPassword(t, "Käsebrötchen für Zoë")
		if _, err := p.CheckPassword(t.Context(), "alice@example.org", "Ka\u0308sebro\u0308tchen fu\u0308r Zoe\u0308", home); err != nil {
			t.Errorf("decomposed: got %v", err)
		}
	})
}

func TestChangingAPasswordNeedsTheOldOneOrAFreshSignIn(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		stale := p.signedIn(t.Context(), 5*time.Minute+time.Second)
		if err := p.SetPassword(stale, p.ID, "", good); !errors.Is(err, account.ErrStepUp) {
			t.Errorf("first password, stale: got %v, want ErrStepUp", err)
		}
		p.setPassword(t, good)
		const next = "another parade of elbows"
		narrowed := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: p.ID, AuthTime: p.clock, Scopes: []string{}})
		stranger := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: "usr_x", AuthTime: p.clock})
		future := p.signedIn(t.Context(), -time.Hour)
		for name, c := range map[string]struct{ err, want error }{
			"stale, none":    {p.SetPassword(stale, p.ID, "", next), account.ErrStepUp},
			"stale, wrong":   {p.SetPassword(stale, p.ID, "wrong", next), account.ErrOldPassword},
			"in the future":  {p.SetPassword(future, p.ID, "", next), account.ErrStepUp},
			"another user":   {p.SetPassword(stranger, p.ID, good, next), account.ErrNoUser},
			"narrowed token": {p.SetPassword(narrowed, p.ID, good, next), account.ErrNoUser},
			"nobody":         {p.SetPassword(t.Context(), p.ID, good, next), ticket.ErrNone},
		} {
			if !errors.Is(c.err, c.want) {
				t.Errorf("%s: got %v, want %v", name, c.err, c.want)
			}
		}
		if err := p.SetPassword(stale, p.ID, good, next); err != nil {
			t.Errorf("the old one: got %v", err)
		}
		if _, err := p.CheckPassword(t.Context(), "alice@example.org", good, home); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("the old one still signs in: %v", err)
		}
		if _, err := p.CheckPassword(t.Context(), "alice@example.org", next, home); err != nil {
			t.Errorf("the new one: got %v", err)
		}
	})
}

func TestLastCredentialStays(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		ctx := p.signedIn(t.Context(), 0)
		p.setPassword(t, good)
		if err := p.RemovePassword(ctx, p.ID); !errors.Is(err, account.ErrLastWayIn) {
			t.Errorf("the last one: got %v, want ErrLastWayIn", err)
		}
		p.link(t)
		identities := account.NewIdentities(p.users, account.IdentityOptions{})
		if err := identities.Unlink(ctx, p.ID, "idn_1"); err != nil {
			t.Errorf("the identity beside a password: got %v", err)
		}
		p.link(t)
		if err := p.RemovePassword(p.signedIn(t.Context(), time.Hour), p.ID); !errors.Is(err, account.ErrStepUp) {
			t.Errorf("stale: got %v, want ErrStepUp", err)
		}
		if err := p.RemovePassword(ctx, p.ID); err != nil {
			t.Errorf("one of two: got %v", err)
		}
		if err := p.RemovePassword(ctx, p.ID); !errors.Is(err, account.ErrNoPassword) {
			t.Errorf("none: got %v, want ErrNoPassword", err)
		}
		if _, err := p.CheckPassword(t.Context(), "alice@example.org", good, home); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("a removed one signs in: %v", err)
		}
	})
}

func TestOldHashIsUpgradedAtSignIn(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		p.setPassword(t, good)
		salt := []byte("0123456789abcdef")
		b64 := base64.RawStdEncoding.EncodeToString
		old := fmt.Sprintf("$argon2id$v=19$m=8192,t=1,p=1$%s$%s", b64(salt), b64(argon2.IDKey([]byte(good), salt, 1, 8192, 1, 32)))
		if _, err := p.db.SQL().ExecContext(t.Context(), `UPDATE user_passwords SET hash = $1`, old); err != nil {
			t.Fatal(err)
		}
		stored := func() (hash string) {
			if err := p.db.SQL().QueryRowContext(t.Context(), `SELECT hash FROM user_passwords`).Scan(&hash); err != nil {
				t.Fatal(err)
			}
			return hash
		}
		if _, err := p.CheckPassword(t.Context(), "alice@example.org", "wrong", home); !errors.Is(err, account.ErrCredentials) || stored() != old {
			t.Errorf("wrong password: got %v, hash %s", err, stored())
		}
		for range 2 {
			if _, err := p.CheckPassword(t.Context(), "alice@example.org", good, home); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(stored(), "$argon2id$v=19$m=19456,t=2,p=1$") {
				t.Errorf("hash: got %s", stored())
			}
		}
	})
}

func TestGuessingIsBoundedOverARestartAndKnownBrowsersGoOn(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		p.setPassword(t, good)
		device := p.NewDevice(p.ID)
		for i := range 10 { // each from another network
			from := account.Origin{Address: netip.AddrFrom4([4]byte{198, 51, byte(i), 1})}
			if _, err := p.CheckPassword(t.Context(), "alice@example.org", "wrong", from); !errors.Is(err, account.ErrCredentials) {
				t.Fatalf("attempt %d: %v", i, err)
			}
		}
		p.start(t)
		_, err := p.CheckPassword(t.Context(), "alice@example.org", good, home)
		if f, _ := fault.As(err); !errors.Is(err, limit.ErrRate) || f.Retry <= 0 {
			t.Errorf("a stranger after a restart: got %v, want ErrRate with a time", err)
		}
		stolen := account.Origin{Address: home.Address, Device: p.NewDevice("usr_mallory")}
		if _, err := p.CheckPassword(t.Context(), "alice@example.org", good, stolen); !errors.Is(err, limit.ErrRate) {
			t.Errorf("with the device value of another user: got %v, want ErrRate", err)
		}
		known := account.Origin{Address: home.Address, Device: device}
		if _, err := p.CheckPassword(t.Context(), "alice@example.org", good, known); err != nil {
			t.Errorf("the user's own browser: got %v", err)
		}
		p.clock = p.clock.Add(account.DeviceLife)
		if _, err := p.CheckPassword(t.Context(), "alice@example.org", good, known); !errors.Is(err, limit.ErrRate) {
			t.Errorf("a browser that was not seen for a year: got %v, want ErrRate", err)
		}
	})
}

func TestUnknownAddressIsThrottledAlike(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		p.setPassword(t, good)
		for _, address := range []string{"alice@example.org", "nobody@example.org"} {
			n := 0
			for ; n < 20; n++ {
				if _, err := p.CheckPassword(t.Context(), address, "wrong", home); errors.Is(err, limit.ErrRate) {
					break
				}
			}
			if n != 10 {
				t.Errorf("%s: got %d attempts, want 10", address, n)
			}
		}
	})
}

func TestRightPasswordsAreNotCounted(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		p.setPassword(t, good)
		for i := range 12 {
			if _, err := p.CheckPassword(t.Context(), "alice@example.org", good, home); err != nil {
				t.Fatalf("sign-in %d: %v", i, err)
			}
		}
	})
}

// Whoever has a password can have any number of browsers known. They are one in the queue.
func TestAllKnownBrowsersOfAUserShareTwoSlots(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		p.setPassword(t, good)
		const n = 12
		busy := make(chan error, n)
		for range n {
			go func() {
				_, err := p.CheckPassword(t.Context(), "alice@example.org", good, account.Origin{Device: p.NewDevice(p.ID)})
				busy <- err
			}()
		}
		refused := 0
		for range n {
			if err := <-busy; err != nil {
				refused++
			}
		}
		if refused == 0 {
			t.Error("twelve browsers of one user were all let into the queue at once")
		}
	})
}
