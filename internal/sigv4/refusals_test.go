package sigv4_test

import (
	"strings"
	"testing"
	"time"

	"signet/internal/sigv4"
)

const (
	streamingSigned   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamingTrailer  = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamingUnsigned = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	helloCRC32        = "DUoRhQ==" // of "hello world"
)

// A refusal is a request that is answered with an error.
type refusal struct {
	name    string
	text    string
	status  int
	code    string
	message string // a part of it
	details []string
}

// at are the options of a client whose clock is off.
func at(off time.Duration) sigv4.Options {
	o := exampleOptions()
	o.Now = o.Now.Add(off)
	return o
}

func change(text, from, to string) string {
	if !strings.Contains(text, from) {
		panic("not in the request: " + from)
	}
	return strings.Replace(text, from, to, 1)
}

// without drops a header from a request.
func without(text, name string) string {
	before, after, _ := strings.Cut(text, "\r\n"+name+": ")
	_, after, _ = strings.Cut(after, "\r\n")
	return before + "\r\n" + after
}

func credentialsRefused(t *testing.T) []refusal {
	stranger := sigv4.NewCredential("AKIANOBODY", exampleSecret, "", nil)
	other := sigv4.NewCredential(exampleKey, "another secret", "", nil)
	d := draft{method: "GET", target: "/bucket/key"}
	session := func(token string) string {
		return signedBy(t, sigv4.NewCredential(sessionKey, exampleSecret, token, nil), exampleOptions(), d, emptyHash)
	}
	return []refusal{
		{"no credentials", d.text(), 403, "AccessDenied", "Access Denied", nil},
		{"unknown key", signedBy(t, stranger, exampleOptions(), d, emptyHash), 403, "InvalidAccessKeyId", "does not exist in our records", []string{"AWSAccessKeyId=AKIANOBODY"}},
		{
			"wrong secret", signedBy(t, other, exampleOptions(), d, emptyHash), 403, "SignatureDoesNotMatch", "does not match the signature you provided",
			[]string{"AWSAccessKeyId=" + exampleKey, "StringToSign=AWS4-HMAC-SHA256\n20130524T000000Z\n", "CanonicalRequest=GET\n/bucket/key\n\nhost:s3.example.com\n", "StringToSignBytes=41 57 53 34", "SignatureProvided="},
		},
		{"path that is not the signed one", change(get(t), "/bucket/key", "/bucket/kez"), 403, "SignatureDoesNotMatch", "", nil},
		{"signature with a character too many", get(t)[:len(get(t))-4] + "0\r\n\r\n", 403, "SignatureDoesNotMatch", "", nil},
		{"signature in capitals", change(get(t), signature(get(t)), strings.ToUpper(signature(get(t)))), 403, "SignatureDoesNotMatch", "", nil},
		{"session token of another session", session("another"), 400, "InvalidToken", "malformed or otherwise invalid", nil},
		{"session without its token", session(""), 400, "InvalidToken", "", nil},
		{"session that ended", session("ended"), 400, "ExpiredToken", "expired", nil},
		{"signature of version 2", "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: AWS AKID:c2ln\r\n\r\n", 400, "InvalidRequest", "signature_version=s3v4", nil},
		{"presigned with version 2", "GET /b/k?AWSAccessKeyId=A&Expires=1&Signature=c2ln HTTP/1.1\r\nHost: a\r\n\r\n", 400, "InvalidRequest", "signature_version=s3v4", nil},
		{"signature of version 4A", change(get(t), "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), 400, "InvalidRequest", "SigV4A", nil},
		{"bearer token", "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n", 400, "InvalidArgument", "Unsupported Authorization Type", []string{"ArgumentName=Authorization"}},
		{"header and query", change(presigned(t, exampleOptions()), "\r\n\r\n", "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a\r\n\r\n"), 400, "InvalidArgument", "Only one auth mechanism allowed", nil},
		{"two headers", change(get(t), "\r\nAuthorization", "\r\nAuthorization: AWS4-HMAC-SHA256 x\r\nAuthorization"), 400, "AuthorizationHeaderMalformed", "more than one", nil},
		{"broken escape in the query", change(get(t), "/bucket/key", "/bucket/key?a=%2"), 400, "InvalidURI", "", nil},
	}
}

func timesRefused(t *testing.T) []refusal {
	d := draft{method: "GET", target: "/bucket/key"}
	early := signedBy(t, exampleCredential(), at(-15*time.Minute-time.Second), d, emptyHash)
	late := signedBy(t, exampleCredential(), at(15*time.Minute+time.Second), d, emptyHash)
	skewed := []string{"RequestTime=20130523T234459Z", "ServerTime=2013-05-24T00:00:00Z", "MaxAllowedSkewMilliseconds=900000"}
	return []refusal{
		{"signed 15 minutes and a second ago", early, 403, "RequestTimeTooSkewed", "too large", skewed},
		{"signed in 15 minutes and a second", late, 403, "RequestTimeTooSkewed", "too large", nil},
		{"no date", without(get(t), "X-Amz-Date"), 403, "AccessDenied", "valid Date or x-amz-date", nil},
		{"date that is none", change(get(t), "X-Amz-Date: 20130524T000000Z", "X-Amz-Date: 20130524T996000Z"), 403, "AccessDenied", "valid Date or x-amz-date", nil},
		{"two dates", change(get(t), "X-Amz-Date:", "X-Amz-Date: 20130524T000000Z\r\nX-Amz-Date:"), 403, "AccessDenied", "", nil},
		{"presigned that expired", presigned(t, at(-time.Hour-time.Second)), 403, "AccessDenied", "Request has expired", []string{"X-Amz-Expires=3600", "Expires=2013-05-23T23:59:59Z"}},
		{"presigned for later", presigned(t, at(15*time.Minute+time.Second)), 403, "AccessDenied", "not valid yet", nil},
	}
}

func headersMalformed(t *testing.T) []refusal {
	const code = "AuthorizationHeaderMalformed"
	const day = "20130524/us-east-1/s3/aws4_request"
	return []refusal{
		{"scope of another region", change(get(t), "us-east-1", "eu-west-1"), 400, code, "the region 'eu-west-1' is wrong; expecting 'us-east-1'", []string{"Region=us-east-1"}},
		{"scope of another service", change(get(t), "/s3/", "/ec2/"), 400, code, `incorrect service "ec2". This endpoint belongs to "s3".`, nil},
		{"scope with another end", change(get(t), "aws4_request", "aws5_request"), 400, code, `incorrect terminal "aws5_request"`, nil},
		{"scope of another day", change(get(t), "/20130524", "/20130523"), 400, code, `Invalid credential date "20130523"`, nil},
		{"scope with a day that is none", change(get(t), "/20130524", "/2013-05-24"), 400, code, "yyyyMMdd", nil},
		{"credential of three parts", change(get(t), day, "20130524/us-east-1"), 400, code, "the Credential is mal-formed", nil},
		{"credential of six parts", change(get(t), day, day+"/more"), 400, code, "the Credential is mal-formed", nil},
		{"credential without a key", change(get(t), exampleKey, ""), 400, code, "a non-empty Access Key", nil},
		{"no SignedHeaders", change(get(t), "SignedHeaders=", "SignedHeader="), 400, code, "requires three components", nil},
		{"empty signature", change(get(t), signature(get(t)), ""), 400, code, "requires three components", nil},
		{"two signatures", change(get(t), "Signature=", "Signature=aa, Signature="), 400, code, "requires three components", nil},
		{"nothing but the algorithm", "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: AWS4-HMAC-SHA256\r\n\r\n", 400, code, "requires three components", nil},
		{"signed headers in capitals", change(get(t), "SignedHeaders=host", "SignedHeaders=Host"), 400, code, "SignedHeaders", nil},
		{"signed headers that are not sorted", change(get(t), "host;x-amz-content-sha256", "x-amz-content-sha256;host"), 400, code, "SignedHeaders", nil},
		{"signed header twice", change(get(t), "host;", "host;host;"), 400, code, "SignedHeaders", nil},
	}
}

func queriesMalformed(t *testing.T) []refusal {
	const code = "AuthorizationQueryParametersError"
	good := presigned(t, exampleOptions())
	return []refusal{
		{"presigned for another region", change(good, "us-east-1", "eu-west-1"), 400, code, "Error parsing the X-Amz-Credential parameter; the region 'eu-west-1' is wrong", []string{"Region=us-east-1"}},
		{"presigned for another service", change(good, "%2Fs3%2F", "%2Fec2%2F"), 400, code, `incorrect service "ec2"`, nil},
		{"presigned with another end", change(good, "aws4_request", "aws5_request"), 400, code, "incorrect terminal", nil},
		{"presigned on another day than its scope", change(good, "%2F20130524", "%2F20130523"), 400, code, "Invalid credential date", nil},
		{"presigned with a broken credential", change(good, "%2Faws4_request", ""), 400, code, "the Credential is mal-formed", nil},
		{"presigned with another algorithm", change(good, "X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=AWS4-HMAC-SHA1"), 400, code, "X-Amz-Algorithm only supports", nil},
		{"presigned with a date that is none", change(good, "X-Amz-Date=20130524T000000Z", "X-Amz-Date=today"), 400, code, "ISO8601 Long Format", nil},
		{"presigned without Expires", change(good, "X-Amz-Expires=3600&", ""), 400, code, "requires the X-Amz-Algorithm", nil},
		{"presigned with an empty signature", change(good, "X-Amz-Signature="+good[strings.Index(good, "X-Amz-Signature=")+16:][:64], "X-Amz-Signature="), 400, code, "requires the X-Amz-Algorithm", nil},
		{"presigned for no time", change(good, "Expires=3600", "Expires=0"), 400, code, "at least one second", nil},
		{"presigned for a negative time", change(good, "Expires=3600", "Expires=-1"), 400, code, "must be non-negative", nil},
		{"presigned for more than a week", change(good, "Expires=3600", "Expires=604801"), 400, code, "less than a week", nil},
		{"presigned for a word", change(good, "Expires=3600", "Expires=hour"), 400, code, "should be a number", nil},
		{"presigned with two expiries", change(good, "?", "?X-Amz-Expires=604800&"), 400, code, "only once", nil},
		{"presigned with an expiry under another spelling", change(good, "?", "?X-Amz-%45xpires=604800&"), 400, code, "only once", nil},
		{"presigned with a token under another spelling", change(good, "?", "?X-Amz-%53ecurity-Token=t&"), 400, code, "only once", nil},
		{"presigned with the signature alone", "GET /b/k?X-Amz-Signature=aa HTTP/1.1\r\nHost: a\r\n\r\n", 400, code, "requires the X-Amz-Algorithm", nil},
		{"presigned with version 4A", change(good, "X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256"), 400, "InvalidRequest", "SigV4A", nil},
		{"presigned with an expiry that was changed", change(good, "Expires=3600", "Expires=3601"), 403, "SignatureDoesNotMatch", "", nil},
		{"presigned with a parameter that was added", change(good, "?", "?acl&"), 403, "SignatureDoesNotMatch", "", nil},
	}
}

func headersRefused(t *testing.T) []refusal {
	const text = "headers present in the request which were not signed"
	added := func(text, header string) string { return change(text, "\r\n\r\n", "\r\n"+header+"\r\n\r\n") }
	return []refusal{
		{"x-amz header that is not signed", added(get(t), "X-Amz-Acl: public-read"), 403, "AccessDenied", text, []string{"HeadersNotSigned=x-amz-acl"}},
		{"two x-amz headers that are not signed", added(added(get(t), "x-amz-meta-b: 1"), "x-amz-meta-a: 1"), 403, "AccessDenied", text, []string{"HeadersNotSigned=x-amz-meta-a, x-amz-meta-b"}},
		{"session token that is not signed", added(get(t), "x-amz-security-token: t"), 403, "AccessDenied", text, []string{"HeadersNotSigned=x-amz-security-token"}},
		{"host that is not signed", change(get(t), "SignedHeaders=host;", "SignedHeaders="), 403, "AccessDenied", text, []string{"HeadersNotSigned=host"}},
		{"signed x-amz header that stands in for one that is not", added(change(get(t), ";x-amz-date", ";x-amz-date;x-amz-no"), "x-amz-acl: a"), 403, "AccessDenied", text, []string{"HeadersNotSigned=x-amz-acl"}},
		{"presigned with an x-amz header", added(presigned(t, exampleOptions()), "x-amz-acl: public-read"), 403, "AccessDenied", text, []string{"HeadersNotSigned=x-amz-acl"}},
		{"presigned with a header that its query gainsays", added(presigned(t, exampleOptions()), "x-amz-expires: 7200"), 403, "AccessDenied", text, nil},
		{"no payload hash", without(get(t), "X-Amz-Content-Sha256"), 400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256", nil},
		{"payload hash that is none", change(get(t), "Sha256: "+emptyHash, "Sha256: STREAMING"), 400, "InvalidArgument", "x-amz-content-sha256 must be", []string{"ArgumentName=x-amz-content-sha256", "ArgumentValue=STREAMING"}},
		{"payload in chunks of version 4A", signed(t, draft{method: "PUT", target: "/b/k"}, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), 400, "InvalidRequest", "SigV4A", nil},
	}
}

func bodiesRefused(t *testing.T) []refusal {
	hello := func(headers ...string) string { return put(t, "hello world", headers...) }
	tooLong := strings.Repeat("x", 1001)
	return []refusal{
		{
			"body that is not its hash", change(hello(), "hello world", "hello worle"), 400, "XAmzContentSHA256Mismatch", "does not match what was computed",
			[]string{"ClientComputedContentSHA256=" + hashOf("hello world"), "S3ComputedContentSHA256=" + hashOf("hello worle")},
		},
		{"no body and the hash of one", signed(t, draft{method: "GET", target: "/b/k"}, hashOf("x")), 400, "XAmzContentSHA256Mismatch", "", nil},
		{"body that is not its Content-MD5", hello("Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg=="), 400, "BadDigest", "Content-MD5", []string{"ExpectedDigest=1B2M2Y8AsgTpgAmY7PhCfg==", "CalculatedDigest=XrY7u+Ae7tCTyyK7j1rNww=="}},
		{"Content-MD5 that is none", hello("Content-MD5: 5eb63bbbe01eeed093cb22bb8f5acdc3"), 400, "InvalidDigest", "Content-MD5", []string{"Content-MD5=5eb6"}},
		{"body that is not its checksum", hello("x-amz-checksum-crc32: AAAAAA=="), 400, "BadDigest", "The CRC32 you specified did not match", []string{"CalculatedDigest=" + helloCRC32}},
		{"checksum that is not base64", hello("x-amz-checksum-crc32: !"), 400, "InvalidRequest", "Value for x-amz-checksum-crc32 header is invalid.", nil},
		{"checksum of another length", hello("x-amz-checksum-sha256: AAAAAA=="), 400, "InvalidRequest", "Value for x-amz-checksum-sha256 header is invalid.", nil},
		{"two checksums", hello("x-amz-checksum-crc32: "+helloCRC32, "x-amz-checksum-crc32c: yZRlqg=="), 400, "InvalidRequest", "Expecting a single x-amz-checksum- header", nil},
		{"checksum that stands twice", hello("x-amz-checksum-crc32: "+helloCRC32, "x-amz-checksum-crc32: "+helloCRC32), 400, "InvalidRequest", "Expecting a single", nil},
		{"empty body that is not its checksum", put(t, "", "x-amz-checksum-crc32: "+helloCRC32), 400, "BadDigest", "", nil},
		{"trailer without chunks", hello("x-amz-trailer: x-amz-checksum-crc32"), 400, "InvalidRequest", "x-amz-trailer", nil},
		{
			"no length", signed(t, draft{"PUT", "/b/k", []string{"Transfer-Encoding: chunked"}, "0\r\n\r\n"}, "UNSIGNED-PAYLOAD"),
			411, "MissingContentLength", "You must provide the Content-Length HTTP header.", nil,
		},
		{"chunks without a decoded length", signed(t, draft{method: "PUT", target: "/b/k"}, streamingSigned), 411, "MissingContentLength", "", nil},
		{"decoded length that is none", signed(t, draft{"PUT", "/b/k", []string{"x-amz-decoded-content-length: -1"}, ""}, streamingSigned), 400, "InvalidArgument", "", nil},
		{"body over the limit", put(t, tooLong), 400, "EntityTooLarge", "exceeds the maximum", []string{"ProposedSize=1001", "MaxSizeAllowed=1000"}},
	}
}

func chunksRefused(t *testing.T) []refusal {
	const text = "hello world"
	plain := func(decoded int, body string) string {
		return streamed(t, streamingUnsigned, decoded, func(string) string { return body }, "x-amz-trailer: x-amz-checksum-crc32")
	}
	chain := func(chunks ...string) func(string) string {
		return func(seed string) string { return framing{signed: true, last: seed}.write(chunks...) }
	}
	trailer := func(f framing) string {
		return streamed(t, streamingTrailer, len(text), func(seed string) string {
			f.signed, f.last = true, seed
			return f.write(text)
		}, "x-amz-trailer: x-amz-checksum-crc32")
	}
	crc := "x-amz-checksum-crc32:" + helloCRC32 + "\r\n\r\n"
	zeros := strings.Repeat("0", 64)
	incomplete := func(name, text string) refusal {
		return refusal{name, text, 400, "IncompleteBody", "", nil}
	}
	framed := func(name, text string) refusal {
		return refusal{name, text, 400, "InvalidRequest", "aws-chunked body is not well-formed", nil}
	}
	badTrailer := func(name, text string) refusal {
		return refusal{name, text, 400, "MalformedTrailerError", "", nil}
	}
	return []refusal{
		{"chunk with other data", change(streamed(t, streamingSigned, 11, chain(text)), text, "hello worle"), 403, "SignatureDoesNotMatch", "", []string{"StringToSign=AWS4-HMAC-SHA256-PAYLOAD\n"}},
		{"chain that begins elsewhere", streamed(t, streamingSigned, 11, func(string) string { return framing{signed: true, last: zeros}.write(text) }), 403, "SignatureDoesNotMatch", "", nil},
		{"chunks that changed places", streamed(t, streamingSigned, 2, func(seed string) string {
			body := chain("a", "b")(seed)
			const size = 1 + len(";chunk-signature=") + 64 + len("\r\na\r\n")
			return body[size:2*size] + body[:size] + body[2*size:]
		}), 403, "SignatureDoesNotMatch", "", nil},
		{"last chunk with another signature", streamed(t, streamingSigned, 11, func(seed string) string {
			body := chain(text)(seed)
			return body[:len(body)-4-64] + zeros + "\r\n\r\n"
		}), 403, "SignatureDoesNotMatch", "", nil},
		{"trailer with another signature", trailer(framing{name: "x-amz-checksum-crc32", value: helloCRC32, trailer: zeros}), 403, "SignatureDoesNotMatch", "", []string{"StringToSign=AWS4-HMAC-SHA256-TRAILER\n"}},
		{"trailer with another checksum", trailer(framing{name: "x-amz-checksum-crc32", value: "AAAAAA=="}), 400, "BadDigest", "CRC32", nil},
		{"trailer with a checksum that is none", trailer(framing{name: "x-amz-checksum-crc32", value: "AAAA"}), 400, "InvalidRequest", "Value for x-amz-checksum-crc32 trailing header is invalid.", nil},
		badTrailer("trailer that was not announced", trailer(framing{name: "x-amz-checksum-crc32c", value: "yZRlqg=="})),
		badTrailer("announced trailer that does not come", plain(11, "b\r\nhello world\r\n0\r\n\r\n")),
		badTrailer("signed trailer without its signature", streamed(t, streamingTrailer, 11, func(seed string) string {
			return strings.TrimSuffix(chain(text)(seed), "\r\n") + crc
		}, "x-amz-trailer: x-amz-checksum-crc32")),
		badTrailer("trailer that comes twice", plain(11, "b\r\nhello world\r\n0\r\n"+strings.TrimSuffix(crc, "\r\n")+crc)),
		badTrailer("trailer without a colon", plain(11, "b\r\nhello world\r\n0\r\nx-amz-checksum-crc32\r\n\r\n")),
		{"trailer of a kind that is not known", streamed(t, streamingUnsigned, 11, func(string) string { return "" }, "x-amz-trailer: x-amz-checksum-md5"), 400, "InvalidRequest", "The value specified in the x-amz-trailer header is not supported", nil},
		{"payload with a trailer that is not named", streamed(t, streamingUnsigned, 11, func(string) string { return "" }), 400, "InvalidRequest", "x-amz-trailer", nil},
		incomplete("fewer bytes than announced", plain(12, "b\r\nhello world\r\n0\r\n"+crc)),
		incomplete("more bytes than announced", plain(10, "b\r\nhello worlz\r\n0\r\n"+crc)),
		incomplete("one chunk more than announced", plain(11, "b\r\nhello world\r\n1\r\nx\r\n0\r\n"+crc)),
		incomplete("end in a chunk", plain(11, "b\r\nhello")),
		incomplete("end before the last chunk", plain(11, "b\r\nhello world\r\n")),
		incomplete("end in the trailer", plain(11, "b\r\nhello world\r\n0\r\nx-amz-checksum")),
		framed("chunk without its line end", plain(11, "b\r\nhello worldx\r\n0\r\n"+crc)),
		framed("chunk with other bytes for its line end", plain(11, "b\r\nhello worldxy0\r\n"+crc)),
		framed("chunk size that is none", plain(11, "zz\r\nhello world\r\n0\r\n"+crc)),
		framed("chunk size with a sign", plain(11, "+b\r\nhello world\r\n0\r\n"+crc)),
		framed("chunk size of 65 bits", plain(11, "1000000000000000b\r\nhello world\r\n0\r\n"+crc)),
		framed("empty line for a chunk", plain(11, "\r\n\r\n")),
		framed("line that ends with a line feed alone", plain(11, "b\nhello world\r\n0\r\n"+crc)),
		framed("line without an end", plain(11, "b"+strings.Repeat(" ", 5000)+"\r\nhello world\r\n0\r\n"+crc)),
		framed("signature where none belongs", plain(11, "b;chunk-signature="+zeros+"\r\nhello world\r\n0\r\n"+crc)),
		framed("extension that is not known", plain(11, "b;a=b\r\nhello world\r\n0\r\n"+crc)),
		framed("no signature where one belongs", streamed(t, streamingSigned, 11, func(string) string { return "b\r\nhello world\r\n0\r\n\r\n" })),
		framed("bytes after the end", plain(11, "b\r\nhello world\r\n0\r\n"+crc+"GET / HTTP/1.1\r\n\r\n")),
	}
}

// Every row is sent on a connection of its own, and the connection must serve a good
// request after it: a refusal leaves no rest of a body behind.
func TestRefusalsAreThoseOfS3(t *testing.T) {
	o := exampleOptions()
	o.MaxBody = 1000
	address := serve(t, o)
	seen := map[string]bool{}
	for _, rows := range [][]refusal{
		credentialsRefused(t), timesRefused(t), headersMalformed(t), queriesMalformed(t),
		headersRefused(t), bodiesRefused(t), chunksRefused(t),
	} {
		for _, row := range rows {
			if seen[row.name] {
				t.Errorf("two rows are named %q", row.name)
			}
			seen[row.name] = true
			t.Run(row.name, func(t *testing.T) {
				w := dial(t, address)
				row.check(t, w.ask(t, row.text))
				if a := w.ask(t, get(t)); a.Status != 200 || a.Form != sigv4.Header {
					t.Errorf("next request of the connection: got %d %s %s", a.Status, a.Code, a.Message)
				}
			})
		}
	}
}

func (row refusal) check(t *testing.T, a answer) {
	t.Helper()
	if a.Status != row.status || a.Code != row.code || !strings.Contains(a.Message, row.message) {
		t.Errorf("got %d %s %q, want %d %s %q", a.Status, a.Code, a.Message, row.status, row.code, row.message)
	}
	for _, d := range row.details {
		name, want, _ := strings.Cut(d, "=")
		if got := a.detail(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
