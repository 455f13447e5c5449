package objects_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/objects"
	"signet/internal/objects/disk"
	"signet/internal/sigv4"
	"signet/internal/web"
)

// A house is a door on a disk, with one owner whose key is known.
type house struct {
	t       testing.TB
	url     string
	buckets *objects.Buckets
	denied  *denied
}

const (
	ownerKey    = "AKIAOWNEROWNEROWNER2"
	ownerSecret = "owner-secret-of-forty-characters-1234567"
)

// log is an audit log that keeps nothing: these tests are of the door.
type quietLog struct{}

func (quietLog) Record(context.Context, *db.Tx, audit.Event) error { return nil }
func (quietLog) RecordAlone(context.Context, audit.Event) error    { return nil }

// denied remembers what was refused.
type denied struct {
	lock sync.Mutex
	all  []objects.Denial
}

func (n *denied) note(_ context.Context, d objects.Denial) {
	n.lock.Lock()
	defer n.lock.Unlock()
	n.all = append(n.all, d)
}

func (n *denied) last() (objects.Denial, bool) {
	n.lock.Lock()
	defer n.lock.Unlock()
	if len(n.all) == 0 {
		return objects.Denial{}, false
	}
	return n.all[len(n.all)-1], true
}

// newHouse serves a door whose options change may change.
func newHouse(t testing.TB, d *db.DB, change func(*objects.DoorOptions)) *house {
	t.Helper()
	store, err := disk.New(d, t.TempDir(), disk.Options{Sync: disk.Always})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, buckets: objects.NewBuckets(d, quietLog{}, time.Now), denied: &denied{}}
	owner := sigv4.NewCredential(ownerKey, ownerSecret, "", objects.Caller{Key: "k1", AccessKeyID: ownerKey, Name: "owner", Account: "acme", Owner: "user:u1", User: "u1"})
	o := objects.DoorOptions{
		Region: "us-east-1", AllowPublic: true, Now: time.Now, Denied: h.denied.note,
		Lookup: func(_ context.Context, id, _ string) (*sigv4.Credential, error) {
			if id == ownerKey {
				return owner, nil
			}
			return nil, nil
		},
		Admit: func(objects.Caller) error { return nil },
		Allow: func(_ context.Context, c objects.Caller, q objects.Question) error {
			if c.Owner != q.Bucket.Owner {
				return objects.ErrAccessDenied
			}
			return nil
		},
		Visible: func(ctx context.Context, c objects.Caller) ([]objects.Bucket, error) {
			return h.buckets.All(ctx, c.Account)
		},
		CheckPolicy: func(string, []byte) (bool, error) { return false, nil },
	}
	if change != nil {
		change(&o)
	}
	wrapped, err := web.Around(objects.NewDoor(store, h.buckets, o), web.Options{Errors: objects.WriteProblem, AnyURL: true, MaxBody: -1, Deadline: -1})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(wrapped)
	t.Cleanup(s.Close)
	h.url = s.URL
	return h
}

// sdk is a client that signs with the key; with none where id is empty.
func (h *house) sdk(id, secret string) *s3.Client {
	o := s3.Options{
		BaseEndpoint: &h.url, Region: "us-east-1", UsePathStyle: true, Credentials: aws.AnonymousCredentials{}, RetryMaxAttempts: 1,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
	}
	if id != "" {
		o.Credentials = credentials.NewStaticCredentialsProvider(id, secret, "")
	}
	return s3.New(o)
}

func (h *house) owner() *s3.Client { return h.sdk(ownerKey, ownerSecret) }

// answer is what came back, whole.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request that is signed with the owner's key.
func (h *house) send(method, path, body string, headers ...string) answer {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	c := sigv4.NewCredential(ownerKey, ownerSecret, "", nil)
	sigv4.Sign(r, c, "UNSIGNED-PAYLOAD", sigv4.Options{Now: time.Now(), Region: "us-east-1", Service: "s3"})
	return h.do(r)
}

func (h *house) do(r *http.Request) answer {
	h.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// wants fails where the answer is another than this status and S3 code.
func (a answer) wants(t testing.TB, what string, status int, code string) {
	t.Helper()
	if a.status != status || code != "" && !strings.Contains(a.body, "<Code>"+code+"</Code>") {
		t.Errorf("%s: got %d %s, want %d %s", what, a.status, a.body, status, code)
	}
}
