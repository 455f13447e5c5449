package sigv4

import (
	"encoding/hex"
	"net/http"
	"strings"
)

// Payload is how a body is tied to the signature.
type Payload int

// The payloads.
const (
	Unsigned                 Payload = iota // UNSIGNED-PAYLOAD
	Hashed                                  // its SHA-256 is signed
	StreamingSigned                         // STREAMING-AWS4-HMAC-SHA256-PAYLOAD
	StreamingSignedTrailer                  // the same, with a signed trailer
	StreamingUnsignedTrailer                // STREAMING-UNSIGNED-PAYLOAD-TRAILER
)

const (
	unsignedPayload = "UNSIGNED-PAYLOAD"
	// emptyHash is the SHA-256 of nothing.
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// payload is what x-amz-content-sha256 says.
type payload struct {
	kind Payload
	hash string // in lower case hex, of Hashed
}

func (p payload) chunked() bool { return p.kind >= StreamingSigned }

// signed reports whether the chunks of a body have signatures.
func (p payload) signed() bool { return p.kind == StreamingSigned || p.kind == StreamingSignedTrailer }

// trailer reports whether a trailer comes after the chunks.
func (p payload) trailer() bool { return p.kind >= StreamingSignedTrailer }

// payloadOf reads x-amz-content-sha256, which the header form must have.
func (c *claim) payloadOf(r *http.Request) (payload, error) {
	if c.form == Header && headerValues(r.Header, "x-amz-content-sha256") == nil && c.signature != "" {
		return payload{}, invalidRequest("Missing required header for this request: x-amz-content-sha256")
	}
	switch text := c.hashText(r); text {
	case unsignedPayload:
		return payload{kind: Unsigned}, nil
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD":
		return payload{kind: StreamingSigned}, nil
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
		return payload{kind: StreamingSignedTrailer}, nil
	case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
		return payload{kind: StreamingUnsignedTrailer}, nil
	case "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER":
		return payload{}, signatureV4A()
	default:
		if !isSHA256(text) {
			return payload{}, invalidArgument("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "+
				"STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "+
				"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.", "x-amz-content-sha256", text)
		}
		return payload{kind: Hashed, hash: strings.ToLower(text)}, nil
	}
}

func isSHA256(text string) bool {
	var sum [32]byte
	if len(text) != 2*len(sum) {
		return false
	}
	_, err := hex.Decode(sum[:], []byte(text))
	return err == nil
}
