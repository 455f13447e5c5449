package login_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"signet/test/browser"
	signettest "signet/test/signet"
)

// app is somebody's authenticator app. It never tells a code twice: they are good once.
type app struct {
	secret string
	last   int64 // step
}

const step = 30 // seconds

// code returns a code that is good now: of the step before this one where it can, so
// that three can be had without waiting.
func (a *app) code(t *testing.T) (code string) {
	t.Helper()
	signettest.Await(t, "next code", 2*step*time.Second, func() error {
		at := time.Now().Unix()
		now := at / step
		next := now - 1
		if at%step > step-5 { // the one before goes out of date
			next = now
		}
		if next <= a.last {
			next = a.last + 1
		}
		if next > now+1 {
			return errTooSoon
		}
		var err error
		if code, err = totp.GenerateCodeCustom(a.secret, time.Unix(next*step, 0), totp.ValidateOpts{Period: step, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}); err != nil {
			t.Fatal(err)
		}
		a.last = next
		return nil
	})
	return code
}

// wrong returns a code that is not good, and uses none up.
func (a *app) wrong(t *testing.T) string {
	t.Helper()
	for _, guess := range []string{"000000", "111111", "222222", "333333"} {
		good := false
		for d := int64(-2); d <= 2; d++ {
			code, err := totp.GenerateCode(a.secret, time.Now().Add(time.Duration(d)*step*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			good = good || code == guess
		}
		if !good {
			return guess
		}
	}
	t.Fatal("every guess is good")
	return ""
}

// setUpApp sets up an authenticator app at the account home, and returns it with the
// recovery codes.
func (w *world) setUpApp(t *testing.T, b *browser.Tab) (a *app, recovery []string) {
	t.Helper()
	b.Go(w.origin + "/account/security/app")
	a = &app{secret: browser.Value[string](b, `document.querySelector(".secret").innerText.replaceAll(" ", "")`)}
	recovery = strings.Fields(browser.Value[string](b, `[...document.querySelectorAll(".codes li")].map(e => e.innerText.trim()).join(" ")`))
	if len(recovery) != 10 {
		t.Fatalf("got %d recovery codes, want 10", len(recovery))
	}
	w.Secrets.Add(a.secret)
	b.Fill("Code", a.code(t))
	b.Tick("I have kept the recovery codes")
	b.Press("Turn on")
	b.Sees("The authenticator app is set up.")
	return a, recovery
}
