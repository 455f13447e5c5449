package disk

import (
	"errors"
	"hash"
	"io"
	"os"
	"sync"
)

const (
	chunkSize = 128 << 10
	chunks    = 6       // of one body, on their way
	ahead     = 8 << 20 // what is written of a file before the disk begins with it
)

var chunkBuffers = sync.Pool{New: func() any { b := make([]byte, chunkSize); return &b }}

// pipeline writes a body to a file and computes its MD5, each on a goroutine of its own,
// while its caller reads on: who reads computes the hash that proves the body.
type pipeline struct {
	free    chan *[]byte
	read    chan chunk    // to be written
	written chan chunk    // to be hashed
	broken  chan struct{} // closed where writing fails
	done    chan struct{}

	md5 hash.Hash
	err error // of writing
}

type chunk struct {
	buf *[]byte
	n   int
}

func (c chunk) bytes() []byte { return (*c.buf)[:c.n] }

// pour writes all that b has to f. Its MD5 is that of what was written.
func pour(f *os.File, b io.Reader) (n int64, sum []byte, err error) {
	p := &pipeline{
		free: make(chan *[]byte, chunks), read: make(chan chunk, chunks), written: make(chan chunk, chunks),
		broken: make(chan struct{}), done: make(chan struct{}),
		md5: newETag(),
	}
	for range chunks {
		p.free <- chunkBuffers.Get().(*[]byte) // all that is put there
	}
	go p.write(f)
	go p.hash()
	defer func() { // also where reading panics
		p.end()
		sum, err = p.md5.Sum(nil), errors.Join(err, p.err)
	}()
	n, err = p.readAll(b)
	return n, nil, err
}

// end waits until all that was read is written and hashed.
func (p *pipeline) end() {
	close(p.read)
	<-p.done
	close(p.free)
	for buf := range p.free {
		chunkBuffers.Put(buf)
	}
}

// readAll ends early where writing fails.
func (p *pipeline) readAll(b io.Reader) (n int64, err error) {
	for {
		select {
		case <-p.broken:
			return n, nil
		case buf := <-p.free:
			got, err := fill(b, *buf)
			p.read <- chunk{buf, got}
			n += int64(got)
			if errors.Is(err, io.EOF) {
				return n, nil
			}
			if err != nil {
				return n, err
			}
		}
	}
}

func (p *pipeline) write(f *os.File) {
	defer close(p.written)
	var n, begun int64
	for c := range p.read {
		if p.err == nil {
			p.writeChunk(f, c)
		}
		if n += int64(c.n); n-begun >= ahead {
			startWriting(f, begun, n-begun)
			begun = n
		}
		p.written <- c
	}
}

func (p *pipeline) writeChunk(f *os.File, c chunk) {
	if _, p.err = f.Write(c.bytes()); p.err != nil {
		close(p.broken)
	}
}

func (p *pipeline) hash() {
	defer close(p.done)
	for c := range p.written {
		p.md5.Write(c.bytes())
		p.free <- c.buf
	}
}

// fill reads until buf is full or the body ends, and returns io.EOF in the latter case.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}
