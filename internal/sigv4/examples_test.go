package sigv4_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"signet/internal/sigv4"
)

// What the examples of the S3 documentation ("Authenticating Requests (AWS Signature
// Version 4)") are signed with.
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

func exampleTime() time.Time { return time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC) }

func exampleOptions() sigv4.Options {
	return sigv4.Options{Now: exampleTime(), Region: "us-east-1", Service: "s3"}
}

func exampleCredential() *sigv4.Credential {
	return sigv4.NewCredential(exampleKey, exampleSecret, "", nil)
}

// only is a lookup that knows these credentials.
func only(credentials ...*sigv4.Credential) sigv4.KeyLookup {
	return func(_ context.Context, accessKeyID, _ string) (*sigv4.Credential, error) {
		for _, c := range credentials {
			if c.AccessKeyID() == accessKeyID {
				return c, nil
			}
		}
		return nil, nil
	}
}

// request reads a request as a server does; its text has \n for \r\n before the body.
func request(tb testing.TB, head, body string) *http.Request {
	tb.Helper()
	text := strings.ReplaceAll(strings.TrimSuffix(head, "\n"), "\n", "\r\n") + "\r\n\r\n" + body
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		tb.Fatalf("request: %v", err)
	}
	return r.WithContext(tb.Context())
}

const signedWith = "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"

func TestExamplesOfTheDocumentationVerify(t *testing.T) {
	for name, c := range map[string]struct{ head, body string }{
		"GET of an object": {head: "GET /test.txt HTTP/1.1\nHost: examplebucket.s3.amazonaws.com\nRange: bytes=0-9\n" +
			"x-amz-content-sha256: " + emptyHash + "\nx-amz-date: 20130524T000000Z\n" +
			signedWith + "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date," +
			"Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		"PUT of an object": {
			head: "PUT /test$file.text HTTP/1.1\nHost: examplebucket.s3.amazonaws.com\n" +
				"Date: Fri, 24 May 2013 00:00:00 GMT\nContent-Length: 21\nx-amz-date: 20130524T000000Z\n" +
				"x-amz-storage-class: REDUCED_REDUNDANCY\n" +
				"x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\n" +
				signedWith + "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class," +
				"Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
			body: "Welcome to Amazon S3.",
		},
		"GET of a bucket's lifecycle": {head: "GET /?lifecycle HTTP/1.1\nHost: examplebucket.s3.amazonaws.com\n" +
			"x-amz-date: 20130524T000000Z\nx-amz-content-sha256: " + emptyHash + "\n" +
			signedWith + "SignedHeaders=host;x-amz-content-sha256;x-amz-date," +
			"Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		"list of objects": {head: "GET /?max-keys=2&prefix=J HTTP/1.1\nHost: examplebucket.s3.amazonaws.com\n" +
			"x-amz-date: 20130524T000000Z\nx-amz-content-sha256: " + emptyHash + "\n" +
			signedWith + "SignedHeaders=host;x-amz-content-sha256;x-amz-date," +
			"Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
		"presigned GET": {head: "GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F" +
			"us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&" +
			"X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1\n" +
			"Host: examplebucket.s3.amazonaws.com"},
	} {
		t.Run(name, func(t *testing.T) {
			id, body, err := sigv4.Verify(request(t, c.head, c.body), only(exampleCredential()), exampleOptions())
			if err != nil {
				t.Fatalf("Verify: %v", err)
			}
			if id.AccessKeyID != exampleKey || !id.SignedAt.Equal(exampleTime()) {
				t.Errorf("identity: got %s at %s", id.AccessKeyID, id.SignedAt)
			}
			if got, err := io.ReadAll(body); err != nil || string(got) != c.body {
				t.Errorf("body: got %q, %v", got, err)
			}
		})
	}
}

// The example signs 65 KiB of the letter a, in chunks of 64 KiB.
func TestChunksOfTheDocumentationVerify(t *testing.T) {
	head := "PUT /examplebucket/chunkObject.txt HTTP/1.1\nHost: s3.amazonaws.com\nx-amz-date: 20130524T000000Z\n" +
		"x-amz-storage-class: REDUCED_REDUNDANCY\n" +
		signedWith + "SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;" +
		"x-amz-decoded-content-length;x-amz-storage-class," +
		"Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9\n" +
		"x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\nContent-Encoding: aws-chunked\n" +
		"x-amz-decoded-content-length: 66560\nContent-Length: 66824"
	body := "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
	_, b, err := sigv4.Verify(request(t, head, body), only(exampleCredential()), exampleOptions())
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	if got, err := io.ReadAll(b); err != nil || string(got) != strings.Repeat("a", 66560) {
		t.Errorf("body: got %d bytes, %v", len(got), err)
	}
}

func TestTrailerOfTheDocumentationVerifies(t *testing.T) {
	head := "PUT /examplebucket/chunkObject.txt HTTP/1.1\nHost: s3.amazonaws.com\nx-amz-date: 20130524T000000Z\n" +
		"x-amz-storage-class: REDUCED_REDUNDANCY\n" +
		signedWith + "SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;" +
		"x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer," +
		"Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e\n" +
		"x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\nContent-Encoding: aws-chunked\n" +
		"x-amz-decoded-content-length: 66560\nx-amz-trailer: x-amz-checksum-crc32c\nTransfer-Encoding: chunked"
	body := "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
	for name, trailer := range map[string]string{
		`lines that end with \n\r\n`: "x-amz-checksum-crc32c:sOO8/Q==\n\r\n" +
			"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
		`lines that end with \r\n`: "x-amz-checksum-crc32c:sOO8/Q==\r\n" +
			"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, head, "")
			r.Body = io.NopCloser(strings.NewReader(body + trailer))
			_, b, err := sigv4.Verify(r, only(exampleCredential()), exampleOptions())
			if err != nil {
				t.Fatalf("Verify: %v", err)
			}
			if got, err := io.ReadAll(b); err != nil || string(got) != strings.Repeat("a", 66560) {
				t.Fatalf("body: got %d bytes, %v", len(got), err)
			}
			if got := b.Checksums(); len(got) != 1 || got[0] != (sigv4.Checksum{Algorithm: "CRC32C", Value: "sOO8/Q=="}) {
				t.Errorf("checksums: got %v", got)
			}
		})
	}
}
