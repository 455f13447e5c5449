package sigv4

import (
	"crypto/md5"  //nolint:gosec // Content-MD5 (RFC 1864)
	"crypto/sha1" //nolint:gosec // x-amz-checksum-sha1
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"net/http"
	"strings"

	"github.com/minio/crc64nvme"
)

// A Checksum of a body.
type Checksum struct {
	Algorithm string // CRC32, CRC32C, CRC64NVME, SHA1 or SHA256
	Value     string // base64, CRCs big endian
}

const checksumPrefix = "x-amz-checksum-"

// algorithms are the names after the prefix.
func algorithms() [5]string { return [...]string{"crc32", "crc32c", "crc64nvme", "sha1", "sha256"} }

func newHash(name string) hash.Hash {
	switch name {
	case "crc32":
		return crc32.NewIEEE()
	case "crc32c":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "crc64nvme":
		return crc64nvme.New()
	case "sha1":
		return sha1.New() //nolint:gosec // asked for by the client
	case "sha256":
		return sha256.New()
	}
	return nil
}

// A declared checksum is what a request says that its body has.
type declared struct {
	name    string // crc32 and so on; "" for none
	value   string // base64
	trailer bool   // the value comes after the body
}

// declaredOf reads x-amz-checksum-* and x-amz-trailer, of which there may be one.
func declaredOf(h http.Header, p payload, ofObject bool) (declared, error) {
	var d declared
	if p.trailer() {
		name, ok := strings.CutPrefix(strings.ToLower(headerValue(h, "x-amz-trailer")), checksumPrefix)
		if !ok || newHash(name) == nil {
			return d, invalidRequest("The value specified in the x-amz-trailer header is not supported")
		}
		d = declared{name: name, trailer: true}
	} else if headerValues(h, "x-amz-trailer") != nil {
		return d, invalidRequest("The x-amz-trailer header needs a payload with a trailer")
	}
	if err := onlyKnownChecksums(h); err != nil || ofObject {
		return d, err
	}
	for _, name := range algorithms() {
		values := headerValues(h, checksumPrefix+name)
		if values == nil {
			continue
		}
		if d.name != "" || len(values) > 1 {
			return d, invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		d = declared{name: name, value: values[0]}
		if !d.wellFormed() {
			return d, invalidRequest("Value for " + checksumPrefix + name + " header is invalid.")
		}
	}
	if said := headerValue(h, "x-amz-sdk-checksum-algorithm"); said != "" && d.name != "" && !strings.EqualFold(said, d.name) {
		return d, invalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	return d, nil
}

// onlyKnownChecksums refuses checksums of other algorithms: who sends one means it to be
// checked.
func onlyKnownChecksums(h http.Header) error {
	for name := range h {
		rest, ok := strings.CutPrefix(name, "X-Amz-Checksum-")
		if !ok || rest == "Type" || rest == "Mode" || rest == "Algorithm" || newHash(strings.ToLower(rest)) != nil {
			continue
		}
		return invalidRequest("Checksum algorithm " + rest + " is not supported here: use CRC32, CRC32C, CRC64NVME, SHA1 or SHA256")
	}
	return nil
}

// ofObject reports whether the checksum in the header is not of the body: that of
// CompleteMultipartUpload is of the object which the parts make.
func ofObject(r *http.Request) bool {
	return r.Method == http.MethodPost && has(r.URL.RawQuery, "uploadId")
}

func (d declared) wellFormed() bool {
	sum, err := base64.StdEncoding.Strict().DecodeString(d.value)
	return err == nil && len(sum) == newHash(d.name).Size()
}

// A witness hashes a body and holds it to what was said of it.
type witness struct {
	sha256 hash.Hash // of the payload hash, and of the checksum of that name
	sum    hash.Hash // of another checksum
	md5    hash.Hash

	payload payload
	declared
	contentMD5 string
}

func newWitness(h http.Header, p payload, ofObject bool) (witness, error) {
	w := witness{payload: p}
	var err error
	if w.declared, err = declaredOf(h, p, ofObject); err != nil {
		return w, err
	}
	if values := h["Content-Md5"]; values != nil {
		w.contentMD5 = values[0]
		sum, err := base64.StdEncoding.Strict().DecodeString(w.contentMD5)
		if err != nil || len(sum) != md5.Size || len(values) > 1 {
			return w, refuse(http.StatusBadRequest, "InvalidDigest", "The Content-MD5 you specified was invalid.").
				with("Content-MD5", strings.Join(values, ","))
		}
		w.md5 = md5.New() //nolint:gosec // RFC 1864
	}
	if p.kind == Hashed || w.name == "sha256" {
		w.sha256 = sha256.New()
	}
	if w.name != "" && w.name != "sha256" {
		w.sum = newHash(w.name)
	}
	return w, nil
}

func (w *witness) write(p []byte) {
	for _, h := range [...]hash.Hash{w.sha256, w.sum, w.md5} {
		if h != nil {
			h.Write(p)
		}
	}
}

// sums are what a body was found to have, as far as it was of interest.
type sums struct{ sha256, sum, md5 []byte }

// prove holds the hashes to what was declared.
func (w *witness) prove() (sums, error) {
	var s sums
	if w.sha256 != nil {
		s.sha256 = w.sha256.Sum(nil)
	}
	if got := hex.EncodeToString(s.sha256); w.payload.kind == Hashed && got != w.payload.hash {
		return s, refuse(http.StatusBadRequest, "XAmzContentSHA256Mismatch",
			"The provided 'x-amz-content-sha256' header does not match what was computed.").
			with("ClientComputedContentSHA256", w.payload.hash).
			with("S3ComputedContentSHA256", got)
	}
	if w.md5 != nil {
		s.md5 = w.md5.Sum(nil)
		if got := base64.StdEncoding.EncodeToString(s.md5); got != w.contentMD5 {
			return s, badDigest("The Content-MD5 you specified did not match what we received.", w.contentMD5, got)
		}
	}
	if w.name == "" {
		return s, nil
	}
	if s.sum = s.sha256; w.sum != nil {
		s.sum = w.sum.Sum(nil)
	}
	if got := base64.StdEncoding.EncodeToString(s.sum); got != w.value {
		return s, badDigest("The "+strings.ToUpper(w.name)+" you specified did not match the calculated checksum.", w.value, got)
	}
	return s, nil
}

func badDigest(message, want, got string) error {
	return refuse(http.StatusBadRequest, "BadDigest", message).
		with("ExpectedDigest", want).with("CalculatedDigest", got)
}
