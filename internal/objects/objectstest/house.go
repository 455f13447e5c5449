// Package objectstest opens doors for tests: on a disk, and on another door as its
// upstream. They belong to one owner, whose key is known.
package objectstest

import (
	"context"
	"io"
	"net"
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
	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/disk"
	"signet/internal/objects/upstream"
	"signet/internal/sigv4"
	"signet/internal/web"
)

// House is a door with one owner.
type House struct {
	URL     string
	Handler http.Handler // what answers there
	Buckets *objects.Buckets

	t      testing.TB
	denied *denied
}

// The owner's key.
const (
	OwnerKey    = "AKIAOWNEROWNEROWNER2"
	OwnerSecret = "owner-secret-of-forty-characters-1234567"
)

// quietLog is an audit log that keeps nothing: these tests are of the door.
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

// LastDenial is what was refused last.
func (h *House) LastDenial() (objects.Denial, bool) {
	n := h.denied
	n.lock.Lock()
	defer n.lock.Unlock()
	if len(n.all) == 0 {
		return objects.Denial{}, false
	}
	return n.all[len(n.all)-1], true
}

// Each runs a test on each store.
func Each(t *testing.T, change func(*objects.DoorOptions), test func(t *testing.T, h *House)) {
	t.Run("disk", func(t *testing.T) { test(t, OnDisk(t, dbtest.SQLite(t), change)) })
	t.Run("upstream", func(t *testing.T) { test(t, OnUpstream(t, change, nil)) })
}

// OnDisk opens a door whose objects are on this machine.
func OnDisk(t testing.TB, d *db.DB, change func(*objects.DoorOptions)) *House {
	t.Helper()
	store, err := disk.New(d, t.TempDir(), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return Open(t, d, store, change)
}

// OnUpstream opens a door whose objects are behind another one. watch, where given, sees
// what the other one is asked.
func OnUpstream(t testing.TB, change func(*objects.DoorOptions), watch web.Middleware) *House {
	t.Helper()
	d := dbtest.SQLite(t)
	far, err := disk.New(d, t.TempDir(), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := upstream.New(upstream.Options{
		Endpoint: open(t, d, far, nil, watch).URL, Region: "us-east-1", AccessKeyID: OwnerKey, SecretAccessKey: OwnerSecret, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return Open(t, dbtest.SQLite(t), store, change)
}

// Open opens a door on a store. change may change its options.
func Open(t testing.TB, d *db.DB, store objects.Store, change func(*objects.DoorOptions)) *House {
	t.Helper()
	return open(t, d, store, change, nil)
}

func open(t testing.TB, d *db.DB, store objects.Store, change func(*objects.DoorOptions), watch web.Middleware) *House {
	t.Helper()
	h := &House{t: t, Buckets: objects.NewBuckets(d, quietLog{}, time.Now), denied: &denied{}}
	owner := sigv4.NewCredential(OwnerKey, OwnerSecret, "", objects.Caller{Key: "k1", AccessKeyID: OwnerKey, Name: "owner", Account: "acme", Owner: "user:u1", User: "u1"})
	o := objects.DoorOptions{
		Region: "us-east-1", AllowPublic: true, Now: time.Now, Denied: h.denied.note,
		Lookup: func(_ context.Context, id, _ string) (*sigv4.Credential, error) {
			if id == OwnerKey {
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
			return h.Buckets.All(ctx, c.Account)
		},
		CheckPolicy: func(string, []byte) (bool, error) { return false, nil },
	}
	if change != nil {
		change(&o)
	}
	var hosts []string
	for _, name := range o.Hosts {
		hosts = append(hosts, "*."+name)
	}
	wrapped, err := web.Around(objects.NewDoor(store, h.Buckets, o), web.Options{Hosts: hosts, Errors: objects.WriteProblem, AnyURL: true, MaxBody: -1, Deadline: -1})
	if err != nil {
		t.Fatal(err)
	}
	if watch != nil {
		wrapped = watch(wrapped)
	}
	s := httptest.NewServer(wrapped)
	t.Cleanup(s.Close)
	h.URL, h.Handler = s.URL, wrapped
	return h
}

// SDK is a client that signs with the key; with none where id is empty.
func (h *House) SDK(id, secret string) *s3.Client {
	o := s3.Options{
		BaseEndpoint: &h.URL, Region: "us-east-1", UsePathStyle: true, Credentials: aws.AnonymousCredentials{}, RetryMaxAttempts: 1,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
	}
	if id != "" {
		o.Credentials = credentials.NewStaticCredentialsProvider(id, secret, "")
	}
	return s3.New(o)
}

// Owner is a client of the owner.
func (h *House) Owner() *s3.Client { return h.SDK(OwnerKey, OwnerSecret) }

// Answer is what came back, whole.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Send sends a request that is signed with the owner's key.
func (h *House) Send(method, path, body string, headers ...string) Answer {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.URL+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	c := sigv4.NewCredential(OwnerKey, OwnerSecret, "", nil)
	sigv4.Sign(r, c, "UNSIGNED-PAYLOAD", sigv4.Options{Now: time.Now(), Region: "us-east-1", Service: "s3"})
	return h.Do(r)
}

// Raw is the header of the answer to a signed request, as it comes over the wire.
func (h *House) Raw(method, path string) string {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.URL+path, http.NoBody)
	if err != nil {
		h.t.Fatal(err)
	}
	sigv4.Sign(r, sigv4.NewCredential(OwnerKey, OwnerSecret, "", nil), "UNSIGNED-PAYLOAD", sigv4.Options{Now: time.Now(), Region: "us-east-1", Service: "s3"})
	conn, err := new(net.Dialer).DialContext(h.t.Context(), "tcp", strings.TrimPrefix(h.URL, "http://"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	r.Close = true
	if err := r.Write(conn); err != nil {
		h.t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		h.t.Fatal(err)
	}
	header, _, _ := strings.Cut(string(b), "\r\n\r\n")
	return header + "\r\n"
}

// Do sends a request as it is, and follows no redirect.
func (h *House) Do(r *http.Request) Answer {
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
	return Answer{resp.StatusCode, resp.Header, string(b)}
}

// Wants fails where the answer is another than this status and S3 code.
func (a Answer) Wants(t testing.TB, what string, status int, code string) {
	t.Helper()
	if a.Status != status || code != "" && !strings.Contains(a.Body, "<Code>"+code+"</Code>") {
		t.Errorf("%s: got %d %s, want %d %s", what, a.Status, a.Body, status, code)
	}
}
