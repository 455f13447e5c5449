package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"signet/client"
)

type s3Cmd struct {
	Ls      s3ListCmd    `cmd:"" help:"List buckets, or what is in one."`
	Cp      s3CopyCmd    `cmd:"" help:"Copy a file to a bucket, from one, or between two."`
	Presign s3PresignCmd `cmd:"" help:"Print a link that reads or writes one object for a while."`
}

// s3Server is the server and the key. The secret comes from the environment alone: an
// argument would show in the list of processes.
type s3Server struct {
	Endpoint string `help:"S3 listener of the server." env:"AWS_ENDPOINT_URL_S3,AWS_ENDPOINT_URL" placeholder:"http://127.0.0.1:9000" default:"http://127.0.0.1:9000"`
	Region   string `help:"Region of the server (objects.region)." env:"AWS_REGION,AWS_DEFAULT_REGION" default:"us-east-1"`
}

// Help is what the commands' help says below the flags.
func (s3Cmd) Help() string {
	return "The key is in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and of temporary keys the token in AWS_SESSION_TOKEN. " +
		"signet admin create-key makes one."
}

func (s s3Server) open(c *console) (*s3.Client, error) {
	id, secret := lookup(c.environ, "AWS_ACCESS_KEY_ID"), lookup(c.environ, "AWS_SECRET_ACCESS_KEY")
	if id == "" || secret == "" {
		return nil, usagef("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: set both (signet admin create-key makes a key)")
	}
	cl, err := client.New(s.Endpoint, client.WithRegion(s.Region), client.WithCredentials(id, secret),
		client.WithSessionToken(lookup(c.environ, "AWS_SESSION_TOKEN")))
	if err != nil {
		return nil, usageError{fmt.Errorf("--endpoint: %w", err)}
	}
	return cl.S3(), nil
}

func lookup(environ []string, name string) string {
	for _, e := range environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// place is s3://BUCKET/KEY.
type place struct{ bucket, key string }

func readPlace(s string) (place, bool) {
	rest, ok := strings.CutPrefix(s, "s3://")
	bucket, key, _ := strings.Cut(rest, "/")
	return place{bucket, key}, ok && bucket != ""
}

func (p place) String() string { return "s3://" + p.bucket + "/" + p.key }

// s3Error is a refusal in the words of the server.
func s3Error(err error) error {
	refused, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		if err != nil && !errors.Is(err, context.Canceled) {
			return unreachable(err)
		}
		return err
	}
	return s3Refusal{refused.ErrorCode(), refused.ErrorMessage()}
}

// unreachable leaves out what the SDK says around the error of the connection.
func unreachable(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		at, _, _ := strings.Cut(failed.URL, "?")
		return fmt.Errorf("%w: %s: %w (--endpoint or AWS_ENDPOINT_URL names another)", client.ErrUnreachable, at, failed.Err)
	}
	return fmt.Errorf("%w: %w", client.ErrUnreachable, err)
}

// s3Refusal is an answer of the S3 API that says no.
type s3Refusal struct{ code, text string }

// Error returns what the server says, and what to look at.
func (e s3Refusal) Error() string {
	hint := ""
	switch e.code {
	case "AccessDenied":
		hint = " (the key has no grant for it, or a policy denies it)"
	case "AuthorizationHeaderMalformed":
		hint = " (--region or AWS_REGION)"
	case "InvalidAccessKeyId":
		hint = " (revoked, expired, or of another server: signet admin list-keys --all)"
	case "SignatureDoesNotMatch":
		hint = " (is AWS_SECRET_ACCESS_KEY the secret of AWS_ACCESS_KEY_ID?)"
	case "NoSuchBucket":
		hint = " (signet s3 ls lists those of this key)"
	case "NotFound", "SeeOther": // made up by the SDK, where an answer names no code
		hint = " (is that the S3 listener? --endpoint or AWS_ENDPOINT_URL names another)"
	}
	return e.code + ": " + e.text + hint
}

// status is that of an answer of no, unless the server could not answer.
func (e s3Refusal) status() int {
	switch e.code {
	case "InternalError", "ServiceUnavailable", "SlowDown":
		return exitUnreachable
	}
	return exitRefused
}

type s3ListCmd struct {
	s3Server
	printed
	Place     string `arg:"" optional:"" help:"s3://BUCKET or s3://BUCKET/PREFIX; empty: the buckets."`
	Recursive bool   `help:"All keys below, not only the next level." short:"r"`
}

type listed struct {
	Name     string    `json:"name"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified,omitzero"`
}

// Run lists.
func (cmd s3ListCmd) Run(ctx context.Context, c *console) error {
	cl, err := cmd.open(c)
	if err != nil {
		return err
	}
	if cmd.Place == "" || cmd.Place == "s3://" {
		return cmd.buckets(ctx, c, cl)
	}
	at, ok := readPlace(cmd.Place)
	if !ok {
		return usagef("%q is not a place (try s3://BUCKET/PREFIX)", cmd.Place)
	}
	all, err := cmd.objects(ctx, cl, at)
	if err != nil {
		return s3Error(err)
	}
	t := table{heads: []string{"NAME", "SIZE", "MODIFIED"}, wrap: true, none: "nothing here (signet s3 cp FILE " + at.String() + ")"}
	for _, o := range all {
		if o.Modified.IsZero() {
			t.add(o.Name, "", "")
			continue
		}
		t.add(o.Name, bytesOf(o.Size), o.Modified.UTC().Format(time.DateTime))
	}
	return cmd.list(c, all, t)
}

func (cmd s3ListCmd) buckets(ctx context.Context, c *console, cl *s3.Client) error {
	out, err := cl.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil {
		return s3Error(err)
	}
	all := []listed{}
	t := table{heads: []string{"BUCKET", "CREATED"}, none: "no buckets that this key may see"}
	for _, b := range out.Buckets {
		all = append(all, listed{Name: aws.ToString(b.Name), Modified: aws.ToTime(b.CreationDate)})
		t.add(aws.ToString(b.Name), aws.ToTime(b.CreationDate).UTC().Format(time.DateTime))
	}
	return cmd.list(c, all, t)
}

func (cmd s3ListCmd) objects(ctx context.Context, cl *s3.Client, at place) ([]listed, error) {
	in := &s3.ListObjectsV2Input{Bucket: &at.bucket, Prefix: &at.key}
	if !cmd.Recursive {
		in.Delimiter = aws.String("/")
	}
	all := []listed{}
	for pages := s3.NewListObjectsV2Paginator(cl, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.CommonPrefixes {
			all = append(all, listed{Name: aws.ToString(p.Prefix)})
		}
		for _, o := range page.Contents {
			all = append(all, listed{aws.ToString(o.Key), aws.ToInt64(o.Size), aws.ToTime(o.LastModified)})
		}
	}
	return all, nil
}

// bytesOf is a size for people.
func bytesOf(n int64) string {
	const unit = 1024
	if n < unit {
		return strconv.FormatInt(n, 10) + " B"
	}
	size, name := float64(n), ""
	for _, name = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if size /= unit; size < unit {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", size, name)
}

type s3PresignCmd struct {
	s3Server
	printed
	Place   string   `arg:"" help:"The object: s3://BUCKET/KEY."`
	Method  string   `help:"GET reads, PUT writes." enum:"GET,PUT" default:"GET"`
	Expires lifetime `help:"How long the link is good, such as 10m or 2d; up to 7d." default:"1h"`
}

// Run prints a link.
func (cmd s3PresignCmd) Run(ctx context.Context, c *console) error {
	at, ok := readPlace(cmd.Place)
	if !ok || at.key == "" {
		return usagef("%q is not an object (try s3://BUCKET/KEY)", cmd.Place)
	}
	good := time.Duration(cmd.Expires)
	if good < time.Second || good > 7*24*time.Hour {
		return usagef("--expires: must be from 1s to 7d")
	}
	cl, err := cmd.open(c)
	if err != nil {
		return err
	}
	link, err := presigned(ctx, s3.NewPresignClient(cl, s3.WithPresignExpires(good)), cmd.Method, at)
	if err != nil {
		return s3Error(err)
	}
	until := time.Now().Add(good).UTC().Truncate(time.Second)
	return cmd.print(c, map[string]any{"url": link, "method": cmd.Method, "expires_at": until}, "%s", link)
}

func presigned(ctx context.Context, p *s3.PresignClient, method string, at place) (string, error) {
	if method == http.MethodPut {
		r, err := p.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &at.bucket, Key: &at.key})
		if err != nil {
			return "", err
		}
		return r.URL, nil
	}
	r, err := p.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &at.bucket, Key: &at.key})
	if err != nil {
		return "", err
	}
	return r.URL, nil
}
