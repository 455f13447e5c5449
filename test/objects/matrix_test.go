package objects_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
)

// bodies are files that clients upload.
type bodies struct {
	small, large         string // files of 20 KiB and 64 MiB
	smallBytes, allBytes []byte
}

func newBodies(t *testing.T) *bodies {
	t.Helper()
	b := &bodies{small: scratch(t), large: scratch(t), allBytes: make([]byte, 64<<20)}
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b.allBytes) // never fails
	b.smallBytes = b.allBytes[:20<<10]
	writeFile(t, b.small, b.smallBytes)
	writeFile(t, b.large, b.allBytes)
	return b
}

// trial is a client at a server, with a bucket of its own.
type trial struct {
	*testing.T
	session

	bucket  string
	crowded string
	bodies  *bodies
	http    *http.Client
}

// does are the cases that each client must be able to do, in this order.
var does = []struct {
	name string
	try  func(t *trial)
}{
	{"create bucket", func(t *trial) { t.ok(t.makeBucket(t.bucket)) }},
	{"put", func(t *trial) { t.ok(t.put(t.bucket, "small", t.bodies.small)) }},
	{"get", func(t *trial) {
		t.sameAs(t.bodies.smallBytes, func(file string) error { return t.get(t.bucket, "small", file) })
	}},
	{caseRange, func(t *trial) {
		t.sameAs(t.bodies.smallBytes[100:5000], func(file string) error { return t.getRange(t.bucket, "small", file, 100, 4999) })
	}},
	{"put with a checksum", func(t *trial) {
		t.ok(t.putChecked(t.bucket, "checked", t.bodies.small))
		t.sameAs(t.bodies.smallBytes, func(file string) error { return t.get(t.bucket, "checked", file) })
	}},
	{"copy", func(t *trial) {
		t.ok(t.copy(t.bucket, "small", "copied"))
		t.sameAs(t.bodies.smallBytes, func(file string) error { return t.get(t.bucket, "copied", file) })
	}},
	{caseMultipart, func(t *trial) {
		t.ok(t.putParts(t.bucket, "large", t.bodies.large))
		t.sameAs(t.bodies.allBytes, func(file string) error { return t.get(t.bucket, "large", file) })
	}},
	{casePresignedGet, func(t *trial) {
		if got := t.fetch(http.MethodGet, "small", nil); !bytes.Equal(got, t.bodies.smallBytes) {
			t.Errorf("got %d bytes %.300q, want those that were put", len(got), got)
		}
	}},
	{casePresignedPut, func(t *trial) {
		t.fetch(http.MethodPut, "presigned", t.bodies.smallBytes)
		t.sameAs(t.bodies.smallBytes, func(file string) error { return t.get(t.bucket, "presigned", file) })
	}},
	{"delete many", func(t *trial) {
		t.ok(t.put(t.bucket, "gone/1", t.bodies.small))
		t.ok(t.put(t.bucket, "gone/2", t.bodies.small))
		t.ok(t.put(t.bucket, "gone/3", t.bodies.small))
		t.ok(t.remove(t.bucket, "gone/1", "gone/3"))
		if got, err := t.list(t.bucket, "gone/"); err != nil || !slices.Equal(got, []string{"gone/2"}) {
			t.Errorf("got %v %v, want gone/2 alone", got, err)
		}
	}},
	{"list 2,500 keys", func(t *trial) {
		got, err := t.list(t.crowded, "many/")
		t.ok(err)
		if !slices.Equal(got, crowd()) {
			t.Errorf("got %d keys, want all of the 2,500 in order", len(got))
		}
	}},
}

// crowded is a bucket with 2,500 keys.
const crowded = "crowded"

func crowd() (keys []string) {
	for i := range 2500 {
		keys = append(keys, fmt.Sprintf("many/%04d", i))
	}
	return keys
}

// ok ends the test where a client failed.
func (t *trial) ok(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sameAs has a client write a file, which must hold want.
func (t *trial) sameAs(want []byte, get func(file string) error) {
	t.Helper()
	file := scratch(t)
	t.ok(get(file))
	got, err := os.ReadFile(file)
	t.ok(err)
	if !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, want the %d that were put", len(got), len(want))
	}
}

// fetch follows a link that the client made, as a browser does.
func (t *trial) fetch(method, key string, body []byte) []byte {
	t.Helper()
	link, err := t.presign(method, t.bucket, key)
	t.ok(err)
	r, err := http.NewRequestWithContext(t.Context(), method, link, bytes.NewReader(body))
	t.ok(err)
	res, err := t.http.Do(r)
	t.ok(err)
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: got %d %s %v, want 200", method, link, res.StatusCode, got, err)
	}
	return got
}

func TestClientsDoWhatTheyDoWithS3(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	servers := startServers(t, a)
	t.Cleanup(func() {
		for _, s := range servers {
			s.noSecretsAtRest(t)
		}
	})
	b := newBodies(t)
	fillAll(t, servers)
	browser := a.client(t)
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			connect := c.start(t)
			for _, s := range servers {
				t.Run(s.name, func(t *testing.T) {
					one := trial{T: t, session: connect(t, s.at, s.keys.owner), bucket: s.bucket(c.name), crowded: s.bucket(crowded), bodies: b, http: browser}
					one.doAll(c, s)
				})
				t.Run(s.name+" refuses", func(t *testing.T) { refusals(t, c, connect, s, b) })
			}
		})
	}
}

// doAll tries each case.
func (t *trial) doAll(c client, s *server) {
	for _, d := range does {
		t.Run(d.name, func(inner *testing.T) {
			if why := c.why(d.name, s.at); why != "" {
				inner.Logf("%s cannot: %s", c.name, why)
				return
			}
			one := *t
			one.T = inner
			d.try(&one)
		})
	}
}

// fillAll makes the bucket of 2,500 keys at each server.
func fillAll(t *testing.T, servers []*server) {
	t.Helper()
	var all sync.WaitGroup
	for _, s := range servers {
		all.Go(func() {
			if err := fill(t, s); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func fill(t *testing.T, s *server) error {
	c := newSDK(t, s.at, s.keys.owner)
	bucket := s.bucket(crowded)
	if err := c.makeBucket(bucket); err != nil {
		return err
	}
	empty := scratch(t)
	g := new(errgroup.Group)
	g.SetLimit(8)
	for _, key := range crowd() {
		g.Go(func() error { return c.put(bucket, key, empty) })
	}
	return g.Wait()
}
