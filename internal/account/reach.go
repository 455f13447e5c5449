package account

import (
	"context"

	"signet/internal/db"
)

// MayChange refuses who may not change a user: one of another account, who is not even
// there, and one who is stronger than the caller. Other services ask it before they
// change what they keep of a user.
func (s *Service) MayChange(ctx context.Context, user string) error {
	return s.changeUser(ctx, user, func(*db.Tx, User) error { return nil })
}
