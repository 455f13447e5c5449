// Package objects_test has the clients that people use speak to the S3 API of the real
// command, and tries what the API promises of keys, crashes and secrets.
package objects_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// client is an S3 client of others. Its configuration is its own, and as its manual says.
type client struct {
	name   string
	cannot map[string]string // by case: why it cannot do that
	start  func(t *testing.T) connector
}

// connector makes a client send to an endpoint, signed with a key.
type connector func(t *testing.T, at endpoint, k key) session

// session is one client with one key. Bodies are files. An error has the code of S3 in
// its text.
type session interface {
	makeBucket(bucket string) error
	put(bucket, key, file string) error
	putChecked(bucket, key, file string) error // with a checksum, in a trailer where the client can
	get(bucket, key, file string) error
	getRange(bucket, key, file string, first, last int) error
	list(bucket, prefix string) (keys []string, err error)
	copy(bucket, from, to string) error
	putParts(bucket, key, file string) error // a multipart upload
	presign(method, bucket, key string) (url string, err error)
	remove(bucket string, keys ...string) error
}

// The cases that some client cannot do.
const (
	caseRange        = "range"
	caseMultipart    = "multipart"
	casePresignedGet = "presigned get"
	casePresignedPut = "presigned put"
	caseTrailer      = string(theTrailer)
)

// clients are all of them.
func clients() []client {
	return []client{
		{"awscli", map[string]string{
			casePresignedPut:      "aws s3 presign makes links for reading alone",
			caseTrailer + "/http": "it sends trailers over TLS alone",
		}, startAWSCLI},
		{"s3cmd", map[string]string{
			casePresignedGet: "signurl signs with AWS Signature Version 2, which is refused",
			caseRange:        "it has no option for a range; get --continue alone sends one, from where a file ends",
			casePresignedPut: "as presigned get",
			caseTrailer:      "it sends no checksums but the hash that is signed",
		}, startS3cmd},
		{"rclone", map[string]string{
			casePresignedPut: "rclone link makes links for reading alone",
			caseTrailer:      "version 1.60 sends Content-MD5 and no trailer",
		}, startRclone},
		{"boto3", map[string]string{
			caseTrailer + "/http": "it sends trailers over TLS alone",
		}, startBoto3},
		{"aws-sdk-js with buffers", map[string]string{
			caseTrailer: "it sends the checksum of a buffer in a header",
		}, startJavaScript("buffers")},
		{"aws-sdk-js with streams", nil, startJavaScript("streams")},
		{"minio-go", nil, startMinio},
		{"aws-sdk-go-v2", map[string]string{
			caseTrailer + "/http": "it sends trailers over TLS alone",
		}, startSDK},
	}
}

// why says why a client cannot do a case at an endpoint; empty where it can.
func (c client) why(name string, at endpoint) string {
	if !at.tls() && c.cannot[name+"/http"] != "" {
		return c.cannot[name+"/http"]
	}
	return c.cannot[name]
}

// command is a program that a client is, in an environment that has nothing of this one.
type command struct {
	t    testing.TB
	path string
	env  []string
}

func newCommand(t testing.TB, path string, env ...string) command {
	t.Helper()
	return command{t, path, append([]string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8"}, env...)}
}

func (c command) start(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.WithoutCancel(c.t.Context()), c.path, args...)
	cmd.Env = c.env
	return cmd
}

// run returns what the program prints; where it fails, that is the error.
func (c command) run(args ...string) (string, error) {
	cmd := c.start(args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", &refusal{out.String() + errs.String() + err.Error()}
	}
	return out.String(), nil
}

// refusal is what a client says of an answer.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

// scratch returns a new file for a client to write.
func scratch(t testing.TB) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "body-*")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return f.Name()
}
