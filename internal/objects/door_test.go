package objects_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/objects/objectstest"
)

func TestObjectComesBackAsItWasPut(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := objectstest.OnDisk(t, d, nil)
		c, ctx := h.Owner(), t.Context()
		if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("files")}); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"a", "a//b/./../c", "+", "%2F", "é", strings.Repeat("k", 1024), "with space", "a?b&c=d"} {
			put, err := c.PutObject(ctx, &s3.PutObjectInput{
				Bucket: aws.String("files"), Key: &key, Body: strings.NewReader("content of " + key), ContentType: aws.String("text/plain"),
				Metadata: map[string]string{"colour": "blue"}, CacheControl: aws.String("max-age=60"), Tagging: aws.String("a=b&c=d"),
			})
			if err != nil {
				t.Fatalf("put %q: %v", key, err)
			}
			got, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("files"), Key: &key, ChecksumMode: types.ChecksumModeEnabled})
			if err != nil {
				t.Fatalf("get %q: %v", key, err)
			}
			body, err := io.ReadAll(got.Body)
			if err != nil || string(body) != "content of "+key {
				t.Errorf("get %q: got %q, %v", key, body, err)
			}
			if *got.ETag != *put.ETag || *got.ContentType != "text/plain" || got.Metadata["colour"] != "blue" || *got.CacheControl != "max-age=60" || aws.ToInt32(got.TagCount) != 2 {
				t.Errorf("get %q: got %+v", key, got)
			}
			if aws.ToString(got.ChecksumCRC32) == "" || *got.ChecksumCRC32 != aws.ToString(put.ChecksumCRC32) {
				t.Errorf("checksum of %q: got %q, put answered %q", key, aws.ToString(got.ChecksumCRC32), aws.ToString(put.ChecksumCRC32))
			}
		}
		list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("files")})
		if err != nil || aws.ToInt32(list.KeyCount) != 8 {
			t.Fatalf("list: got %v, %v", aws.ToInt32(list.KeyCount), err)
		}
	})
}

func TestMultipartUploadIsOneObject(t *testing.T) {
	objectstest.Each(t, nil, func(t *testing.T, h *objectstest.House) {
		c, ctx := h.Owner(), t.Context()
		bucket, key := aws.String("files"), aws.String("big")
		if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
			t.Fatal(err)
		}
		begun, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key, ContentType: aws.String("x/y")})
		if err != nil {
			t.Fatal(err)
		}
		var whole []byte
		var parts []types.CompletedPart
		for n := int32(1); n <= 3; n++ {
			b := bytes.Repeat([]byte{byte('a' + n)}, 5<<20)
			whole = append(whole, b...)
			p, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: begun.UploadId, PartNumber: &n, Body: bytes.NewReader(b)})
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, types.CompletedPart{PartNumber: &n, ETag: p.ETag, ChecksumCRC32: p.ChecksumCRC32})
		}
		listed, err := c.ListParts(ctx, &s3.ListPartsInput{Bucket: bucket, Key: key, UploadId: begun.UploadId})
		if err != nil || len(listed.Parts) != 3 {
			t.Fatalf("parts: got %+v, %v", listed, err)
		}
		done, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: begun.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
		if err != nil || !strings.HasSuffix(strings.Trim(*done.ETag, `"`), "-3") {
			t.Fatalf("complete: got %+v, %v", done, err)
		}
		got, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, Range: aws.String("bytes=5242870-10485770")})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(got.Body)
		if err != nil || !bytes.Equal(b, whole[5242870:10485771]) || *got.ContentRange != "bytes 5242870-10485770/15728640" {
			t.Errorf("range: got %d bytes, %s, %v", len(b), *got.ContentRange, err)
		}
	})
}

func TestDoorRefusesInItsOwnWords(t *testing.T) {
	h := objectstest.OnDisk(t, dbtest.SQLite(t), nil)
	h.Send("PUT", "/files", "").Wants(t, "create", 200, "")
	h.Send("PUT", "/files/there", "x").Wants(t, "put", 200, "")
	for _, c := range []struct {
		what, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{what: "no such bucket", method: "GET", path: "/nobody-has-it", status: 404, code: "NoSuchBucket"},
		{what: "no such key", method: "GET", path: "/files/away", status: 404, code: "NoSuchKey"},
		{what: "bucket's name", method: "PUT", path: "/No_Bucket", status: 400, code: "InvalidBucketName"},
		{what: "no bucket's name", method: "GET", path: "//files/there", status: 400, code: "InvalidBucketName"},
		{what: "key too long", method: "PUT", path: "/files/" + strings.Repeat("k", 1025), status: 400, code: "KeyTooLongError"},
		{what: "sub-resource of S3 that the door has not", method: "GET", path: "/files?lifecycle", status: 501, code: "NotImplemented"},
		{what: "two sub-resources", method: "GET", path: "/files?policy&acl", status: 400, code: "InvalidArgument"},
		{what: "method", method: "PATCH", path: "/files/there", status: 405, code: "MethodNotAllowed"},
		{what: "encryption that would not happen", method: "PUT", path: "/files/x", headers: []string{"X-Amz-Server-Side-Encryption", "AES256"}, status: 501, code: "NotImplemented"},
		{what: "ACL of an object", method: "PUT", path: "/files/x", headers: []string{"X-Amz-Acl", "public-read"}, status: 400, code: "AccessControlListNotSupported"},
		{what: "storage class", method: "PUT", path: "/files/x", headers: []string{"X-Amz-Storage-Class", "GLACIER"}, status: 400, code: "InvalidStorageClass"},
		{what: "metadata too large", method: "PUT", path: "/files/x", headers: []string{"X-Amz-Meta-A", strings.Repeat("m", 2049)}, status: 400, code: "MetadataTooLarge"},
		{what: "tag", method: "PUT", path: "/files/x", headers: []string{"X-Amz-Tagging", "aws%3Ax=1"}, status: 400, code: "InvalidTag"},
		{what: "copy of nothing", method: "PUT", path: "/files/x", headers: []string{"X-Amz-Copy-Source", "files"}, status: 400, code: "InvalidArgument"},
		{what: "copy to itself", method: "PUT", path: "/files/there", headers: []string{"X-Amz-Copy-Source", "files/there"}, status: 400, code: "InvalidRequest"},
		{what: "exists already", method: "PUT", path: "/files/there", headers: []string{"If-None-Match", "*"}, status: 412, code: "PreconditionFailed"},
		{what: "range", method: "GET", path: "/files/there", headers: []string{"Range", "bytes=5-"}, status: 416, code: "InvalidRange"},
		{what: "checksum that nobody would check", method: "PUT", path: "/files/x", headers: []string{"X-Amz-Checksum-Sha512", "AAAA"}, status: 400, code: "InvalidRequest"},
		{what: "checksum of another algorithm than is said", method: "PUT", path: "/files/x", headers: []string{"X-Amz-Sdk-Checksum-Algorithm", "SHA256", "X-Amz-Checksum-Crc32", "AAAAAA=="}, status: 400, code: "InvalidRequest"},
		{what: "tags of a bucket", method: "PUT", path: "/other", body: "<CreateBucketConfiguration><Tags><Tag><Key>a</Key></Tag></Tags></CreateBucketConfiguration>", status: 501, code: "NotImplemented"},
		{what: "owners of objects", method: "PUT", path: "/other", headers: []string{"X-Amz-Object-Ownership", "ObjectWriter"}, status: 501, code: "NotImplemented"},
		{what: "part number", method: "PUT", path: "/files/x?uploadId=u&partNumber=10001", status: 400, code: "InvalidArgument"},
		{what: "no such upload", method: "PUT", path: "/files/x?uploadId=u&partNumber=1", status: 404, code: "NoSuchUpload"},
		{what: "document", method: "POST", path: "/files?delete", body: "<Delete>", status: 400, code: "MalformedXML"},
		{what: "nothing to delete", method: "POST", path: "/files?delete", body: "<Delete></Delete>", status: 400, code: "MalformedXML"},
		{what: "list type", method: "GET", path: "/files?list-type=3", status: 400, code: "InvalidArgument"},
		{what: "token of a list", method: "GET", path: "/files?list-type=2&continuation-token=%2A", status: 400, code: "InvalidArgument"},
		{what: "max-keys", method: "GET", path: "/files?max-keys=-1", status: 400, code: "InvalidArgument"},
		{what: "not empty", method: "DELETE", path: "/files", status: 409, code: "BucketNotEmpty"},
		{what: "policy that is not there", method: "GET", path: "/files?policy", status: 404, code: "NoSuchBucketPolicy"},
		{what: "region", method: "PUT", path: "/other", body: "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>", status: 400, code: "InvalidLocationConstraint"},
	} {
		a := h.Send(c.method, c.path, c.body, c.headers...)
		a.Wants(t, c.what, c.status, c.code)
		if a.Header.Get("X-Amz-Request-Id") == "" || !strings.Contains(a.Body, "<RequestId>"+a.Header.Get("X-Amz-Request-Id")) {
			t.Errorf("%s: request id: header %q, body %s", c.what, a.Header.Get("X-Amz-Request-Id"), a.Body)
		}
	}
	if a := h.Send("GET", "/files/there", "", "Range", "bytes= -1"); a.Status != 200 {
		t.Errorf("a range that is none: got %d, want all", a.Status)
	}
	h.Send("PUT", "/files/empty", "").Wants(t, "empty", 200, "")
	if a := h.Send("GET", "/files/empty?partNumber=1", ""); a.Status != 206 || a.Header.Get("Content-Range") != "" {
		t.Errorf("the only part of nothing: got %d %q", a.Status, a.Header.Get("Content-Range"))
	}
	if a := h.Send("HEAD", "/files/there", "", "X-Amz-Checksum-Mode", "ENABLED"); a.Header.Get("X-Amz-Checksum-Crc64nvme") != "Lb1nAmRU5LE=" {
		t.Errorf("usual checksum: got %v", a.Header)
	}
	if a := h.Send("HEAD", "/files/away", ""); a.Status != 404 || a.Body != "" {
		t.Errorf("HEAD: got %d %q, want 404 without a body", a.Status, a.Body)
	}
	if a := h.Send("GET", "/files/there", ""); a.Body != "x" || a.Header.Get("Content-Security-Policy") != "sandbox" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the object afterwards: got %q, %v", a.Body, a.Header)
	}
}
