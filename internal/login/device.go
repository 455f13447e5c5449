package login

import (
	"net/http"
	"time"

	"signet/internal/fault"
	"signet/internal/page"
)

// Waiting is a device that waits for somebody to let it in (RFC 8628).
type Waiting struct {
	App, Owner string
	Scopes     []Scope
	Address    string // where it asked from
	Created    time.Time
}

// ErrDeviceCode says that no device waits with a code.
var ErrDeviceCode = fault.New(fault.NotFound, "no device waits with this code").Named("no-device")

type devicePage struct {
	Code    string // as typed
	Waiting Waiting
	Scopes  []string // in words
	Person  string
	Allowed bool // it is in
}

// showDevice is GET /device. An address may bring the code, which then still has to be
// looked at and sent: a link that somebody was sent must not be all that it takes (RFC
// 8628, section 5.4).
func (l *Login) showDevice(w http.ResponseWriter, r *http.Request) error {
	code := r.URL.Query().Get("user_code")
	return l.show(w, r, "device", page.View{Data: devicePage{Code: code[:min(len(code), 20)]}}, nil)
}

// device is POST /device: the code was typed.
func (l *Login) device(w http.ResponseWriter, r *http.Request) error {
	s, _ := sessionOf(r)
	code := r.PostFormValue("user_code")
	d, err := l.authority.Device(r.Context(), memberOf(s), code)
	if err != nil {
		return l.deviceRefused(w, r, code, err)
	}
	return l.show(w, r, "device-ask", page.View{Data: devicePage{
		Code: code, Waiting: d, Scopes: l.scopeTexts(r, d.Scopes), Person: s.DisplayName,
	}}, nil)
}

// settleDevice is POST /device/decide: what the person says.
func (l *Login) settleDevice(w http.ResponseWriter, r *http.Request) error {
	s, _ := sessionOf(r)
	code, allow := r.PostFormValue("user_code"), r.PostFormValue("decision") == "allow"
	if err := l.authority.SettleDevice(r.Context(), memberOf(s), code, allow); err != nil {
		return l.deviceRefused(w, r, code, err)
	}
	return l.show(w, r, "device-done", page.View{Data: devicePage{Allowed: allow}}, nil)
}

func (l *Login) deviceRefused(w http.ResponseWriter, r *http.Request, code string, err error) error {
	return l.refused(err, func() error {
		return l.show(w, r, "device", page.View{Data: devicePage{Code: code[:min(len(code), 20)]}}, err)
	})
}
