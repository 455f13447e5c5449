package objects_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"signet/internal/db/dbtest"
	"signet/internal/objects/objectstest"
	"signet/internal/sigv4"
)

// BenchmarkSmall is a GET and a PUT of 4 KiB over one connection, both sides counted; the
// client's is next to nothing.
func BenchmarkSmall(b *testing.B) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	defer slog.SetDefault(before)
	h := objectstest.OnDisk(b, dbtest.SQLite(b), nil)
	h.Send("PUT", "/files", "").Wants(b, "create", 200, "")
	body := strings.Repeat("x", 4096)
	h.Send("PUT", "/files/k", body).Wants(b, "put", 200, "")
	b.Run("get", func(b *testing.B) { exchange(b, h, request(b, h, http.MethodGet, "")) })
	b.Run("put", func(b *testing.B) { exchange(b, h, request(b, h, http.MethodPut, body)) })
}

// request is a signed request as it goes over the wire.
func request(b *testing.B, h *objectstest.House, method, body string) []byte {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, h.URL+"/files/k", strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	sigv4.Sign(r, sigv4.NewCredential(objectstest.OwnerKey, objectstest.OwnerSecret, "", nil), hex.EncodeToString(sum[:]),
		sigv4.Options{Now: time.Now(), Region: "us-east-1", Service: "s3"})
	var out bytes.Buffer
	if err := r.Write(&out); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

func exchange(b *testing.B, h *objectstest.House, request []byte) {
	b.Helper()
	conn, err := new(net.Dialer).DialContext(b.Context(), "tcp", strings.TrimPrefix(h.URL, "http://"))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		res, err := http.ReadResponse(in, nil) //nolint:bodyclose // read to its end
		if err != nil || res.StatusCode != http.StatusOK {
			b.Fatal(res, err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			b.Fatal(err)
		}
	}
}
