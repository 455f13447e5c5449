package objects_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/objectstest"
)

// refusals are what a server must refuse every client, with the right code.
func refusals(t *testing.T, c client, connect connector, s *server, b *bodies) {
	bucket := s.bucket(c.name)
	for _, wrong := range []struct {
		name string
		key  key
		code string
	}{
		{"wrong secret", s.keys.wrong, "SignatureDoesNotMatch"},
		{"unknown key", s.keys.unknown, "InvalidAccessKeyId"},
		{"revoked key", s.keys.revoked, "InvalidAccessKeyId"},
		{"expired key", s.keys.expired, "InvalidAccessKeyId"},
		{"missing permission", s.keys.limited, "AccessDenied"},
	} {
		t.Run(wrong.name, func(t *testing.T) {
			_, err := connect(t, s.at, wrong.key).list(bucket, "gone/")
			wantCode(t, err, wrong.code)
		})
	}
	for _, what := range []part{theBody, theTrailer} {
		t.Run(string(what), func(t *testing.T) {
			if why := c.why(string(what), s.at); why != "" {
				t.Logf("%s cannot: %s", c.name, why)
				return
			}
			tampering(t, what, connect(t, s.tampered.at, s.keys.owner), s.tampered, bucket, b)
		})
	}
}

// tampering has a part of an upload changed on its way: it must be refused, and leave
// what was there before.
func tampering(t *testing.T, what part, c session, on *tamperer, bucket string, b *bodies) {
	t.Helper()
	key := strings.ReplaceAll(string(what), " ", "-")
	send := c.put
	if what == theTrailer {
		send = c.putChecked
	}
	on.change("/"+bucket+"/"+key, what)
	err := send(bucket, key, b.small)
	change := on.changed("/" + bucket + "/" + key)
	if !change.found {
		t.Fatalf("an upload with %q has no such part; the client says %v", change.form, err)
	}
	wantCode(t, err, change.code())
	if left, err := c.list(bucket, key); err == nil && len(left) > 0 {
		t.Errorf("what was refused is there: %v", left)
	}
}

// wantCode fails where an error does not have a code of S3.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), code) {
		t.Errorf("got %v, want %s", err, code)
	}
}

// The clock of a process cannot be set, so these doors are within the test's own, which
// is an hour ahead of their clients.
func TestClientsWhoseClocksAreWrongAreTold(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	ahead := func(o *objects.DoorOptions) { o.Now = func() time.Time { return time.Now().Add(time.Hour) } }
	at := map[string]endpoint{}
	for name, h := range map[string]*objectstest.House{
		"disk":     objectstest.OnDisk(t, dbtest.SQLite(t), ahead),
		"upstream": objectstest.OnUpstream(t, ahead, nil),
	} {
		at[name+" over HTTP"], at[name+" over TLS"] = endpoint{url: h.URL}, a.serve(t, h.Handler)
	}
	owner := key{objectstest.OwnerKey, objectstest.OwnerSecret}
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			connect := c.start(t)
			for name, e := range at {
				t.Run(name, func(t *testing.T) {
					_, err := connect(t, e, owner).list("any-bucket", "gone/")
					wantCode(t, err, "RequestTimeTooSkewed")
				})
			}
		})
	}
}

// s3cmd signs links as S3 did before 2014.
func TestLinksWithTheOldSignatureAreRefusedAndSayWhatToDo(t *testing.T) {
	t.Parallel()
	at := endpoint{url: objectstest.OnDisk(t, dbtest.SQLite(t), nil).URL}
	link, err := startS3cmd(t)(t, at, key{objectstest.OwnerKey, objectstest.OwnerSecret}).presign(http.MethodGet, "any-bucket", "key")
	if err != nil {
		t.Fatal(err)
	}
	if res := plainly(t, http.MethodGet, link); !strings.HasPrefix(res, "400 ") || !strings.Contains(res, "signature_version=s3v4") {
		t.Errorf("%s: got %s, want 400 that names signature_version=s3v4", link, res)
	}
}
