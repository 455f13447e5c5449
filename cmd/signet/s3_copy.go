package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"signet/internal/sigv4"
)

// partSize is how much is sent at a time, in bytes; an upload has 10,000 parts at most.
const (
	partSize  = 32 << 20
	maxCopied = 10_000 * partSize
)

type s3CopyCmd struct {
	s3Server
	Source string `arg:"" help:"File, - for standard input, or s3://BUCKET/KEY."`
	Target string `arg:"" help:"File, - for standard output, or s3://BUCKET/KEY."`
}

// Run copies.
func (cmd s3CopyCmd) Run(ctx context.Context, c *console) error {
	from, remoteFrom := readPlace(cmd.Source)
	to, remoteTo := readPlace(cmd.Target)
	if !remoteFrom && !remoteTo {
		return usagef("one of the two must be s3://BUCKET/KEY")
	}
	cl, err := cmd.open(c)
	if err != nil {
		return err
	}
	if remoteTo && (to.key == "" || strings.HasSuffix(to.key, "/")) {
		if cmd.Source == "-" {
			return usagef("%s: name the key", cmd.Target)
		}
		to.key += filepath.Base(cmd.Source)
	}
	switch {
	case remoteFrom && remoteTo:
		source := from.bucket + "/" + sigv4.EscapePath(from.key)
		_, err = cl.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &to.bucket, Key: &to.key, CopySource: &source})
		err = s3Error(err)
	case remoteFrom:
		if info, err := os.Stat(cmd.Target); err == nil && info.IsDir() {
			cmd.Target = filepath.Join(cmd.Target, path.Base(from.key))
		}
		err = cmd.download(ctx, c, cl, from)
	default:
		err = cmd.upload(ctx, c, cl, to)
	}
	if err != nil || cmd.Target == "-" {
		return err
	}
	return said(c, nil, "copied %s to %s", cmd.Source, cmp.Or(to.target(remoteTo), cmd.Target))
}

func (p place) target(remote bool) string {
	if !remote {
		return ""
	}
	return p.String()
}

// download writes an object beside its target first: a target is never half of it.
func (cmd s3CopyCmd) download(ctx context.Context, c *console, cl *s3.Client, from place) error {
	got, err := cl.GetObject(ctx, &s3.GetObjectInput{Bucket: &from.bucket, Key: &from.key})
	if err != nil {
		return s3Error(err)
	}
	defer got.Body.Close()
	body := io.TeeReader(got.Body, newMeter(c, from.key, aws.ToInt64(got.ContentLength)))
	if cmd.Target == "-" {
		_, err = io.Copy(c.out, body)
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(cmd.Target), ".signet-*")
	if errors.Is(err, fs.ErrNotExist) {
		return usagef("%s: no such directory", filepath.Dir(cmd.Target))
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), cmd.Target)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (cmd s3CopyCmd) upload(ctx context.Context, c *console, cl *s3.Client, to place) error {
	in, size := c.in, int64(-1)
	if cmd.Source != "-" {
		f, err := os.Open(cmd.Source)
		if errors.Is(err, fs.ErrNotExist) {
			return usagef("%s: no such file", cmd.Source)
		}
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if info.IsDir() {
			return usagef("%s is a directory: copy its files one by one, or take rclone", cmd.Source)
		}
		in, size = f, info.Size()
		if size > maxCopied {
			return usagef("%s: %s are too many for signet s3 cp, which sends %s at most: take rclone", cmd.Source, bytesOf(size), bytesOf(maxCopied))
		}
	}
	return s3Error(sendParts(ctx, cl, to, in, newMeter(c, to.key, size)))
}

// sendParts sends what one request cannot carry in parts, of which one is in memory.
func sendParts(ctx context.Context, cl *s3.Client, to place, in io.Reader, m *meter) error {
	buf := make([]byte, partSize)
	n, err := io.ReadFull(in, buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		_, err = cl.PutObject(ctx, &s3.PutObjectInput{Bucket: &to.bucket, Key: &to.key, Body: bytes.NewReader(buf[:n])})
		m.add(n)
		return err
	}
	if err != nil {
		return err
	}
	begun, err := cl.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &to.bucket, Key: &to.key})
	if err != nil {
		return err
	}
	err = restOfParts(ctx, cl, to, begun.UploadId, in, buf, m)
	if err != nil { // the parts that are there would stay for ever
		_, abort := cl.AbortMultipartUpload(context.WithoutCancel(ctx), &s3.AbortMultipartUploadInput{Bucket: &to.bucket, Key: &to.key, UploadId: begun.UploadId})
		return errors.Join(err, abort)
	}
	return nil
}

func restOfParts(ctx context.Context, cl *s3.Client, to place, id *string, in io.Reader, buf []byte, m *meter) error {
	var parts []types.CompletedPart
	for number, n := int32(1), len(buf); n > 0; number++ {
		sent, err := cl.UploadPart(ctx, &s3.UploadPartInput{Bucket: &to.bucket, Key: &to.key, UploadId: id, PartNumber: &number, Body: bytes.NewReader(buf[:n])})
		if err != nil {
			return err
		}
		m.add(n)
		parts = append(parts, types.CompletedPart{PartNumber: &number, ETag: sent.ETag, ChecksumCRC32: sent.ChecksumCRC32})
		if n, err = io.ReadFull(in, buf); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
	}
	_, err := cl.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &to.bucket, Key: &to.key, UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	return err
}

// meter shows on a terminal how far a copy is.
type meter struct {
	show        func(done, total int)
	done, total int64
}

func newMeter(c *console, name string, total int64) *meter {
	return &meter{show: progressBar(c.err, "copying "+plain(filepath.Base(name))), total: total}
}

// Write counts what passes by.
func (m *meter) Write(p []byte) (int, error) {
	m.add(len(p))
	return len(p), nil
}

func (m *meter) add(n int) {
	m.done += int64(n)
	if m.show != nil && m.total > 0 {
		m.show(int(m.done>>10), int(max(1, m.total>>10)))
	}
}
