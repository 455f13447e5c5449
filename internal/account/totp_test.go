package account_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"signet/internal/account"
	"signet/internal/limit"
	"signet/internal/seal"
)

// codeAt is what the user's app shows.
func codeAt(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCodeCustom(secret, at, totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix})
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// enrol sets up an app, and lets its first code pass.
func (p *person) enrol(t *testing.T) account.Enrolment {
	t.Helper()
	ctx := p.signedIn(t.Context(), 0)
	e, err := p.BeginTOTP(ctx, p.ID, "Signet", "alice@example.org", "laptop")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.ConfirmTOTP(ctx, p.ID, codeAt(t, e.Secret, p.clock)); err != nil {
		t.Fatal(err)
	}
	p.clock = p.clock.Add(time.Minute)
	return e
}

// race runs f twenty times at once and returns how often it gave nil; every other
// error must be one of those.
func race(t *testing.T, f func() error, refusals ...error) int32 {
	t.Helper()
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			err := f()
			if err == nil {
				won.Add(1)
				return
			}
			for _, want := range refusals {
				if errors.Is(err, want) {
					return
				}
			}
			t.Errorf("got %v", err)
		})
	}
	wg.Wait()
	return won.Load()
}

func TestAppIsAskedForOnceItsFirstCodeWasSent(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		ctx := p.signedIn(t.Context(), 0)
		if _, err := p.BeginTOTP(p.signedIn(t.Context(), time.Hour), p.ID, "Signet", "a", "laptop"); !errors.Is(err, account.ErrStepUp) {
			t.Errorf("stale: got %v, want ErrStepUp", err)
		}
		e, err := p.BeginTOTP(ctx, p.ID, "Signet", "alice@example.org", "laptop")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(e.URL, "otpauth://totp/Signet:alice@example.org?") || len(e.RecoveryCodes) != 10 {
			t.Errorf("got %s, %d codes", e.URL, len(e.RecoveryCodes))
		}
		code := codeAt(t, e.Secret, p.clock)
		if f, err := p.Factors(ctx, p.ID); f.Required() || err != nil {
			t.Errorf("before the code: got %+v, %v", f, err)
		}
		if err := p.CheckTOTP(ctx, p.ID, code); !errors.Is(err, account.ErrCode) {
			t.Errorf("an app that waits: got %v, want ErrCode", err)
		}
		if _, err := p.CheckRecoveryCode(ctx, p.ID, e.RecoveryCodes[0]); !errors.Is(err, account.ErrCode) {
			t.Errorf("a recovery code before: got %v, want ErrCode", err)
		}
		if err := p.ConfirmTOTP(ctx, p.ID, "000000"); !errors.Is(err, account.ErrCode) {
			t.Errorf("a wrong code: got %v, want ErrCode", err)
		}
		if err := p.ConfirmTOTP(ctx, p.ID, code); err != nil {
			t.Fatal(err)
		}
		if f, err := p.Factors(ctx, p.ID); !f.Required() || err != nil {
			t.Errorf("after the code: got %+v, %v", f, err)
		}
		if err := p.CheckTOTP(ctx, p.ID, code); !errors.Is(err, account.ErrCode) {
			t.Errorf("the first code again: got %v, want ErrCode", err)
		}
		if _, err := p.BeginTOTP(ctx, p.ID, "Signet", "a", "laptop"); !errors.Is(err, account.ErrTOTPExists) {
			t.Errorf("a second app: got %v, want ErrTOTPExists", err)
		}
		if left, err := p.CheckRecoveryCode(ctx, p.ID, e.RecoveryCodes[0]); left != 9 || err != nil {
			t.Errorf("recovery codes after a refused second app: got %d, %v", left, err)
		}
	})
}

func TestAnEnrolmentIsShownAgainOnlyToWhoBeganIt(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		begin := func(holder string) account.Enrolment {
			t.Helper()
			e, err := p.BeginTOTP(p.signedIn(t.Context(), 0), p.ID, "Signet", "a", holder)
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		first := begin("laptop")
		if again := begin("laptop"); !reflect.DeepEqual(again, first) {
			t.Errorf("the same session again: got %+v, want %+v", again, first)
		}
		if err := p.ConfirmTOTP(p.signedIn(t.Context(), 0), p.ID, "000000"); !errors.Is(err, account.ErrCode) {
			t.Fatalf("a wrong code: got %v", err)
		}
		if again := begin("laptop"); !reflect.DeepEqual(again, first) {
			t.Error("after a wrong code there is another enrolment")
		}
		other := begin("phone")
		if other.Secret == first.Secret || other.RecoveryCodes[0] == first.RecoveryCodes[0] {
			t.Error("another session sees the secret or the codes")
		}
		if again := begin("laptop"); again.Secret == other.Secret || again.Secret == first.Secret {
			t.Error("an enrolment that was replaced is there again")
		}
		if nobodys := begin(""); nobodys.Secret == begin("").Secret {
			t.Error("nobody's enrolment is shown again")
		}
		last := begin("laptop")
		p.clock = p.clock.Add(time.Hour + time.Second)
		if begin("laptop").Secret == last.Secret {
			t.Error("an enrolment that is out of date is shown again")
		}
	})
}

func TestTheStoreForgetsTheSeedOfRecoveryCodesOnceTheyAreGood(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		p.enrol(t)
		var sealed []byte
		var id string
		if err := p.db.SQL().QueryRowContext(t.Context(), `SELECT id, secret FROM user_totp`).Scan(&id, &sealed); err != nil {
			t.Fatal(err)
		}
		plain, err := p.seal.Open(sealed, seal.Context("user_totp", "secret", id, p.ID))
		if err != nil || len(plain) != 20 {
			t.Errorf("got %d bytes, %v, want the 20 of the secret", len(plain), err)
		}
	})
}

func TestEnrolmentWaitsAnHour(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		e, err := p.BeginTOTP(p.signedIn(t.Context(), 0), p.ID, "Signet", "a", "laptop")
		if err != nil {
			t.Fatal(err)
		}
		p.clock = p.clock.Add(time.Hour + time.Second)
		if err := p.ConfirmTOTP(p.signedIn(t.Context(), 0), p.ID, codeAt(t, e.Secret, p.clock)); !errors.Is(err, account.ErrNoEnrolment) {
			t.Errorf("got %v, want ErrNoEnrolment", err)
		}
	})
}

func TestCodeIsGoodOneStepAroundNowAndOnce(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		e := p.enrol(t)
		for _, c := range []struct {
			name string
			off  time.Duration
			want error
		}{
			{"two steps late", -60 * time.Second, account.ErrCode},
			{"two steps early", 60 * time.Second, account.ErrCode},
			{"one step late", -30 * time.Second, nil},
			{"now", 0, nil},
			{"now, again", 0, account.ErrCode},
			{"one step early", 30 * time.Second, nil},
			{"an older one after it", 0, account.ErrCode},
		} {
			if err := p.CheckTOTP(t.Context(), p.ID, codeAt(t, e.Secret, p.clock.Add(c.off))); !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", c.name, err, c.want)
			}
		}
	})
}

func TestTwentyTimesTheSameCodeIsAcceptedOnce(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		e := p.enrol(t)
		code := codeAt(t, e.Secret, p.clock)
		if won := race(t, func() error { return p.CheckTOTP(t.Context(), p.ID, code) }, account.ErrCode, limit.ErrRate); won != 1 {
			t.Errorf("got %d accepted, want 1", won)
		}
	})
}

func TestTwentyTimesTheSameRecoveryCodeIsAcceptedOnce(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		e := p.enrol(t)
		won := race(t, func() error { return second(p.CheckRecoveryCode(t.Context(), p.ID, e.RecoveryCodes[3])) }, account.ErrCode, limit.ErrRate)
		if won != 1 {
			t.Errorf("got %d accepted, want 1", won)
		}
	})
}

func TestFiveWrongCodesOfAnyKindAreEnough(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		e := p.enrol(t)
		for i, check := range []func() error{
			func() error { return p.CheckTOTP(t.Context(), p.ID, "12345") },
			func() error { return p.CheckTOTP(t.Context(), p.ID, "") },
			func() error { return second(p.CheckRecoveryCode(t.Context(), p.ID, "aaaa-aaaa-aaaa-aaaa")) },
			func() error { return second(p.CheckRecoveryCode(t.Context(), p.ID, "\x00\xff")) },
			func() error { return second(p.CheckRecoveryCode(t.Context(), p.ID, "")) },
		} {
			if err := check(); !errors.Is(err, account.ErrCode) {
				t.Errorf("wrong code %d: got %v, want ErrCode", i, err)
			}
		}
		p.start(t)
		if err := p.CheckTOTP(t.Context(), p.ID, codeAt(t, e.Secret, p.clock)); !errors.Is(err, limit.ErrRate) {
			t.Errorf("a right one after five wrong: got %v, want ErrRate", err)
		}
		if _, err := p.CheckRecoveryCode(t.Context(), p.ID, e.RecoveryCodes[0]); !errors.Is(err, limit.ErrRate) {
			t.Errorf("a recovery code after five wrong: got %v, want ErrRate", err)
		}
	})
}

func TestRecoveryCodeIsGoodOnceHoweverItIsTyped(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		e := p.enrol(t)
		typed := strings.ToUpper(strings.ReplaceAll(e.RecoveryCodes[0], "-", " "))
		if left, err := p.CheckRecoveryCode(t.Context(), p.ID, typed); left != 9 || err != nil {
			t.Errorf("got %d left, %v, want 9", left, err)
		}
		if _, err := p.CheckRecoveryCode(t.Context(), p.ID, e.RecoveryCodes[0]); !errors.Is(err, account.ErrCode) {
			t.Errorf("again: got %v, want ErrCode", err)
		}
		codes, err := p.RegenerateRecoveryCodes(p.signedIn(t.Context(), 0), p.ID)
		if err != nil || len(codes) != account.RecoveryCodes {
			t.Fatalf("got %d codes, %v", len(codes), err)
		}
		if _, err := p.CheckRecoveryCode(t.Context(), p.ID, e.RecoveryCodes[1]); !errors.Is(err, account.ErrCode) {
			t.Errorf("one of the old: got %v, want ErrCode", err)
		}
		if left, err := p.CheckRecoveryCode(t.Context(), p.ID, codes[9]); left != 9 || err != nil {
			t.Errorf("one of the new: got %d left, %v, want 9", left, err)
		}
	})
}

func TestDisabledUserPassesNoSecondFactor(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		e := p.enrol(t)
		if err := p.users.Disable(p.operator(t.Context()), p.ID); err != nil {
			t.Fatal(err)
		}
		if err := p.CheckTOTP(t.Context(), p.ID, codeAt(t, e.Secret, p.clock)); !errors.Is(err, account.ErrCode) {
			t.Errorf("code: got %v, want ErrCode", err)
		}
		if _, err := p.CheckRecoveryCode(t.Context(), p.ID, e.RecoveryCodes[0]); !errors.Is(err, account.ErrCode) {
			t.Errorf("recovery code: got %v, want ErrCode", err)
		}
	})
}

func TestShortPasswordNeedsASecondFactor(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		p.enrol(t)
		ctx := p.signedIn(t.Context(), 0)
		if err := p.SetPassword(ctx, p.ID, "", "kzwmvbx"); !errors.Is(err, account.ErrPasswordShort) {
			t.Errorf("7 characters: got %v, want ErrPasswordShort", err)
		}
		p.setPassword(t, "kzwmvbxq")
		if err := p.RemoveTOTP(ctx, p.ID); !errors.Is(err, account.ErrPasswordAlone) {
			t.Errorf("remove the factor: got %v, want ErrPasswordAlone", err)
		}
		p.setPassword(t, good)
		if err := p.RemoveTOTP(ctx, p.ID); err != nil {
			t.Errorf("remove the factor beside a long one: got %v", err)
		}
		if err := p.RemoveTOTP(ctx, p.ID); !errors.Is(err, account.ErrNoTOTP) {
			t.Errorf("remove none: got %v, want ErrNoTOTP", err)
		}
		if err := p.SetPassword(ctx, p.ID, "", "kzwmvbxq"); !errors.Is(err, account.ErrPasswordShort) {
			t.Errorf("8 characters again: got %v, want ErrPasswordShort", err)
		}
	})
}

func TestSecretsAreNotInTheDatabase(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		e := p.enrol(t)
		var id string
		var sealed []byte
		if err := p.db.SQL().QueryRowContext(t.Context(), `SELECT id, secret FROM user_totp`).Scan(&id, &sealed); err != nil {
			t.Fatal(err)
		}
		secret, err := p.seal.Open(sealed, account.SealedColumns()[0].Context([]string{id, p.ID}))
		if err != nil {
			t.Fatalf("a rotation of the master key would not open it: %v", err)
		}
		if len(secret) != 20 || bytes.Contains(sealed, secret) || strings.Contains(string(sealed), e.Secret) {
			t.Error("the secret is stored in the clear")
		}
	})
}

// RFC 6238, appendix B, the last six digits.
func TestCodesAreThoseOfRFC6238(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		p.enrol(t)
		var id string
		if err := p.db.SQL().QueryRowContext(t.Context(), `SELECT id FROM user_totp`).Scan(&id); err != nil {
			t.Fatal(err)
		}
		sealed, err := p.seal.Seal([]byte("12345678901234567890"), account.SealedColumns()[0].Context([]string{id, p.ID}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.db.SQL().ExecContext(t.Context(), `UPDATE user_totp SET secret = $1, last_step = 0`, sealed); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			unix int64
			code string
		}{
			{59, "287082"}, {1111111109, "081804"}, {1111111111, "050471"}, {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"},
		} {
			p.clock = time.Unix(c.unix, 0)
			if err := p.CheckTOTP(t.Context(), p.ID, c.code); err != nil {
				t.Errorf("at %d: got %v", c.unix, err)
			}
		}
	})
}
