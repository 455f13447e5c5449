package app

import (
	"context"
	"time"

	"signet/internal/login"
	"signet/internal/objects"
	"signet/internal/ticket"
)

// accessKeys are the access keys of people, for login.
type accessKeys struct{ a *App }

// ownKeys returns them; nil where there is no S3 API.
func (a *App) ownKeys() login.AccessKeys {
	if a.Config.Objects.Listen == "" {
		return nil
	}
	return accessKeys{a}
}

// Own implements [login.AccessKeys].
func (s accessKeys) Own(ctx context.Context) (all []login.AccessKey, err error) {
	list, err := s.a.ObjectKeys.List(ctx, objects.KeyFilter{Own: true})
	for _, k := range list {
		all = append(all, loginKey(k))
	}
	return all, err
}

func loginKey(k objects.Key) login.AccessKey {
	return login.AccessKey{ID: k.AccessKeyID, Name: k.Name, Limited: k.Limited, Created: k.Created, Expires: k.Expires, LastUsed: k.LastUsed}
}

// Make implements [login.AccessKeys].
func (s accessKeys) Make(ctx context.Context, name string, expires time.Time) (login.AccessKey, string, error) {
	n := objects.NewKey{Name: name, Expires: expires}
	if t := ticket.From(ctx); t != nil {
		n.User = t.Subject
	}
	k, secret, err := s.a.ObjectKeys.Create(ctx, n)
	return loginKey(k), secret, err
}

// Rotate implements [login.AccessKeys].
func (s accessKeys) Rotate(ctx context.Context, id string) (login.AccessKey, string, error) {
	if err := s.mine(ctx, id); err != nil {
		return login.AccessKey{}, "", err
	}
	k, secret, err := s.a.ObjectKeys.Rotate(ctx, id, -1)
	return loginKey(k), secret, err
}

// Revoke implements [login.AccessKeys].
func (s accessKeys) Revoke(ctx context.Context, id string) error {
	if err := s.mine(ctx, id); err != nil {
		return err
	}
	return s.a.ObjectKeys.Revoke(ctx, id)
}

// mine refuses keys of others, which administrators reach at the console.
func (s accessKeys) mine(ctx context.Context, id string) error {
	k, err := s.a.ObjectKeys.Get(ctx, id)
	if err == nil && k.User != ticket.From(ctx).Subject {
		return objects.ErrNoAccessKey
	}
	return err
}

// Endpoint implements [login.AccessKeys].
func (s accessKeys) Endpoint() string { return s.a.Config.ObjectsOrigin() }
