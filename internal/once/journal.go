package once

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"signet/internal/durable"
)

// segmentSize is how long a file of a journal grows, in bytes.
const segmentSize = 16 << 20

// journal keeps the entries of a [File] on disk: in files that only grow, and that
// are removed when what they hold has ended. What was written is the kernel's, so
// the end of the process loses nothing.
type journal struct {
	dir  string
	size int64 // from which on a file grows no more

	mu       sync.Mutex
	out      *os.File // the newest segment
	end      int64    // of its last whole record
	newest   uint32
	segments map[uint32]*segment
	record   []byte
}

// segment counts the entries of one file.
type segment struct{ records, live int }

// openJournal opens the journal in dir and puts every record into m, oldest first. It
// returns errDamaged where a record is broken that was whole once.
func openJournal(dir string, m *Memory) (*journal, error) {
	j := &journal{dir: dir, size: segmentSize, segments: map[uint32]*segment{}}
	numbers, err := j.list()
	if err != nil {
		return nil, err
	}
	for i, n := range numbers {
		end, err := j.read(n, m)
		if errors.Is(err, errCut) {
			err = errDamaged
			if i == len(numbers)-1 {
				err = os.Truncate(j.path(n), end) // the last write of a process that was killed
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", j.path(n), err)
		}
		j.newest = n
	}
	m.places(func(place uint32) { j.segments[place].live++ })
	return j, j.turn()
}

// errDamaged is a record that is not as it was written.
var errDamaged = errors.New("the file is damaged")

func (j *journal) path(n uint32) string { return filepath.Join(j.dir, fmt.Sprintf("%010d.log", n)) }

// list returns the numbers of the segments that there are, oldest first.
func (j *journal) list() ([]uint32, error) {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint32
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".log"); ok {
			if n, err := strconv.ParseUint(name, 10, 32); err == nil {
				numbers = append(numbers, uint32(n))
			}
		}
	}
	return numbers, nil
}

// read puts a segment's entries into m and returns where the last whole one ends. It
// returns errCut where the file ends in the middle of another.
func (j *journal) read(n uint32, m *Memory) (end int64, err error) {
	f, err := os.Open(j.path(n))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	s := &segment{}
	j.segments[n] = s
	in := bufio.NewReaderSize(f, 1<<20)
	for {
		e, uses, size, err := readRecord(in)
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return end, err
		}
		end += size
		s.records++
		m.restore(e, uses, n)
	}
}

// keep writes an entry and returns the segment that it is in. Where it returns an
// error nothing was written.
func (j *journal) keep(e Entry, uses int) (uint32, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.record = appendRecord(j.record[:0], e, uses)
	if _, err := j.out.WriteAt(j.record, j.end); err != nil {
		return 0, errors.Join(err, j.out.Truncate(j.end))
	}
	j.end += int64(len(j.record))
	s := j.segments[j.newest]
	s.records++
	s.live++
	return j.newest, nil
}

// forget says that an entry of a segment has ended, or is in another one now.
func (j *journal) forget(n uint32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segments[n].live--
}

// sweep begins a new file where the newest is long enough, and removes those with
// nothing alive. It returns the number of the file whose few living entries should be
// kept anew, so that it can go too; zero is none.
func (j *journal) sweep() (sparse uint32, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if newest := j.segments[j.newest]; j.end >= j.size || newest.live == 0 && newest.records > 0 {
		if err := j.turn(); err != nil {
			return 0, err
		}
	}
	for _, n := range slices.Sorted(maps.Keys(j.segments)) {
		s := j.segments[n]
		switch {
		case n == j.newest:
		case s.live == 0:
			if err := os.Remove(j.path(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return 0, err
			}
			delete(j.segments, n)
		case s.live*8 <= s.records:
			return n, nil
		}
	}
	return 0, nil
}

// turn begins the next file.
func (j *journal) turn() error {
	out, err := os.OpenFile(j.path(j.newest+1), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if j.out != nil {
		_ = j.out.Close()
	}
	j.newest++
	j.out, j.end, j.segments[j.newest] = out, 0, &segment{}
	return nil
}

// sync waits until everything is on the disk.
func (j *journal) sync() error {
	for n := range j.segments {
		f, err := os.Open(j.path(n))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return durable.SyncDir(j.dir)
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.sync(), j.out.Close())
}

// clearJournal removes every segment.
func clearJournal(dir string) error {
	numbers, err := (&journal{dir: dir}).list()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, n := range numbers {
		err = errors.Join(err, os.Remove((&journal{dir: dir}).path(n)))
	}
	return err
}

// A record is the length of its body and its CRC-32, 4 bytes each, and the body: key,
// end in microseconds since 1970, uses, and space, subject and holder, each behind its
// length in 2 bytes. Numbers are little-endian.
const (
	recordHead = 8
	maxRecord  = 4096
)

// errCut is the end of a file in the middle of a record.
var errCut = errors.New("a record was cut off")

func appendRecord(b []byte, e Entry, uses int) []byte {
	b = append(b, make([]byte, recordHead)...)
	b = append(b, e.Key[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Until.UnixMicro()))
	b = binary.LittleEndian.AppendUint32(b, uint32(uses)) //nolint:gosec // bounded by the life of a value
	for _, text := range []string{e.Space.Name, e.Subject, e.By} {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(text))) //nolint:gosec // maxBy is the longest
		b = append(b, text...)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)-recordHead)) //nolint:gosec // a few hundred
	binary.LittleEndian.PutUint32(b[4:], crc32.ChecksumIEEE(b[recordHead:]))
	return b
}

// readRecord returns io.EOF between two records, and errCut in one. size is that of
// the record.
func readRecord(in io.Reader) (e Entry, uses int, size int64, err error) {
	var head [recordHead]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return e, 0, 0, cut(err)
	}
	length := binary.LittleEndian.Uint32(head[:])
	if length > maxRecord {
		return e, 0, 0, errDamaged
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(in, body); errors.Is(err, io.EOF) {
		return e, 0, 0, errCut
	} else if err != nil {
		return e, 0, 0, cut(err)
	}
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(head[4:]) {
		return e, 0, 0, errDamaged
	}
	e, uses, err = parseBody(body)
	return e, uses, recordHead + int64(length), err
}

// cut makes errCut of an end in the middle.
func cut(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return err
}

func parseBody(b []byte) (e Entry, uses int, err error) {
	if len(b) < len(e.Key)+12 {
		return e, 0, errDamaged
	}
	b = b[copy(e.Key[:], b):]
	e.Until = time.UnixMicro(int64(binary.LittleEndian.Uint64(b))).UTC() //nolint:gosec // as it was written
	uses = int(binary.LittleEndian.Uint32(b[8:]))
	b = b[12:]
	var space string
	for _, to := range []*string{&space, &e.Subject, &e.By} {
		if len(b) < 2 || len(b) < 2+int(binary.LittleEndian.Uint16(b)) {
			return e, 0, errDamaged
		}
		n := int(binary.LittleEndian.Uint16(b))
		*to, b = string(b[2:2+n]), b[2+n:]
	}
	if len(b) > 0 {
		return e, 0, errDamaged
	}
	e.Space = &Space{Name: space}
	return e, uses, nil
}
