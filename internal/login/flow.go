package login

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"signet/internal/fault"
)

// What an app can ask for wrongly.
var (
	ErrNoApp     = fault.New(fault.NotFound, "the app that sent you here is not known to this server").Named("no-app")
	ErrMaxAge    = fault.New(fault.Invalid, "must be a number of seconds").At("max_age")
	errACR       = fault.New(fault.Invalid, "must be urn:signet:1 or urn:signet:2").At("acr_values")
	errNeedsNext = fault.New(fault.Invalid, "is missing: the app must say where to go on").At("next")
)

// flow is where a sign-in is to end. Every page of a sign-in hands it on in its
// address, and checks it again.
type flow struct {
	Client, Next, Challenge string
	MaxAge                  time.Duration // below zero: any
	ACR                     string        // least
	App                     string        // name
}

// flowOf reads a flow from the address of a request.
func (l *Login) flowOf(r *http.Request) (flow, error) {
	q := r.URL.Query()
	f := flow{Client: q.Get("client_id"), Next: q.Get("next"), Challenge: q.Get("challenge"), ACR: q.Get("acr_values"), MaxAge: -1}
	if s := q.Get("max_age"); s != "" {
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil {
			return flow{}, ErrMaxAge
		}
		f.MaxAge = time.Duration(n) * time.Second
	}
	if f.ACR != "" && f.ACR != acrOne && f.ACR != acrTwo {
		return flow{}, errACR
	}
	return f, l.check(r.Context(), &f)
}

// The authentication context classes of sessions: one factor, or two.
const (
	acrOne = "urn:signet:1"
	acrTwo = "urn:signet:2"
)

// check refuses a flow that ends where nobody may be sent.
func (l *Login) check(ctx context.Context, f *flow) (err error) {
	if f.Client == "" {
		if f.Challenge != "" {
			return ErrChallenge
		}
		_, err = CheckNext(f.Next, nil)
		if err == nil {
			f.App = l.appOf(ctx, f.Next)
		}
		return err
	}
	app, err := l.apps.App(ctx, f.Client)
	if fault.KindOf(err) == fault.NotFound {
		return ErrNoApp
	}
	if err != nil {
		return err
	}
	switch {
	case f.Next == "":
		return errNeedsNext
	case f.Next[0] == '/':
		return ErrNext
	case !isSecret(f.Challenge): // SHA-256 in base64url has the form of our secrets
		return ErrChallenge
	}
	f.App = app.Name
	_, err = CheckNext(f.Next, app.Redirects)
	return err
}

// query returns the flow as an address has it.
func (f flow) query() string {
	q := url.Values{}
	for name, v := range map[string]string{"client_id": f.Client, "next": f.Next, "challenge": f.Challenge, "acr_values": f.ACR} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if f.MaxAge >= 0 {
		q.Set("max_age", strconv.Itoa(int(f.MaxAge.Seconds())))
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// To returns the address of another page of the same sign-in.
func (f flow) To(path string) string { return path + f.query() }

// Method returns the address of the page of a second factor.
func (f flow) Method(method string) string {
	path := f.To("/login/factor")
	if strings.Contains(path, "?") {
		return path + "&method=" + method
	}
	return path + "?method=" + method
}
