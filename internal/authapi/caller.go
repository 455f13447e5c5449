package authapi

import (
	"context"

	"signet/internal/ticket"
)

type tokenKey struct{}

// As returns a context in which a [Service] is asked on behalf of who is signed in.
func As(ctx context.Context, s Session) context.Context {
	return context.WithValue(ticket.With(ctx, s.Ticket), tokenKey{}, s.AccessToken)
}

func accessToken(ctx context.Context) string {
	t, _ := ctx.Value(tokenKey{}).(string)
	return t
}
