package login

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"signet/internal/seal"
)

// Cookies. Those with the prefix belong to this very origin (RFC 6265bis, section
// 4.1.3.2): no other host, not even a subdomain, can set them.
const (
	sessionCookie = "__Host-signet"         // the session
	browserCookie = "__Host-signet-login"   // a random value of this browser: ties sign-ins under way to it
	deviceCookie  = "__Host-signet-device"  // which users signed in here before
	mfaCookie     = "__Host-signet-mfa"     // the sign-in that waits for a second factor
	passkeyCookie = "__Host-signet-passkey" //nolint:gosec // handles of WebAuthn challenges, newest last
	lastCookie    = "__Host-signet-last"    // the method of the last sign-in
)

const (
	sessionLife = 30 * 24 * time.Hour // at most; account says when it ends
	deviceLife  = 365 * 24 * time.Hour
	flowLife    = 10 * time.Minute

	maxDevices = 3 // users of one browser that are known
	maxHandles = 4 // challenges under way in one browser: one a tab
)

// set keeps a value at the browser; one that is empty is removed. A life of zero ends
// with the browser.
func set(w http.ResponseWriter, name, value string, life time.Duration) {
	c := &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func value(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// binding returns the value of this browser, which gets one where it has none.
func binding(w http.ResponseWriter, r *http.Request) string {
	if v := value(r, browserCookie); isSecret(v) {
		return v
	}
	v, _ := seal.NewSecret("")
	set(w, browserCookie, v, 0)
	r.Header.Add("Cookie", browserCookie+"="+v) // the rest of this request has it too
	return v
}

// remember puts v at the end of a cookie's list of at most that many.
func remember(w http.ResponseWriter, r *http.Request, name, v string, most int, life time.Duration) {
	all := list(r, name)
	all = append(slices.DeleteFunc(all, func(o string) bool { return o == v }), v)
	set(w, name, strings.Join(all[max(0, len(all)-most):], "."), life)
}

func list(r *http.Request, name string) []string {
	v := value(r, name)
	if v == "" || len(v) > 4000 {
		return nil
	}
	return strings.Split(v, ".")
}
