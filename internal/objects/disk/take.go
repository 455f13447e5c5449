package disk

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"signet/internal/objects"
)

// small bodies are read whole, and then written at once.
const small = 64 << 10

// taken is a body that was read to its end.
type taken struct {
	file     string // that it is kept in; empty where all of it is in bytes
	bytes    []byte
	size     int64
	md5      []byte
	checksum objects.Checksum
}

func (t taken) etag() string { return hex.EncodeToString(t.md5) }

var smallBuffers = sync.Pool{New: func() any { b := make([]byte, small+1); return &b }}

// take reads a body and keeps it under a new name. Where it fails it leaves nothing.
// Up to inline bytes need no file.
func (s *Store) take(b objects.Body, w wish, inline int64) (taken, error) {
	t := taken{size: b.Length(), file: newName(s.now())}
	var from io.Reader = b
	own := hashed{b, newHash(w.algorithm), w.algorithm}
	if own.sum != nil {
		from = own
	}
	var err error
	if t.size >= 0 && t.size <= small {
		err = s.takeSmall(from, &t, inline)
	} else {
		err = s.takeLarge(from, &t)
	}
	if err != nil {
		return taken{}, failed(err)
	}
	if sums := b.Checksums(); len(sums) > 0 {
		t.checksum = sums[0]
	}
	if own.sum != nil && t.checksum.Algorithm != w.algorithm && (t.checksum.Algorithm == "" || !w.any) {
		t.checksum = own.checksum()
	}
	return t, nil
}

func (s *Store) takeSmall(b io.Reader, t *taken, inline int64) error {
	buf := smallBuffers.Get().(*[]byte) // all that is put there
	defer smallBuffers.Put(buf)
	n, err := fill(b, *buf)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if int64(n) != t.size {
		return lengthError(int64(n), t.size)
	}
	h := newETag()
	h.Write((*buf)[:n])
	t.md5 = h.Sum(nil)
	if t.size <= inline {
		t.file, t.bytes = "", bytes.Clone((*buf)[:n])
		return nil
	}
	return s.keep(t.file, func(f *os.File) error {
		_, err := f.Write((*buf)[:n])
		return err
	})
}

func (s *Store) takeLarge(b io.Reader, t *taken) error {
	return s.keep(t.file, func(f *os.File) error {
		n, sum, err := pour(f, b)
		t.md5 = sum
		if t.size < 0 { // a form does not say
			t.size = n
		}
		if err == nil && n != t.size {
			err = lengthError(n, t.size)
		}
		return err
	})
}

// keep writes a file. Where that fails there is none.
func (s *Store) keep(name string, write func(f *os.File) error) error {
	f, err := s.files.create(name)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return errors.Join(err, f.Close(), s.files.discard(name))
	}
	if err := s.files.finish(f, name); err != nil {
		return errors.Join(err, s.files.discard(name))
	}
	return nil
}

func lengthError(got, want int64) error {
	return fmt.Errorf("body of %d bytes, want %d: %w", got, want, io.ErrUnexpectedEOF)
}
