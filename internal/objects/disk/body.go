package disk

import (
	"bytes"
	"io"
	"os"
)

// body reads extents one after the other.
type body struct {
	files *files
	rest  []extent         // not opened yet
	file  *os.File         // nil: none is open
	part  io.LimitedReader // of file
}

// open opens the first file at once: what is missing is better learnt before the answer
// has begun.
func (s *Store) open(p source) (io.ReadCloser, error) {
	if len(p.files) == 0 {
		return content{bytes.NewReader(p.bytes)}, nil
	}
	b := &body{files: s.files, rest: p.files}
	return b, b.next()
}

// content is a body that is at hand.
type content struct{ *bytes.Reader }

// Close implements [io.Closer].
func (content) Close() error { return nil }

// next opens the next extent; there must be one.
func (b *body) next() error {
	e := b.rest[0]
	file, err := b.files.open(e.file, e.size, e.first)
	if err != nil {
		return err
	}
	b.rest, b.file, b.part = b.rest[1:], file, io.LimitedReader{R: file, N: e.length}
	return nil
}

// advance makes sure that an extent with bytes left is open, and returns io.EOF after the last.
func (b *body) advance() error {
	for b.file == nil || b.part.N == 0 {
		if err := b.Close(); err != nil {
			return err
		}
		if len(b.rest) == 0 {
			return io.EOF
		}
		if err := b.next(); err != nil {
			return err
		}
	}
	return nil
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	if err := b.advance(); err != nil {
		return 0, err
	}
	n, err := b.part.Read(p)
	return n, cutShort(err)
}

// WriteTo implements [io.WriterTo]: w may take each extent from its file by sendfile(2),
// which it does of an [io.LimitedReader] of a file.
func (b *body) WriteTo(w io.Writer) (n int64, err error) {
	for {
		if err := b.advance(); err != nil {
			if err == io.EOF { //nolint:errorlint // advance returns it as it is
				err = nil
			}
			return n, err
		}
		m, err := io.Copy(w, &b.part)
		n += m
		if err != nil {
			return n, err
		}
		if b.part.N > 0 {
			return n, io.ErrUnexpectedEOF
		}
	}
}

// cutShort makes the end of a file before the end of its extent an error.
func cutShort(err error) error {
	if err == io.EOF { //nolint:errorlint // as files return it
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close implements [io.Closer].
func (b *body) Close() error {
	if b.file == nil {
		return nil
	}
	err := b.file.Close()
	b.file = nil
	return err
}
