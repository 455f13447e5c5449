package objects_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	signet "signet/client"
)

// sdk is aws-sdk-go-v2, as the client package of this product sets it up.
type sdk struct {
	*s3.Client

	ctx context.Context
}

// transport trusts the endpoint's certificate.
func (e endpoint) transport(t testing.TB) *http.Transport {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	if e.tls() {
		pem, err := os.ReadFile(e.caFile)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func newSDK(t testing.TB, at endpoint, k key) sdk {
	t.Helper()
	c, err := signet.New(at.url, signet.WithCredentials(k.id, k.secret))
	if err != nil {
		t.Fatal(err)
	}
	ours := func(o *s3.Options) {
		o.HTTPClient = &http.Client{Transport: at.transport(t)}
		o.RetryMaxAttempts = 1
	}
	return sdk{s3.New(c.S3().Options(), ours), context.WithoutCancel(t.Context())}
}

func startSDK(*testing.T) connector {
	return func(t *testing.T, at endpoint, k key) session { return newSDK(t, at, k) }
}

func (c sdk) makeBucket(bucket string) error {
	_, err := c.CreateBucket(c.ctx, &s3.CreateBucketInput{Bucket: &bucket})
	return err
}

func (c sdk) put(bucket, key, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = c.PutObject(c.ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: f})
	return err
}

func (c sdk) putChecked(bucket, key, file string) error { return c.put(bucket, key, file) } // it always has one

func (c sdk) get(bucket, key, file string) error { return c.fetch(bucket, key, file, nil) }

func (c sdk) getRange(bucket, key, file string, first, last int) error {
	return c.fetch(bucket, key, file, aws.String(fmt.Sprintf("bytes=%d-%d", first, last)))
}

func (c sdk) fetch(bucket, key, file string, part *string) error {
	got, err := c.GetObject(c.ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key, Range: part})
	if err != nil {
		return err
	}
	defer got.Body.Close()
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(f, got.Body)
	return err
}

func (c sdk) list(bucket, prefix string) (keys []string, err error) {
	pages := s3.NewListObjectsV2Paginator(c.Client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(c.ctx)
		if err != nil {
			return nil, err
		}
		for _, found := range page.Contents {
			keys = append(keys, *found.Key)
		}
	}
	return keys, nil
}

func (c sdk) copy(bucket, from, to string) error {
	_, err := c.CopyObject(c.ctx, &s3.CopyObjectInput{Bucket: &bucket, Key: &to, CopySource: aws.String(bucket + "/" + from)})
	return err
}

func (c sdk) putParts(bucket, key, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return c.upload(bucket, key, f, info.Size())
}

// upload sends parts of 16 MiB, one after the other.
func (c sdk) upload(bucket, key string, from io.ReaderAt, size int64) error {
	up, err := c.CreateMultipartUpload(c.ctx, &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	if err != nil {
		return err
	}
	const each = 16 << 20
	var done types.CompletedMultipartUpload
	for first := int64(0); first < size; first += each {
		number := aws.Int32(int32(first/each) + 1)
		part, err := c.UploadPart(c.ctx, &s3.UploadPartInput{
			Bucket: &bucket, Key: &key, UploadId: up.UploadId, PartNumber: number, Body: io.NewSectionReader(from, first, min(each, size-first)),
		})
		if err != nil {
			return err
		}
		done.Parts = append(done.Parts, types.CompletedPart{PartNumber: number, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32})
	}
	_, err = c.CompleteMultipartUpload(c.ctx, &s3.CompleteMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: up.UploadId, MultipartUpload: &done})
	return err
}

func (c sdk) presign(method, bucket, key string) (string, error) {
	p := s3.NewPresignClient(c.Client, s3.WithPresignExpires(10*time.Minute))
	if method == http.MethodPut {
		r, err := p.PresignPutObject(c.ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			return "", err
		}
		return r.URL, nil
	}
	r, err := p.PresignGetObject(c.ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return "", err
	}
	return r.URL, nil
}

func (c sdk) remove(bucket string, keys ...string) error {
	var all types.Delete
	for _, k := range keys {
		all.Objects = append(all.Objects, types.ObjectIdentifier{Key: aws.String(k)})
	}
	done, err := c.DeleteObjects(c.ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &all})
	if err != nil {
		return err
	}
	for _, e := range done.Errors {
		return fmt.Errorf("%s: %s", aws.ToString(e.Code), aws.ToString(e.Message)) //nolint:err113 // an answer
	}
	return nil
}
