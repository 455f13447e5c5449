package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"signet/internal/account"
	"signet/internal/durable"
)

// firstFile is where an installation without an administrator says how to become one.
const firstFile = "first-administrator.link"

// offerFirst writes a link for the first administrator to a file in the data directory,
// for its owner alone, and says where. Where there is an administrator it removes the file.
func (a *App) offerFirst(ctx context.Context) error {
	path := filepath.Join(a.Config.Server.DataDir, firstFile)
	link, err := a.Gate.FirstLink(ctx)
	if errors.Is(err, account.ErrAdminExists) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err != nil {
		return err
	}
	if err := durable.Replace(path, []byte(link+"\n")); err != nil {
		return err
	}
	slog.InfoContext(ctx, "nobody administers this installation yet: open the link in this file within an hour", "file", path)
	return nil
}
