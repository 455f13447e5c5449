package objects_test

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// minioGo is minio-go, which signs chunks and trailers where there is no TLS.
type minioGo struct {
	*minio.Client

	ctx context.Context
	tls bool
}

// coded puts the code of S3 before what minio-go says.
func coded(err error) error {
	if code := minio.ToErrorResponse(err).Code; code != "" {
		return fmt.Errorf("%s: %w", code, err)
	}
	return err
}

func startMinio(t *testing.T) connector {
	t.Helper()
	return func(t *testing.T, at endpoint, k key) session {
		u, err := url.Parse(at.url)
		if err != nil {
			t.Fatal(err)
		}
		c, err := minio.New(u.Host, &minio.Options{
			Creds: credentials.NewStaticV4(k.id, k.secret, ""), Secure: at.tls(), Region: "us-east-1", MaxRetries: 1,
			BucketLookup: minio.BucketLookupPath, TrailingHeaders: true, Transport: at.transport(t),
		})
		if err != nil {
			t.Fatal(err)
		}
		return minioGo{c, context.WithoutCancel(t.Context()), at.tls()}
	}
}

func (c minioGo) makeBucket(bucket string) error {
	return coded(c.MakeBucket(c.ctx, bucket, minio.MakeBucketOptions{}))
}

// put has the body hashed over TLS too, where by itself it would trust in that alone.
func (c minioGo) put(bucket, key, file string) error {
	_, err := c.FPutObject(c.ctx, bucket, key, file, minio.PutObjectOptions{SendContentMd5: c.tls})
	return coded(err)
}

func (c minioGo) putChecked(bucket, key, file string) error {
	_, err := c.FPutObject(c.ctx, bucket, key, file, minio.PutObjectOptions{Checksum: minio.ChecksumCRC64NVME})
	return coded(err)
}

func (c minioGo) get(bucket, key, file string) error {
	return coded(c.FGetObject(c.ctx, bucket, key, file, minio.GetObjectOptions{}))
}

func (c minioGo) getRange(bucket, key, file string, first, last int) error {
	o := minio.GetObjectOptions{}
	if err := o.SetRange(int64(first), int64(last)); err != nil {
		return err
	}
	return coded(c.FGetObject(c.ctx, bucket, key, file, o))
}

func (c minioGo) list(bucket, prefix string) (keys []string, err error) {
	for found := range c.ListObjects(c.ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if found.Err != nil {
			return nil, coded(found.Err)
		}
		keys = append(keys, found.Key)
	}
	return keys, nil
}

func (c minioGo) copy(bucket, from, to string) error {
	_, err := c.CopyObject(c.ctx, minio.CopyDestOptions{Bucket: bucket, Object: to}, minio.CopySrcOptions{Bucket: bucket, Object: from})
	return coded(err)
}

func (c minioGo) putParts(bucket, key, file string) error {
	_, err := c.FPutObject(c.ctx, bucket, key, file, minio.PutObjectOptions{PartSize: 16 << 20})
	return coded(err)
}

func (c minioGo) presign(method, bucket, key string) (string, error) {
	u, err := c.Presign(c.ctx, method, bucket, key, 10*time.Minute, nil)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

func (c minioGo) remove(bucket string, keys ...string) error {
	all := make(chan minio.ObjectInfo, len(keys))
	for _, k := range keys {
		all <- minio.ObjectInfo{Key: k}
	}
	close(all)
	for failed := range c.RemoveObjects(c.ctx, bucket, all, minio.RemoveObjectsOptions{}) {
		return coded(failed.Err)
	}
	return nil
}
