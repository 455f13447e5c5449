package login

import (
	"context"
	"net/http"
	"slices"
	"time"

	"signet/internal/fault"
)

// AccessKey is one with which a user's programs reach their files.
type AccessKey struct {
	ID, Name string
	Limited  bool // it may only what it was granted itself
	Created  time.Time
	Expires  time.Time // zero: never
	LastUsed time.Time // zero: never
}

// AccessKeys keeps the access keys of who asks.
type AccessKeys interface {
	// Own returns those that can be used, the youngest first.
	Own(ctx context.Context) ([]AccessKey, error)
	// Make makes one, and Rotate makes a successor of one. They return its secret, which
	// is not to be had again, and demand a fresh sign-in.
	Make(ctx context.Context, name string, expires time.Time) (made AccessKey, secret string, err error)
	Rotate(ctx context.Context, id string) (next AccessKey, secret string, err error)
	Revoke(ctx context.Context, id string) error
	// Endpoint is the address that programs are told.
	Endpoint() string
}

// keyRoutes are the pages of access keys, where there are any.
func (l *Login) keyRoutes() map[string]handler {
	if l.o.Keys == nil {
		return nil
	}
	return map[string]handler{
		"GET /account/keys":              l.showKeys,
		"GET /account/keys/new":          l.freshly(l.showNewKey),
		"POST /account/keys/new":         l.freshly(l.makeKey),
		"GET /account/keys/{id}/rotate":  l.freshly(l.showRotateKey),
		"POST /account/keys/{id}/rotate": l.freshly(l.rotateKey),
		"GET /account/keys/{id}/revoke":  l.showRevokeKey,
		"POST /account/keys/{id}/revoke": l.revokeKey,
	}
}

type keysPage struct {
	Keys     []AccessKey
	Made     AccessKey // just now, with its secret
	Secret   string
	Endpoint string
}

func (l *Login) showKeys(w http.ResponseWriter, r *http.Request) error {
	return l.renderKeys(w, r, AccessKey{}, "")
}

func (l *Login) renderKeys(w http.ResponseWriter, r *http.Request, made AccessKey, secret string) error {
	all, err := l.o.Keys.Own(r.Context())
	if err != nil {
		return err
	}
	return l.render(w, r, "keys", keysPage{all, made, secret, l.o.Keys.Endpoint()}, nil, "console.js")
}

type newKeyPage struct {
	Name  string // as typed
	Days  int
	Lives []int // days
}

func (l *Login) showNewKey(w http.ResponseWriter, r *http.Request) error {
	return l.render(w, r, "key-new", newKeyPage{Days: 90, Lives: lives}, nil)
}

func (l *Login) makeKey(w http.ResponseWriter, r *http.Request) error {
	var expires time.Time
	days := daysOf(r)
	if days > 0 {
		expires = l.o.Now().AddDate(0, 0, days)
	}
	name := r.PostFormValue("name")
	made, secret, err := l.o.Keys.Make(r.Context(), name, expires)
	if err != nil {
		return l.refused(err, func() error { return l.render(w, r, "key-new", newKeyPage{name, days, lives}, err) })
	}
	return l.renderKeys(w, r, made, secret)
}

// ownKey returns the key that the address names.
func (l *Login) ownKey(r *http.Request) (AccessKey, error) {
	all, err := l.o.Keys.Own(r.Context())
	if err != nil {
		return AccessKey{}, err
	}
	i := slices.IndexFunc(all, func(k AccessKey) bool { return k.ID == r.PathValue("id") })
	if i < 0 {
		return AccessKey{}, errNoSuchThing
	}
	return all[i], nil
}

func (l *Login) showRotateKey(w http.ResponseWriter, r *http.Request) error {
	return l.renderRotateKey(w, r, nil)
}

func (l *Login) renderRotateKey(w http.ResponseWriter, r *http.Request, refused error) error {
	k, err := l.ownKey(r)
	if err != nil {
		return err
	}
	return l.render(w, r, "key-rotate", k, refused)
}

func (l *Login) rotateKey(w http.ResponseWriter, r *http.Request) error {
	next, secret, err := l.o.Keys.Rotate(r.Context(), r.PathValue("id"))
	if fault.KindOf(err) == fault.NotFound {
		return errNoSuchThing
	}
	if err != nil {
		return l.refused(err, func() error { return l.renderRotateKey(w, r, err) })
	}
	return l.renderKeys(w, r, next, secret)
}

func (l *Login) showRevokeKey(w http.ResponseWriter, r *http.Request) error {
	k, err := l.ownKey(r)
	if err != nil {
		return err
	}
	t := l.site.TextsOf(r)
	return l.render(w, r, "remove", removePage{
		Title: t.T("remove.key.title"), Text: t.T("remove.key.text"), Button: t.T("remove.revoke"),
		Name: k.Name + " (" + k.ID + ")", Back: "/account/keys", Action: r.URL.Path,
	}, nil)
}

func (l *Login) revokeKey(w http.ResponseWriter, r *http.Request) error {
	err := l.o.Keys.Revoke(r.Context(), r.PathValue("id"))
	if fault.KindOf(err) == fault.NotFound {
		return errNoSuchThing
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, "/account/keys?done=removed")
}
