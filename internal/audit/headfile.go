package audit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"

	"signet/internal/db"
)

// headFile is the file of signed heads, one a line: the signature in base64, a
// space, the payload.
type headFile struct {
	path string

	mu     sync.Mutex
	loaded bool
	last   int64 // the newest head in the file
}

// catchUp appends the heads that the file does not have. What a crash kept from
// it comes with the next one.
func (f *headFile) catchUp(ctx context.Context, l *Log) error {
	if f.path == "" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.load(ctx, l); err != nil {
		return fmt.Errorf("heads file: %w", err)
	}
	for {
		list, err := l.heads(ctx, f.last+1, 100)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := f.append(list); err != nil {
			return fmt.Errorf("heads file: %w", err)
		}
		f.last = list[len(list)-1].number
	}
}

// load finds out what the file has.
func (f *headFile) load(ctx context.Context, l *Log) error {
	if f.loaded {
		return nil
	}
	if err := f.mend(); err != nil {
		return err
	}
	err := f.each(l.signer.HeadPublic(), func(_ int, h *signedHead, err error) error {
		if err == nil {
			f.last = max(f.last, h.Number)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var last *signedHead
	if err := l.db.View(ctx, func(tx *db.Tx) error { last, err = l.lastHead(ctx, tx); return err }); err != nil {
		return err
	}
	if f.last > last.Number {
		slog.ErrorContext(ctx, "heads file is ahead of the store", "file", f.last, "store", last.Number)
		f.last = last.Number // as after a restore: what comes now must be kept too
	}
	f.loaded = true
	return nil
}

// mend cuts off a line that a crash left half written.
func (f *headFile) mend() error {
	b, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if end := bytes.LastIndexByte(b, '\n') + 1; end < len(b) {
		return os.Truncate(f.path, int64(end))
	}
	return nil
}

func (f *headFile) append(list []storedHead) (err error) {
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var lines strings.Builder
	for _, h := range list {
		lines.WriteString(h.signature + " " + h.payload + "\n")
	}
	if _, err := file.WriteString(lines.String()); err != nil {
		return err
	}
	return file.Sync()
}

// each calls fn for each line of the file, with the error of one that is no head.
func (f *headFile) each(key ed25519.PublicKey, fn func(line int, h *signedHead, err error) error) error {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	r := bufio.NewReader(file)
	for n := 1; ; n++ {
		line, err := r.ReadString('\n')
		if line != "" {
			signature, payload, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			h, bad := openHead(payload, signature, key)
			if err := fn(n, h, bad); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
