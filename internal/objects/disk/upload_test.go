package disk_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"signet/internal/objects"
	"signet/internal/objects/disk"
)

// begin begins an upload.
func (s store) begin(t testing.TB, key string, sum ...objects.Checksum) objects.Upload {
	t.Helper()
	u := objects.Upload{Bucket: bucket, Key: key, By: "AKIA1", Attributes: objects.Attributes{ContentType: "a/b"}}
	if len(sum) > 0 {
		u.Checksum = sum[0]
	}
	var err error
	if u.ID, err = s.CreateUpload(t.Context(), u); err != nil {
		t.Fatalf("begin upload: %v", err)
	}
	return u
}

func (s store) part(t testing.TB, u objects.Upload, number int, content []byte) objects.Part {
	t.Helper()
	p, err := s.PutPart(t.Context(), u, number, bytesOf(content))
	if err != nil {
		t.Fatalf("put part %d: %v", number, err)
	}
	return p
}

func completion(u objects.Upload, parts ...objects.Part) objects.Completion {
	return objects.Completion{Bucket: u.Bucket, Key: u.Key, UploadID: u.ID, Parts: parts, Size: -1}
}

// noise is content that no two parts share.
func noise(seed uint64, size int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed)})
	b := make([]byte, size)
	_, _ = r.Read(b)
	return b
}

func TestObjectOfPartsIsThoseInOrder(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		u := s.begin(t, "big")
		one, two, three := noise(1, objects.MinPartSize), noise(2, objects.MinPartSize+3), noise(3, 11)
		c := s.part(t, u, 9, three) // in any order, with gaps
		a := s.part(t, u, 2, one)
		s.part(t, u, 4, []byte("replaced"))
		b := s.part(t, u, 4, two)
		s.part(t, u, 5, []byte("not named"))
		found, parts, more, err := s.Parts(t.Context(), u, 2, 2)
		if err != nil || !more || len(parts) != 2 || parts[0].Number != 4 || parts[0].Size != int64(len(two)) || found.By != "AKIA1" {
			t.Errorf("parts: got %+v, %v, %+v, %v", parts, more, found, err)
		}
		o, err := s.Complete(t.Context(), completion(u, a, b, c))
		if err != nil {
			t.Fatal(err)
		}
		whole := slices.Concat(one, two, three)
		sums := slices.Concat(raw(t, a.ETag), raw(t, b.ETag), raw(t, c.ETag))
		if o.ETag != md5Of(sums)+"-3" || o.Size != int64(len(whole)) || o.Parts != 3 || o.ContentType != "a/b" {
			t.Errorf("got %+v", o)
		}
		if got := s.get(t, ref("big")); got != string(whole) {
			t.Error("the object is not its parts in order")
		}
		n := int64(len(one))
		for _, r := range [][2]int64{{0, 0}, {n - 1, n - 1}, {n - 1, n}, {n, n}, {n - 5, n + int64(len(two)) + 5}, {-3, -1}, {n + 7, -1}} {
			r := objects.Range{First: r[0], Last: r[1]}
			var want []byte
			if r.First < 0 {
				want = whole[len(whole)+int(r.First):]
			} else if want = whole[r.First:]; r.Last >= 0 {
				want = want[:r.Last-r.First+1]
			}
			got, err := read(t.Context(), s.Store, objects.Get{Ref: ref("big"), Range: &r})
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%+v: got %d bytes, %v; want %d", r, len(got), err, len(want))
			}
		}
		for i, want := range [][]byte{one, two, three} { // as if they had no gaps
			c, err := s.Get(t.Context(), objects.Get{Ref: ref("big"), Part: i + 1})
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if _, err := io.Copy(&got, c.Body); err != nil || !bytes.Equal(got.Bytes(), want) || !c.Partial || c.Parts != 3 {
				t.Errorf("part %d: got %d bytes, %v", i+1, got.Len(), err)
			}
			if err := c.Body.Close(); err != nil {
				t.Error(err)
			}
		}
		_, err = s.Head(t.Context(), objects.Get{Ref: ref("big"), Part: 4})
		wants(t, "part 4", err, objects.ErrPartOfObject)

		again, err := s.Complete(t.Context(), completion(u, a, b, c))
		if err != nil || again.ETag != o.ETag {
			t.Errorf("once more: got %+v, %v; want the same", again, err)
		}
		_, err = s.Complete(t.Context(), completion(u, a, b))
		wants(t, "once more with other parts", err, objects.ErrNoSuchUpload)
		wants(t, "abort what is completed", s.Abort(t.Context(), u), objects.ErrNoSuchUpload)
		s.sweep(t)
		if n := s.files(t); n != 3 {
			t.Errorf("got %d files, want the 3 of the parts", n)
		}
		if got := s.get(t, ref("big")); got != string(whole) {
			t.Error("the sweep took something")
		}
		s.delete(t, ref("big"))
		s.sweep(t)
		s.nothingLeft(t)
	})
}

func raw(t testing.TB, etag string) []byte {
	t.Helper()
	b := make([]byte, 16)
	if _, err := hex.Decode(b, []byte(etag)); err != nil {
		t.Fatal(err)
	}
	return b
}

// nothingLeft checks that no file and no row of an object, part or upload is there.
func (s store) nothingLeft(t testing.TB) {
	t.Helper()
	if n := s.files(t); n != 0 {
		t.Errorf("%d files are left", n)
	}
	for _, table := range []string{"objects", "versions", "contents", "uploads", "parts", "released"} {
		var n int
		if err := s.db.SQL().QueryRowContext(t.Context(), "SELECT count(*) FROM objects_disk_"+table).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows of %s are left, %v", n, table, err)
		}
	}
}

func TestCompletionThatIsNotWhatWasUploadedIsRefused(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		u := s.begin(t, "big")
		one, two := s.part(t, u, 1, noise(1, objects.MinPartSize)), s.part(t, u, 2, noise(2, 20))
		three := s.part(t, u, 3, noise(3, 20))
		other, missing := one, one
		other.ETag, missing.Number = two.ETag, 7
		short := completion(u, one, two)
		short.Size = one.Size
		sum := completion(u, one, two)
		sum.Checksum = objects.Checksum{Algorithm: "CRC32", Type: "FULL_OBJECT", Value: "AAAAAA=="}
		elsewhere := completion(u, one)
		elsewhere.Key = "small"
		for _, c := range []struct {
			name string
			c    objects.Completion
			want error
		}{
			{"no parts", completion(u), objects.ErrMalformedXML},
			{"parts in disorder", completion(u, two, one), objects.ErrPartOrder},
			{"a part twice", completion(u, one, one), objects.ErrPartOrder},
			{"another tag", completion(u, other, two), objects.ErrInvalidPart},
			{"a part that is not there", completion(u, one, missing), objects.ErrInvalidPart},
			{"a small part that is not the last", completion(u, one, two, three), objects.ErrTooSmall},
			{"another size", short, objects.ErrRequest},
			{"another checksum", sum, objects.ErrDigest},
			{"another key", elsewhere, objects.ErrNoSuchUpload},
		} {
			_, err := s.Complete(t.Context(), c.c)
			wants(t, c.name, err, c.want)
		}
		_, err := s.Head(t.Context(), objects.Get{Ref: ref("big")})
		wants(t, "afterwards", err, objects.ErrNoSuchKey)
		for _, n := range []int{0, -1, objects.MaxParts + 1} {
			_, err := s.PutPart(t.Context(), u, n, text("x"))
			wants(t, "number", err, objects.ErrPartNumber)
		}
		s.put(t, "big", "there")
		never := completion(u, one, two)
		never.Conditions.IfNoneMatch = "*"
		_, err = s.Complete(t.Context(), never)
		wants(t, "where an object is", err, objects.ErrPrecondition)
		if _, err := s.Complete(t.Context(), completion(u, one, two)); err != nil {
			t.Errorf("in the end: %v", err)
		}
	})
}

func TestChecksumOfPartsIsTakenWithTheirNumberAndWithout(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		first := noise(1, objects.MinPartSize)
		whole := sha256.Sum256(append(sumOf("SHA256", first), sumOf("SHA256", []byte("end"))...))
		value := base64.StdEncoding.EncodeToString(whole[:])
		for _, c := range []struct {
			key, said string
			want      error
		}{
			{"with", value + "-2", nil},
			{"without", value, nil},
			{"with another", value + "-3", objects.ErrDigest},
		} {
			u := s.begin(t, c.key, objects.Checksum{Algorithm: "SHA256", Type: "COMPOSITE"})
			sum := completion(u, s.part(t, u, 1, first), s.part(t, u, 2, []byte("end")))
			sum.Checksum = objects.Checksum{Algorithm: "SHA256", Type: "COMPOSITE", Value: c.said}
			o, err := s.Complete(t.Context(), sum)
			wants(t, c.key, err, c.want)
			if c.want == nil && o.Checksum.Value != value+"-2" {
				t.Errorf("%s: got %s, want %s-2", c.key, o.Checksum.Value, value)
			}
		}
	})
}

// sumOf is a checksum as a client computes it.
func sumOf(algorithm string, content []byte) []byte {
	var h hash.Hash
	switch algorithm {
	case "CRC32":
		h = crc32.NewIEEE()
	case "CRC32C":
		h = crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "CRC64NVME":
		h = crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5))
	default:
		h = sha256.New()
	}
	h.Write(content)
	return h.Sum(nil)
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func TestChecksumsOfTheStandardsAreComputed(t *testing.T) {
	// The check values of the catalogue of CRC algorithms, over "123456789".
	for algorithm, want := range map[string]string{"CRC32": "y/Q5Jg==", "CRC32C": "4waSgw==", "CRC64NVME": "rosUhgp5mIg="} {
		if got := b64(sumOf(algorithm, []byte("123456789"))); got != want {
			t.Errorf("%s: got %s, want %s", algorithm, got, want)
		}
	}
}

func TestChecksumsOfTwoTextsCombine(t *testing.T) {
	for _, algorithm := range []string{"CRC32", "CRC32C", "CRC64NVME"} {
		for _, sizes := range [][2]int{{0, 0}, {0, 5}, {5, 0}, {1, 1}, {9, 100}, {4096, 65537}, {1 << 20, 3}} {
			a, b := noise(1, sizes[0]), noise(2, sizes[1])
			got, ok := disk.Combine(algorithm, sumOf(algorithm, a), sumOf(algorithm, b), int64(len(b)))
			if want := sumOf(algorithm, append(a, b...)); !ok || !bytes.Equal(got, want) {
				t.Errorf("%s of %v: got %x, want %x", algorithm, sizes, got, want)
			}
		}
	}
	if _, ok := disk.Combine("SHA256", sumOf("SHA256", nil), sumOf("SHA256", nil), 0); ok {
		t.Error("SHA-256 was combined")
	}
}

func TestChecksumOfTheWholeComesFromThoseOfTheParts(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		one, two := noise(1, objects.MinPartSize), noise(2, 1000)
		whole := slices.Concat(one, two)
		for _, algorithm := range []string{"CRC32", "CRC32C", "CRC64NVME", "SHA256"} {
			for _, kind := range []string{"FULL_OBJECT", "COMPOSITE", ""} {
				if algorithm == "SHA256" && kind == "FULL_OBJECT" || algorithm == "CRC64NVME" && kind == "COMPOSITE" {
					continue // S3 has no such
				}
				want := b64(sumOf(algorithm, whole))
				if kind == "COMPOSITE" || kind == "" && algorithm != "CRC64NVME" {
					want = b64(sumOf(algorithm, slices.Concat(sumOf(algorithm, one), sumOf(algorithm, two)))) + "-2"
				}
				u := s.begin(t, "big", objects.Checksum{Algorithm: algorithm, Type: kind})
				declared := objects.Checksum{Algorithm: algorithm, Type: "FULL_OBJECT", Value: b64(sumOf(algorithm, one))}
				a, err := s.PutPart(t.Context(), u, 1, bytesOf(one, declared))
				if err != nil {
					t.Fatal(err)
				}
				b := s.part(t, u, 2, two) // without one: it is computed
				c := completion(u, a, b)
				c.Checksum = objects.Checksum{Algorithm: algorithm, Value: want}
				o, err := s.Complete(t.Context(), c)
				if err != nil || o.Checksum.Value != want {
					t.Errorf("%s %s: got %+v, %v; want %s", algorithm, kind, o.Checksum, err, want)
				}
			}
		}
	})
}

func TestAbortedUploadLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		u := s.begin(t, "big")
		s.part(t, u, 1, noise(1, 20))
		s.part(t, u, 1, noise(2, 20))
		p := s.part(t, u, 2, noise(3, 20))
		if err := s.Abort(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		wants(t, "once more", s.Abort(t.Context(), u), objects.ErrNoSuchUpload)
		_, err := s.PutPart(t.Context(), u, 3, text("x"))
		wants(t, "a part", err, objects.ErrNoSuchUpload)
		_, err = s.Complete(t.Context(), completion(u, p))
		wants(t, "complete", err, objects.ErrNoSuchUpload)
		_, _, _, err = s.Parts(t.Context(), u, 0, 10)
		wants(t, "list parts", err, objects.ErrNoSuchUpload)
		s.sweep(t)
		s.nothingLeft(t)
	})
}

func TestObjectOfOneEmptyPartIsEmpty(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		u := s.begin(t, "a")
		if _, err := s.Complete(t.Context(), completion(u, s.part(t, u, 1, nil))); err != nil {
			t.Fatal(err)
		}
		if got := s.get(t, ref("a")); got != "" {
			t.Errorf("got %q, want nothing", got)
		}
		if got, err := read(t.Context(), s.Store, objects.Get{Ref: ref("a"), Part: 1}); err != nil || len(got) != 0 {
			t.Errorf("part 1: got %q, %v", got, err)
		}
		s.delete(t, ref("a"))
		s.sweep(t)
		s.nothingLeft(t)
	})
}

func TestUploadsArePaged(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		var want []string
		for _, key := range []string{"a", "b/1", "b/2", "c"} {
			for range 3 {
				want = append(want, s.begin(t, key).ID)
			}
		}
		all, err := s.Uploads(t.Context(), objects.List{Bucket: bucket, Max: 1000})
		if err != nil || len(all.Uploads) != 12 || all.Next != "" {
			t.Fatalf("got %d uploads and %q, %v", len(all.Uploads), all.Next, err)
		}
		for _, u := range all.Uploads {
			if !slices.Contains(want, u.ID) || u.By != "AKIA1" || u.Begun.IsZero() {
				t.Errorf("got %+v", u)
			}
		}
		for size := 1; size < 13; size++ {
			var got []objects.Upload
			l := objects.List{Bucket: bucket, Max: size}
			for {
				p, err := s.Uploads(t.Context(), l)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, p.Uploads...)
				if p.Next == "" {
					break
				}
				l.After, l.AfterID = p.Next, p.NextID
			}
			same(t, "pages", got, all.Uploads)
		}
		p, err := s.Uploads(t.Context(), objects.List{Bucket: bucket, Max: 4, Delimiter: "/"})
		if err != nil || len(p.Uploads) != 3 || !slices.Equal(p.Prefixes, []string{"b/"}) || p.Next != "b/" {
			t.Errorf("folders: got %+v, %v", p, err)
		}
		p, err = s.Uploads(t.Context(), objects.List{Bucket: bucket, Max: 4, After: "b/2"})
		if err != nil || len(p.Uploads) != 3 || p.Uploads[0].Key != "c" {
			t.Errorf("after a key: got %+v, %v", p, err)
		}
	})
}

func TestOneOfManyThatEndAnUploadWins(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		for range 8 {
			u := s.begin(t, "big")
			one := s.part(t, u, 1, noise(1, 100))
			var mu sync.Mutex
			var completed, aborted, put int
			var all sync.WaitGroup
			race := func(count *int, f func() error) {
				all.Go(func() {
					err := f()
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						*count++
					} else if !slices.ContainsFunc([]error{objects.ErrNoSuchUpload, objects.ErrInvalidPart}, func(e error) bool { return errors.Is(err, e) }) {
						t.Errorf("got %v", err)
					}
				})
			}
			for range 3 {
				race(&completed, func() error { _, err := s.Complete(t.Context(), completion(u, one)); return err })
				race(&aborted, func() error { return s.Abort(t.Context(), u) })
				race(&put, func() error { _, err := s.PutPart(t.Context(), u, 2, bytesOf(noise(2, 100))); return err })
			}
			all.Wait()
			_, err := s.Head(t.Context(), objects.Get{Ref: ref("big")})
			switch {
			case aborted == 1 && completed == 0:
				wants(t, "aborted", err, objects.ErrNoSuchKey)
			case aborted == 0 && completed > 0: // those that come late get the same answer
				if got := s.get(t, ref("big")); got != string(noise(1, 100)) {
					t.Error("the object is not what the completion named")
				}
				s.delete(t, ref("big"))
			default:
				t.Fatalf("completed %d times, aborted %d times", completed, aborted)
			}
			s.sweep(t)
			s.nothingLeft(t)
		}
	})
}

func TestPartIsCopied(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.put(t, "source", "0123456789")
		u := s.begin(t, "copy")
		p, err := s.CopyPart(t.Context(), u, 1, objects.Get{Ref: ref("source"), Range: &objects.Range{First: 2, Last: 5}})
		if err != nil || p.Size != 4 || p.ETag != md5Of([]byte("2345")) {
			t.Fatalf("got %+v, %v", p, err)
		}
		_, err = s.CopyPart(t.Context(), u, 1, objects.Get{Ref: ref("source"), Conditions: objects.Conditions{IfNoneMatch: "*"}})
		wants(t, "condition", err, objects.ErrPrecondition)
		_, err = s.CopyPart(t.Context(), u, 1, objects.Get{Ref: ref("nothing")})
		wants(t, "source", err, objects.ErrNoSuchKey)
		if _, err := s.Complete(t.Context(), completion(u, p)); err != nil {
			t.Fatal(err)
		}
		s.delete(t, ref("source"))
		s.sweep(t)
		if got := s.get(t, ref("copy")); got != "2345" {
			t.Errorf("got %q, want 2345", got)
		}
	})
}
