package objects_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	signetclient "signet/client"
	signettest "signet/test/signet"
)

// temporary are keys as AssumeRoleWithWebIdentity answers them.
type temporary struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
}

// runAWS runs Debian's aws with keys, which may be none.
func runAWS(t *testing.T, at string, k temporary, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/aws", append([]string{"--endpoint-url", at, "--output", "json"}, args...)...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "AWS_DEFAULT_REGION=us-east-1", "AWS_MAX_ATTEMPTS=1", "AWS_EC2_METADATA_DISABLED=true"}
	if k.AccessKeyID != "" {
		cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID="+k.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+k.SecretAccessKey, "AWS_SESSION_TOKEN="+k.SessionToken)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func assume(t *testing.T, d *signettest.DevInstance, token string) (temporary, string) {
	t.Helper()
	out, err := runAWS(t, d.Objects, temporary{}, "sts", "assume-role-with-web-identity", "--no-sign-request",
		"--role-arn", "arn:aws:iam::"+accountOf(t, d)+":role/self", "--role-session-name", "job", "--web-identity-token", token)
	var answer struct{ Credentials temporary }
	if err == nil {
		err = json.Unmarshal([]byte(out), &answer)
	}
	if err != nil {
		return temporary{}, out
	}
	return answer.Credentials, ""
}

// accountOf is the account of the seeded key.
func accountOf(t *testing.T, d *signettest.DevInstance) string {
	t.Helper()
	var keys []struct {
		Account string `json:"account_id"`
	}
	res := d.Call(http.MethodGet, "/api/v1/objects/keys", d.Ready.APIToken, "")
	if err := json.Unmarshal(res.Body, &keys); err != nil || len(keys) == 0 {
		t.Fatalf("keys: %d %s, %v", res.Status, res.Body, err)
	}
	return keys[0].Account
}

// boundToken is an access token that is bound to a key which aws does not have.
func boundToken(t *testing.T, d *signettest.DevInstance) string {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	prover, err := signetclient.NewDPoP(private, http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	got, err := signetclient.NewTokens(prover, signetclient.Credentials{
		TokenURL: d.Origin + "/token", ID: d.Ready.OAuth.DPoPClientID, Secret: d.Ready.OAuth.DPoPClientSecret, Scopes: []string{"objects"}, Resource: d.Objects,
	}).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got.Text
}

// token returns an access token of the seeded user, who is signed in at a, for a resource.
func token(t *testing.T, d *signettest.DevInstance, a *signettest.Agent, resource string) string {
	t.Helper()
	const verifier, redirect = "a-verifier-that-is-long-enough-for-rfc-7636", "http://127.0.0.1:4711/callback"
	sum := sha256.Sum256([]byte(verifier))
	next := "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {d.Ready.OAuth.ClientID}, "redirect_uri": {redirect}, "scope": {"openid objects"}, "resource": {resource},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
	for range 5 {
		res := a.Get(next)
		next = strings.TrimPrefix(res.Header.Get("Location"), d.Origin)
		if strings.HasPrefix(next, redirect) {
			break
		}
	}
	back, err := url.Parse(next)
	if err != nil || back.Query().Get("code") == "" {
		t.Fatalf("no code: %s, %v", next, err)
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier}, "resource": {resource},
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.Origin+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(d.Ready.OAuth.ClientID, d.Ready.OAuth.ClientSecret)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Access string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Access == "" {
		t.Fatalf("no token: %d, %v", res.StatusCode, err)
	}
	return answer.Access
}

func TestAccessTokenBecomesKeysThatTheAWSCommandLineUsesUntilTheSessionEnds(t *testing.T) {
	d := signettest.Dev(t)
	person := d.SignedIn(t)
	keys, refused := assume(t, d, token(t, d, person, d.Objects))
	if refused != "" {
		t.Fatal(refused)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("by a token"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"s3", "cp", file, "s3://" + d.Ready.S3.Bucket + "/sts"}, {"s3", "ls", "s3://" + d.Ready.S3.Bucket}, {"sts", "get-caller-identity"}} {
		if out, err := runAWS(t, d.Objects, keys, args...); err != nil {
			t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	if _, refused := assume(t, d, token(t, d, person, d.Origin)); !strings.Contains(refused, "InvalidIdentityToken") {
		t.Errorf("a token for another audience: got %q, want InvalidIdentityToken", refused)
	}
	if _, refused := assume(t, d, boundToken(t, d)); !strings.Contains(refused, "InvalidIdentityToken") || !strings.Contains(refused, "proof") {
		t.Errorf("a bound token without its proof: got %q, want InvalidIdentityToken", refused)
	}
	if res := person.Post("/logout"); res.Status >= http.StatusBadRequest {
		t.Fatalf("sign-out: got %d", res.Status)
	}
	signettest.Await(t, "keys end with the session", 2*time.Second, func() error {
		out, err := runAWS(t, d.Objects, keys, "s3", "ls", "s3://"+d.Ready.S3.Bucket)
		if err == nil {
			return errors.New("they are good")
		}
		if !strings.Contains(out, "InvalidAccessKeyId") {
			t.Errorf("after the session: got %s", out)
		}
		return nil
	})
}
