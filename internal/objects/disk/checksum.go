package disk

import (
	"crypto/sha1" //nolint:gosec // one of S3's checksums
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"io"
	"strconv"

	"github.com/minio/crc64nvme"

	"signet/internal/objects"
)

// The types of checksums of objects of parts.
const (
	fullObject = "FULL_OBJECT" // over all bytes
	composite  = "COMPOSITE"   // over the checksums of the parts
)

// The polynomials, reversed.
const (
	polyCRC32     = crc32.IEEE
	polyCRC32C    = crc32.Castagnoli
	polyCRC64NVME = 0x9a6c9329ac4bc9b5 // NVM Command Set Specification, section 5.2.1.3.4
)

// newHash returns nil for an algorithm that is not known.
func newHash(algorithm string) hash.Hash {
	switch algorithm {
	case "CRC32":
		return crc32.NewIEEE()
	case "CRC32C":
		return crc32.New(crc32.MakeTable(polyCRC32C))
	case "CRC64NVME":
		return crc64nvme.New()
	case "SHA1":
		return sha1.New() //nolint:gosec // as above
	case "SHA256":
		return sha256.New()
	}
	return nil
}

// withType says what kind of checksum an upload has where its client did not: over the
// whole where the algorithm can only do that, else over the parts.
func withType(c objects.Checksum) objects.Checksum {
	if c.Algorithm != "" && c.Type == "" {
		c.Type = composite
		if c.Algorithm == "CRC64NVME" {
			c.Type = fullObject
		}
	}
	return c
}

// wish is a checksum that an object shall have.
type wish struct {
	algorithm string // empty: what was declared
	any       bool   // another one that was declared will do
}

// usual is the checksum of objects whose client declares none, as S3's.
var usual = wish{"CRC64NVME", true}

// hashed computes a checksum of what is read.
type hashed struct {
	from      io.Reader
	sum       hash.Hash
	algorithm string
}

func (h hashed) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	h.sum.Write(p[:n])
	return n, err
}

func (h hashed) checksum() objects.Checksum {
	return objects.Checksum{Algorithm: h.algorithm, Type: fullObject, Value: base64.StdEncoding.EncodeToString(h.sum.Sum(nil))}
}

// ownBody is a body of bytes that we keep already.
type ownBody struct {
	io.Reader

	length int64
}

func (b ownBody) Length() int64                 { return b.length }
func (b ownBody) Checksums() []objects.Checksum { return nil }

// ofParts returns the checksum of an object by those of its parts, and none where a part
// has not the right one.
func ofParts(want objects.Checksum, parts []objects.Part) objects.Checksum {
	values := make([][]byte, len(parts))
	for i, p := range parts {
		value, err := base64.StdEncoding.DecodeString(p.Checksum.Value)
		if p.Checksum.Algorithm != want.Algorithm || err != nil {
			return objects.Checksum{}
		}
		values[i] = value
	}
	var value string
	if want.Type == composite {
		h := newHash(want.Algorithm)
		if h == nil {
			return objects.Checksum{}
		}
		for _, v := range values {
			h.Write(v)
		}
		value = base64.StdEncoding.EncodeToString(h.Sum(nil)) + "-" + strconv.Itoa(len(parts))
	} else {
		whole, ok := combineAll(want.Algorithm, values, parts)
		if !ok {
			return objects.Checksum{}
		}
		value = base64.StdEncoding.EncodeToString(whole)
	}
	return objects.Checksum{Algorithm: want.Algorithm, Type: want.Type, Value: value}
}
