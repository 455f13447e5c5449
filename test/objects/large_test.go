package objects_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/objects/disk"
	"signet/internal/objects/objectstest"
	"signet/internal/sigv4"
	signettest "signet/test/signet"
)

// zeros are the bytes of a sparse file.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// sizeOfLarge is 5 GiB, the most that one request may carry, in the long form of the
// fault programme, and a tenth of it otherwise: it takes so much room on the disk.
func sizeOfLarge() int64 {
	if os.Getenv("SIGNET_FAULTS") == "long" {
		return 5 << 30
	}
	return 512 << 20
}

// What is large goes in and out again through a server that stays small.
func TestLargeObjectTakesNoMemory(t *testing.T) {
	t.Parallel()
	size := sizeOfLarge()
	n := signettest.New(t, signettest.Options{Config: "telemetry: {logLevel: warn}\n"})
	n.BootstrapAdmin("root@signet.test")
	k := makeKey(t, n, "owner")
	i := n.Start()
	if err := newSDK(t, endpoint{url: i.Objects}, k).makeBucket("large"); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	put := signed(t, k, http.MethodPut, i.Objects+"/large/zeros", io.LimitReader(zeros{}, size))
	put.ContentLength = size
	if status, body := sendLarge(t, put); status != http.StatusOK {
		t.Fatalf("put: got %d %s", status, body)
	}
	took := time.Since(begun)
	if status, end := sendLarge(t, signed(t, k, http.MethodGet, i.Objects+"/large/zeros", http.NoBody)); status != http.StatusOK || end != fmt.Sprintf("%d bytes", size) {
		t.Errorf("get: got %d %s", status, end)
	}
	peak := signettest.Peak(t, i.Pid())
	t.Logf("%d MiB: put in %v, %.0f MB/s; got in %v; the server grew to %d MiB",
		size>>20, took.Round(time.Second), float64(size)/1e6/took.Seconds(), (time.Since(begun) - took).Round(time.Second), peak>>20)
	if peak >= 200<<20 {
		t.Errorf("the server grew to %d MiB, want less than 200", peak>>20)
	}
}

func signed(t *testing.T, k key, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	sigv4.Sign(r, sigv4.NewCredential(k.id, k.secret, "", nil), "UNSIGNED-PAYLOAD", sigv4.Options{Now: time.Now(), Region: "us-east-1", Service: "s3"})
	return r
}

// sendLarge returns the answer's status, and its body or how long that is.
func sendLarge(t *testing.T, r *http.Request) (status int, body string) {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ContentLength >= 0 && res.ContentLength < 10_000 {
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	return res.StatusCode, fmt.Sprintf("%d bytes", n)
}

// million is how many keys a bucket has here.
const million = 1_000_000

// A page costs the same wherever it is in a bucket of a million keys.
func TestEachPageOfAMillionKeysTakesAsLong(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	store, err := disk.New(d, t.TempDir(), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := objectstest.Open(t, d, store, nil)
	c := newSDK(t, endpoint{url: h.URL}, key{objectstest.OwnerKey, objectstest.OwnerSecret})
	if err := c.makeBucket("million"); err != nil {
		t.Fatal(err)
	}
	insertMillion(t, d)
	listMillion(t, c)
	before := map[string]string{"first": "", "middle": keyOfMillion(million / 2), "last": keyOfMillion(million - 1000)}
	took := map[string][]time.Duration{}
	for range 50 { // in turns, so that what else the machine does falls on all
		for where, after := range before {
			begun := time.Now()
			page, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("million"), StartAfter: &after})
			if err != nil || len(page.Contents) != 1000 {
				t.Fatalf("%s page: %v", where, err)
			}
			took[where] = append(took[where], time.Since(begun))
		}
	}
	first, middle, last := median(took["first"]), median(took["middle"]), median(took["last"])
	t.Logf("the first page takes %v, one in the middle %v, the last %v: %.2f times as long", first, middle, last, float64(last)/float64(first))
	if max(middle, last) > 3*first {
		t.Errorf("pages take %v, %v and %v: want them all to take as long", first, middle, last)
	}
}

// listMillion lists all keys, which must come once and in order.
func listMillion(t *testing.T, c sdk) {
	t.Helper()
	seen := 0
	pages := s3.NewListObjectsV2Paginator(c.Client, &s3.ListObjectsV2Input{Bucket: aws.String("million")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range page.Contents {
			if seen++; *found.Key != keyOfMillion(seen) {
				t.Fatalf("key %d is %q, want %q", seen, *found.Key, keyOfMillion(seen))
			}
		}
	}
	if seen != million {
		t.Errorf("listed %d keys, want %d", seen, million)
	}
}

// keyOfMillion is a key by its number, from 1.
func keyOfMillion(i int) string { return fmt.Sprintf("folder-%04d/key-%07d", i/1000, i) }

func median(all []time.Duration) time.Duration {
	sorted := slices.Clone(all)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

// insertMillion inserts objects without bytes as the store keeps them.
func insertMillion(t *testing.T, d *db.DB) {
	t.Helper()
	err := d.Update(context.WithoutCancel(t.Context()), func(tx *db.Tx) error {
		_, err := tx.ExecContext(t.Context(), strings.ReplaceAll(`
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < MILLION)
			INSERT INTO objects_disk_objects (bucket, key, place, version_id, body, size, etag, modified_at, parts, checksum, attributes, tags, content)
			SELECT 'million', printf('folder-%04d/key-%07d', i / 1000, i), 0, 'null', '', 0, 'd41d8cd98f00b204e9800998ecf8427e', $1, 0, '', '{}', '[]', 0
			FROM n`, "MILLION", strconv.Itoa(million)), db.Now(time.Now()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
