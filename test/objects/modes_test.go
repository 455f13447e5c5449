package objects_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	signettest "signet/test/signet"
)

// start starts an installation with these lines under objects.
func start(t *testing.T, config string, env ...string) (*signettest.Installation, *signettest.Instance) {
	t.Helper()
	n := signettest.New(t, signettest.Options{Config: "objects:\n" + config, Env: env})
	n.BootstrapAdmin("root@signet.test")
	return n, n.Start()
}

// stranger is a key that no server knows.
func stranger() key { return key{"AKIASTRANGERSTRANGE2", strings.Repeat("s", 40)} }

func TestWithoutAuthenticationEverybodyMayDoEverything(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		env    []string
	}{
		"objects.auth: off":         {config: "  auth: off\n"},
		"POST3_AUTH_ENABLED=false":  {config: "  region: us-east-1\n", env: []string{"POST3_AUTH_ENABLED=false"}},
		"SIGNET_OBJECTS_AUTH=off":   {config: "  auth: on\n", env: []string{"SIGNET_OBJECTS_AUTH=off"}},
		"the variable of both wins": {config: "  auth: on\n", env: []string{"SIGNET_OBJECTS_AUTH=off", "POST3_AUTH_ENABLED=true"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, at := start(t, c.config, c.env...)
			file := scratch(t)
			writeFile(t, file, []byte("anybody's"))
			s3 := newSDK(t, endpoint{url: at.Objects}, stranger())
			for what, err := range map[string]error{"create": s3.makeBucket("open"), "put": s3.put("open", "file", file)} {
				if err != nil {
					t.Errorf("%s with any key: %v", what, err)
				}
			}
			if res := plainly(t, http.MethodGet, at.Objects+"/open/file"); res != "200 anybody's" {
				t.Errorf("without a key: got %s", res)
			}
			wantWarning(t, at, 1)
			at.Stop()
			at.Restart()
			wantWarning(t, at, 2)
		})
	}
}

// wantWarning checks that each of so many starts has warned.
func wantWarning(t *testing.T, at *signettest.Instance, starts int) {
	t.Helper()
	if n := strings.Count(at.Log(), "authentication of the S3 API is off"); n != starts {
		t.Errorf("%d starts warned %d times", starts, n)
	}
}

// plainly sends a request without a key, and returns status and body.
func plainly(t *testing.T, method, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body := make([]byte, 2000)
	n, _ := res.Body.Read(body)
	return strconv.Itoa(res.StatusCode) + " " + string(body[:n])
}

func TestAuthenticationIsOnUnlessSomebodySaysOtherwise(t *testing.T) {
	t.Parallel()
	for _, env := range []string{"SIGNET_OBJECTS_REGION=us-east-1", "POST3_AUTH_ENABLED=true"} {
		_, at := start(t, "  region: us-east-1\n", env)
		_, err := newSDK(t, endpoint{url: at.Objects}, stranger()).list("any-bucket", "")
		wantCode(t, err, "InvalidAccessKeyId")
		if res := plainly(t, http.MethodPut, at.Objects+"/any-bucket"); !strings.Contains(res, "<Code>AccessDenied</Code>") {
			t.Errorf("without a key: got %s", res)
		}
	}
}

func TestServerThatOthersReachIsNotOpenUnlessToldTwice(t *testing.T) {
	t.Parallel()
	const others = "server: {trustedProxies: [192.0.2.1/32]}\nobjects:\n  auth: off\n  origin: http://s3.signet.test\n"
	listen := fmt.Sprintf("SIGNET_OBJECTS_LISTEN=0.0.0.0:%d", signettest.FreePorts(t))
	for config, want := range map[string]int{others: 2, others + "  allowOpen: true\n": 0} {
		n := signettest.New(t, signettest.Options{Config: config, Env: []string{listen}})
		if _, status := n.Try("config", "check"); status != want {
			t.Errorf("config check of %q: got status %d, want %d", config, status, want)
		}
		if want == 0 {
			continue
		}
		if _, status := n.Try("serve"); status != want {
			t.Errorf("serve with %q: got status %d, want %d", config, status, want)
		}
	}
}

func TestUniformErrorsDoNotTellWhetherAKeyExists(t *testing.T) {
	t.Parallel()
	n, at := start(t, "  errors: uniform\n")
	good := makeKey(t, n, "good")
	revoked := makeKey(t, n, "revoked")
	revokeKey(n, revoked)
	s3 := newSDK(t, endpoint{url: at.Objects}, good)
	if err := s3.makeBucket("there"); err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for name, k := range map[string]key{"unknown": stranger(), "wrong secret": {good.id, stranger().secret}, "revoked": revoked} {
		_, err := newSDK(t, endpoint{url: at.Objects}, k).list("there", "")
		wantCode(t, err, "AccessDenied")
		_, text, _ := strings.Cut(fmt.Sprint(err), "AccessDenied")
		said[text] = name
	}
	if len(said) != 1 {
		t.Errorf("refusals differ: %v", said)
	}
}

func TestFirstKeyComesFromTheEnvironmentOnce(t *testing.T) {
	t.Parallel()
	first := key{"FIRSTKEYOFTHEHOUSE", "first-secret-of-the-house-of-tests"}
	file := filepath.Join(t.TempDir(), "secret")
	writeFile(t, file, []byte(first.secret+"\n"))
	for name, env := range map[string]string{
		"secret":             "SIGNET_OBJECTS_SECRET_ACCESS_KEY=" + first.secret,
		"file with a secret": "SIGNET_OBJECTS_SECRET_ACCESS_KEY_FILE=" + file,
	} {
		t.Run(name, func(t *testing.T) {
			n, at := start(t, "  region: us-east-1\n", "SIGNET_OBJECTS_ACCESS_KEY_ID="+first.id, env)
			n.Secrets.Add(first.secret)
			s3 := newSDK(t, endpoint{url: at.Objects}, first)
			if err := s3.makeBucket("first"); err != nil {
				t.Fatal(err)
			}
			at.Stop()
			at.Restart()
			if _, err := s3.list("first", ""); err != nil {
				t.Errorf("after another start: %v", err)
			}
			revokeKey(n, first)
			at.Stop()
			at.Restart()
			_, err := s3.list("first", "")
			wantCode(t, err, "InvalidAccessKeyId")
		})
	}
}
