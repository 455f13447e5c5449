package objects_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/internal/db/dbtest"
	"signet/internal/seal"
	signettest "signet/test/signet"
)

// New secrets are sealed with new keys while clients go on.
func TestNoRequestFailsWhileTheMasterKeyIsRotated(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"sqlite": "", "postgres": dbtest.EmptyPostgresURL(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := signettest.New(t, signettest.Options{StoreURL: url, Config: "telemetry: {logLevel: warn}\n"})
			n.BootstrapAdmin("root@signet.test")
			owner, late := makeKey(t, n, "owner"), makeKey(t, n, "late")
			i := n.Start()
			at := endpoint{url: i.Objects}
			before := sealedUnder(t, n, owner)
			stop, sent := flood(t, at, owner)
			for range 3 {
				n.Run("seal", "rotate")
			}
			during := sent.Load()
			if err := stop(); err != nil {
				t.Errorf("of %d requests: %v", during, err)
			}
			if during < 20 {
				t.Errorf("%d requests flowed: that shows nothing", during)
			}
			if after := sealedUnder(t, n, owner); after == before {
				t.Errorf("the key is still sealed under %s", after)
			}
			if _, err := newSDK(t, at, late).ListBuckets(t.Context(), nil); err != nil { // whose secret was not read before
				t.Errorf("a key that was not in use: %v", err)
			}
			i.Stop()
			i.Restart()
			if _, err := newSDK(t, at, owner).ListBuckets(t.Context(), nil); err != nil {
				t.Errorf("after another start: %v", err)
			}
			t.Logf("%d requests during three rotations", during)
		})
	}
}

// flood puts and gets objects until stop, which returns the first error.
func flood(t *testing.T, at endpoint, k key) (stop func() error, sent *atomic.Int64) {
	t.Helper()
	s3 := newSDK(t, at, k)
	if err := s3.makeBucket("flood"); err != nil {
		t.Fatal(err)
	}
	file := scratch(t)
	writeFile(t, file, []byte("drop"))
	done := make(chan struct{})
	sent = new(atomic.Int64)
	g := new(errgroup.Group)
	for worker := range 4 {
		back := scratch(t)
		g.Go(func() error {
			for {
				select {
				case <-done:
					return nil
				default:
				}
				name := fmt.Sprintf("drop-%d", worker)
				if err := s3.put("flood", name, file); err != nil {
					return err
				}
				if err := s3.get("flood", name, back); err != nil {
					return err
				}
				sent.Add(2)
			}
		})
	}
	return func() error { close(done); return g.Wait() }, sent
}

// sealedUnder returns which master key seals the secret of a key.
func sealedUnder(t *testing.T, n *signettest.Installation, k key) string {
	t.Helper()
	var sealed []byte
	err := n.Store(t).SQL().QueryRowContext(t.Context(), `SELECT secret_sealed FROM api_keys WHERE access_key_id = $1`, k.id).Scan(&sealed)
	if err != nil {
		t.Fatal(err)
	}
	return seal.KeyID(sealed)
}

// Two instances share a database and a directory.
func TestRevocationAtOneInstanceIsSeenByTheOther(t *testing.T) {
	t.Parallel()
	n := signettest.New(t, signettest.Options{
		StoreURL: dbtest.EmptyPostgresURL(t), Config: fmt.Sprintf("objects: {disk: {path: %q}}\n", t.TempDir()),
	})
	admin := n.BootstrapAdmin("root@signet.test")
	k := makeKey(t, n, "job")
	one, other := n.Start(), n.Start()
	here, there := newSDK(t, endpoint{url: one.Objects}, k), newSDK(t, endpoint{url: other.Objects}, k)
	file, back := scratch(t), scratch(t)
	content := bytes.Repeat([]byte("shared "), 10_000) // more than stands in a row
	writeFile(t, file, content)
	if err := here.makeBucket("shared"); err != nil {
		t.Fatal(err)
	}
	if err := here.put("shared", "file", file); err != nil {
		t.Fatal(err)
	}
	if err := there.get("shared", "file", back); err != nil {
		t.Fatalf("what the first instance took, at the other: %v", err)
	}
	if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, content) {
		t.Errorf("got %d bytes %v, want %d", len(got), err, len(content))
	}
	if a := one.Call(http.MethodDelete, "/api/v1/objects/keys/"+k.id, admin, ""); a.Status != http.StatusNoContent {
		t.Fatalf("revoke: got %d %s", a.Status, a.Body)
	}
	begun := time.Now()
	wantCode(t, here.get("shared", "file", back), "InvalidAccessKeyId")
	signettest.Await(t, "the other instance refuses the key", 2*time.Second, func() error {
		if err := there.get("shared", "file", back); err == nil || !strings.Contains(err.Error(), "InvalidAccessKeyId") {
			return errors.New("it is not refused")
		}
		return nil
	})
	t.Logf("the other instance refused it after %v", time.Since(begun).Round(time.Millisecond))
}
