package upstream_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/objectstest"
	"signet/internal/objects/upstream"
	"signet/internal/sigv4"
)

// recording is what a service was asked.
type recording struct {
	lock  sync.Mutex
	asked []recorded
}

type recorded struct {
	method, path, query string
	header              http.Header
	body                []byte
	whole               bool
}

func (rec *recording) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		e := recorded{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Clone(), nil, true}
		_, err := io.Copy(&b, r.Body)
		e.body, e.whole = b.Bytes(), err == nil
		rec.lock.Lock()
		rec.asked = append(rec.asked, e)
		rec.lock.Unlock()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(&b)
		next.ServeHTTP(w, r)
	})
}

// of returns what was asked of a path by a method.
func (rec *recording) of(method, path string) []recorded {
	rec.lock.Lock()
	defer rec.lock.Unlock()
	var all []recorded
	for _, e := range rec.asked {
		if e.method == method && e.path == path {
			all = append(all, e)
		}
	}
	return all
}

func TestServiceNeverSeesWhatIsNotForIt(t *testing.T) {
	rec := &recording{}
	h := objectstest.OnUpstream(t, nil, rec.watch)
	h.Send("PUT", "/files", "").Wants(t, "create", 200, "")
	h.Send("PUT", "/files/k", "content", "Cookie", "session=1", "X-Amz-Acl", "private", "X-Amz-Security-Token", "token", "X-Amz-Meta-A", "b",
		"X-Custom", "x", "X-Forwarded-For", "10.0.0.1").Wants(t, "put", 200, "")
	h.Send("GET", "/files/k?response-content-type=text%2Fhtml", "", "Cookie", "session=1", "X-Amz-Security-Token", "token").Wants(t, "get", 200, "")
	allowed := map[string]bool{
		"Authorization": true, "X-Amz-Date": true, "X-Amz-Content-Sha256": true, "Content-Type": true, "Content-Length": true, "User-Agent": true,
		"X-Amz-Meta-A": true,
	}
	asked := append(rec.of("PUT", "/files/k"), rec.of("GET", "/files/k")...)
	if len(asked) != 2 {
		t.Fatalf("got %d requests, want 2", len(asked))
	}
	for _, e := range asked {
		for name := range e.header {
			if !allowed[name] {
				t.Errorf("%s: the service saw %s: %s", e.method, name, e.header.Get(name))
			}
		}
		if strings.Contains(e.query, "response-") || !strings.Contains(e.header.Get("Authorization"), objectstest.OwnerKey) {
			t.Errorf("%s: query %q, authorization %q", e.method, e.query, e.header.Get("Authorization"))
		}
	}
	if got := asked[0].header.Get("X-Amz-Meta-A"); got != "b" {
		t.Errorf("metadata: got %q", got)
	}
}

func TestServiceNeverGetsTheEndOfAForgedBody(t *testing.T) {
	rec := &recording{}
	h := objectstest.OnUpstream(t, nil, rec.watch)
	h.Send("PUT", "/files", "").Wants(t, "create", 200, "")
	body := strings.Repeat("x", 100_000)
	chunked := func(extension, trailer string) string {
		return fmt.Sprintf("%x%s\r\n%s\r\n0%s\r\n%s\r\n", len(body), extension, body, extension, trailer)
	}
	sum := sha256.Sum256([]byte(body + "another end"))
	for name, c := range map[string]struct {
		payload, sent string
		headers       []string
		status        int
		code          string
	}{
		"hash": {hex.EncodeToString(sum[:]), body, nil, 400, "XAmzContentSHA256Mismatch"},
		"chunk": {
			"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", chunked(";chunk-signature="+strings.Repeat("0", 64), ""),
			nil, 403, "SignatureDoesNotMatch",
		},
		"trailer": {
			"STREAMING-UNSIGNED-PAYLOAD-TRAILER", chunked("", "x-amz-checksum-crc32:AAAAAA==\r\n"),
			[]string{"X-Amz-Trailer", "x-amz-checksum-crc32"},
			400, "BadDigest",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, h.URL+"/files/"+name, strings.NewReader(c.sent))
			if err != nil {
				t.Fatal(err)
			}
			if c.sent != body {
				r.Header.Set("Content-Encoding", "aws-chunked")
				r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(len(body)))
			}
			for i := 0; i < len(c.headers); i += 2 {
				r.Header.Set(c.headers[i], c.headers[i+1])
			}
			own := sigv4.NewCredential(objectstest.OwnerKey, objectstest.OwnerSecret, "", nil)
			sigv4.Sign(r, own, c.payload, sigv4.Options{Now: time.Now(), Region: "us-east-1", Service: "s3"})
			h.Do(r).Wants(t, "a body that does not hold", c.status, c.code)
			for _, e := range rec.of("PUT", "/files/"+name) {
				if e.whole || len(e.body) >= len(body) {
					t.Errorf("the service got %d of %d bytes, whole: %t", len(e.body), len(body), e.whole)
				}
			}
			h.Send("GET", "/files/"+name, "").Wants(t, "afterwards", 404, "NoSuchKey")
		})
	}
}

func TestKeysThatWouldBeCleanedAreRefused(t *testing.T) {
	h := objectstest.OnUpstream(t, nil, nil)
	h.Send("PUT", "/files", "").Wants(t, "create", 200, "")
	for _, key := range []string{"a/./b", "..", "a/.."} {
		_, err := h.Owner().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("files"), Key: &key, Body: strings.NewReader("x")})
		if err == nil || !strings.Contains(err.Error(), "InvalidArgument") {
			t.Errorf("%q: got %v, want InvalidArgument", key, err)
		}
	}
	for _, key := range []string{"a//b", "+", "%2F", "é", "...", strings.Repeat("k", 1024)} {
		if _, err := h.Owner().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("files"), Key: &key, Body: strings.NewReader(key)}); err != nil {
			t.Errorf("%q: %v", key, err)
		}
		got, err := h.Owner().GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("files"), Key: &key})
		if err != nil {
			t.Errorf("%q: %v", key, err)
			continue
		}
		if b, err := io.ReadAll(got.Body); string(b) != key || err != nil {
			t.Errorf("%q: got %q, %v", key, b, err)
		}
	}
}

func TestServiceThatIsAwayOrRefusesUsIsNoClientsFault(t *testing.T) {
	gone, err := upstream.New(upstream.Options{Endpoint: "http://127.0.0.1:1", Region: "us-east-1", AccessKeyID: "a", SecretAccessKey: "b", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Head(t.Context(), objects.Get{Ref: objects.Ref{Bucket: "files", Key: "k"}}); !errors.Is(err, objects.ErrUnavailable) {
		t.Errorf("away: got %v, want ErrUnavailable", err)
	}
	behind := objectstest.OnDisk(t, dbtest.SQLite(t), nil)
	stranger, err := upstream.New(upstream.Options{Endpoint: behind.URL, Region: "us-east-1", AccessKeyID: "AKIASTRANGER", SecretAccessKey: "b", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	h := objectstest.Open(t, dbtest.SQLite(t), stranger, nil)
	a := h.Send("PUT", "/files", "")
	a.Wants(t, "our key is refused", 500, "InternalError")
	if strings.Contains(a.Body, "AKIASTRANGER") {
		t.Errorf("the client learns of our key: %s", a.Body)
	}
}

func TestBucketThatIsOursAlreadyIsMade(t *testing.T) {
	for code, want := range map[string]error{"BucketAlreadyOwnedByYou": nil, "BucketAlreadyExists": objects.ErrBucketExists} {
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code></Error>")
		}))
		defer service.Close()
		s, err := upstream.New(upstream.Options{Endpoint: service.URL, Region: "us-east-1", AccessKeyID: "a", SecretAccessKey: "b", Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.CreateBucket(t.Context(), "files"); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", code, err, want)
		}
	}
}
