package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"signet/client"
	"signet/internal/app"
	"signet/internal/sigv4"
)

type tryS3Cmd struct {
	ReadyFile string `required:"" help:"Ready file of the running signet dev." placeholder:"FILE" type:"path"`
}

// Run puts an object by a signed request, and then asks as a thief would.
func (cmd tryS3Cmd) Run(ctx context.Context, c *console) error {
	r, err := readReady(cmd.ReadyFile)
	if err != nil {
		return err
	}
	begun := time.Now()
	object := r.Objects + "/" + r.S3.Bucket + "/try-s3.txt"
	own := sigv4.NewCredential(r.S3.AccessKeyID, r.S3.SecretAccessKey, "", nil)
	thief := sigv4.NewCredential(r.S3.AccessKeyID, strings.Repeat("x", 40), "", nil)
	fmt.Fprintf(c.out, "key %s, object %s/try-s3.txt\n\n", r.S3.AccessKeyID, r.S3.Bucket)
	text := "It is really from who it says.\n"
	for _, try := range []struct {
		what, want string
		send       s3Try
	}{
		{"put, signed", "200", s3Try{own, http.MethodPut, text, text}},
		{"get, signed", "200", s3Try{own, http.MethodGet, "", ""}},
		{"put, one byte changed", "400 XAmzContentSHA256Mismatch", s3Try{own, http.MethodPut, text, "i" + text[1:]}},
		{"get, another secret", "403 SignatureDoesNotMatch", s3Try{thief, http.MethodGet, "", ""}},
		{"get, no proof", "403 AccessDenied", s3Try{nil, http.MethodGet, "", ""}},
	} {
		answer, err := try.send.do(ctx, object, r.S3.Region)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%-28s %s\n", try.what, answer)
		if answer != try.want {
			return fmt.Errorf("%s: got %s, want %s", try.what, answer, try.want)
		}
	}
	return showDenials(ctx, c, r, begun)
}

// s3Try is a request for an object, which may differ from what was signed.
type s3Try struct {
	key          *sigv4.Credential // nil: not signed
	method       string
	signed, sent string // bodies
}

func (t s3Try) do(ctx context.Context, object, region string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, t.method, object, strings.NewReader(t.sent))
	if err != nil {
		return "", err
	}
	if t.key != nil {
		sigv4.Sign(r, t.key, hexHash(t.signed), sigv4.Options{Now: time.Now(), Region: region, Service: "s3"})
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", fmt.Errorf("%w: %w", client.ErrUnreachable, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", err
	}
	answer := fmt.Sprint(resp.StatusCode)
	var refused struct{ Code string }
	if resp.StatusCode >= http.StatusBadRequest && xml.NewDecoder(bytes.NewReader(b)).Decode(&refused) == nil {
		answer += " " + refused.Code
	}
	return answer, nil
}

func hexHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// showDenials shows what the server keeps of the refusals.
func showDenials(ctx context.Context, c *console, r app.Ready, begun time.Time) error {
	cl, err := client.New(r.Public, client.WithToken(r.APIToken))
	if err != nil {
		return err
	}
	wait := time.NewTicker(100 * time.Millisecond)
	defer wait.Stop()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		page, err := cl.ObjectDenials(ctx, client.DenialQuery{AccessKeyID: r.S3.AccessKeyID})
		if err != nil {
			return err
		}
		for _, d := range page {
			if d.Code == "SignatureDoesNotMatch" && !d.At.Before(begun.Truncate(time.Second)) {
				fmt.Fprintf(c.out, "\nsignet admin denials --access-key-id %s\n  %s  %s %s/%s  %s\n", r.S3.AccessKeyID,
					d.At.UTC().Format(time.TimeOnly), d.Operation, d.Bucket, d.Key, d.Code)
				return nil
			}
		}
		<-wait.C
	}
	return errors.New("the refusal is not among the denials")
}
