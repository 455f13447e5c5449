package notify

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"signet/internal/durable"
)

// NewFile returns a sender that writes each mail to a file of its own in dir: NAME.eml,
// mode 0600, whole or not at all; names sort by time. It makes dir when it is needed.
func NewFile(dir string) Sender { return directory(dir) }

type directory string

// Send implements [Sender].
func (d directory) Send(_ context.Context, _, _ string, mail []byte) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	path := filepath.Join(string(d), id.String()+".eml")
	err = durable.Create(path, mail)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(string(d), 0o700); err == nil {
			err = durable.Create(path, mail)
		}
	}
	return err
}
