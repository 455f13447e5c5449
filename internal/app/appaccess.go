package app

import (
	"context"
	"errors"

	"signet/internal/ticket"
	"signet/internal/token"
)

// appAccess is what users let apps have, for who administers them.
type appAccess struct {
	a     *App
	oauth *token.OAuth
}

// Apps returns the apps of a user that are there in the caller's account.
func (s appAccess) Apps(ctx context.Context, user string) (own []token.AppAccess, err error) {
	if _, err := s.a.Accounts.GetUser(ctx, user); err != nil { // who the caller may see
		return nil, err
	}
	all, err := s.oauth.Apps(ctx, user)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		err := s.oauth.Serves(ctx, one.Client, ticket.From(ctx).Account)
		if errors.Is(err, token.ErrNoClient) {
			continue
		}
		if err != nil {
			return nil, err
		}
		own = append(own, one)
	}
	return own, nil
}

// RemoveApp ends all that a user let one of these apps have.
func (s appAccess) RemoveApp(ctx context.Context, user, client string) error {
	if err := s.a.Accounts.MayChange(ctx, user); err != nil {
		return err
	}
	all, err := s.Apps(ctx, user)
	if err != nil {
		return err
	}
	for _, one := range all {
		if one.Client.ID == client {
			return s.oauth.RemoveApp(ctx, user, client)
		}
	}
	return token.ErrNoClient
}
