package objects_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/disk"
	"signet/internal/objects/objectstest"
	"signet/internal/objects/upstream"
	"signet/internal/sigv4"
	"signet/internal/ticket"
)

// upload is a form that a browser sends, without a signature.
func upload(t *testing.T, h *objectstest.House, key, file string, headers ...string) objectstest.Answer {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("key", key)
	f, _ := w.CreateFormFile("file", file)
	_, _ = f.Write([]byte("meow"))
	_ = w.Close()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL+"/files", &b)
	r.Header.Set("Content-Type", w.FormDataContentType())
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return h.Do(r)
}

func TestNameOfAPostedFileIsFilledInOnce(t *testing.T) {
	h := objectstest.OnDisk(t, dbtest.SQLite(t), func(o *objects.DoorOptions) { o.Open = true })
	h.Send("PUT", "/files", "").Wants(t, "create", 200, "")
	upload(t, h, "up/${filename}", "${filename}.png").Wants(t, "form", 204, "")
	if a := h.Send("GET", "/files/up/$%7Bfilename%7D.png", ""); a.Body != "meow" {
		t.Errorf("got %d %s, want the file under the name that it came with", a.Status, a.Body)
	}
}

// A link to one bucket, behind a proxy that hands on what clients say of their host.
func TestBucketIsThatOfTheHostThatWasSigned(t *testing.T) {
	h := objectstest.OnDisk(t, dbtest.SQLite(t), func(o *objects.DoorOptions) {
		o.Hosts, o.Proxies = []string{"s3.localhost"}, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	for _, name := range []string{"open-files", "secrets"} {
		h.Send("PUT", "/"+name, "").Wants(t, "create", 200, "")
		h.Send("PUT", "/"+name+"/k", "of "+name, "X-Forwarded-Proto", "https").Wants(t, "put", 200, "")
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://open-files.s3.localhost/k", http.NoBody)
	link, err := sigv4.Presign(r, sigv4.NewCredential(objectstest.OwnerKey, objectstest.OwnerSecret, "", nil), time.Hour,
		sigv4.Options{Now: time.Now(), Region: "us-east-1", Service: "s3"})
	if err != nil {
		t.Fatal(err)
	}
	r, _ = http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+link.RequestURI(), http.NoBody)
	r.Host = "secrets.s3.localhost"
	r.Header.Set("X-Forwarded-Host", "open-files.s3.localhost")
	if a := h.Do(r); a.Body != "of open-files" {
		t.Errorf("got %d %q, want what the link is of", a.Status, a.Body)
	}
}

// Where authentication is off, any page that a person looks at could send to loopback
// what browsers send without asking first: forms.
func TestPagesOfOtherSitesDoNotWriteThroughAnOpenDoor(t *testing.T) {
	h := objectstest.OnDisk(t, dbtest.SQLite(t), func(o *objects.DoorOptions) { o.Open = true })
	h.Send("PUT", "/files", "").Wants(t, "create", 200, "")
	h.Send("PUT", "/files/k", "x").Wants(t, "put", 200, "")
	evil := []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}
	upload(t, h, "k", "f", evil...).Wants(t, "form", 403, "AccessDenied")
	remove := func() objectstest.Answer {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL+"/files?delete", strings.NewReader("<Delete><Object><Key>k</Key></Object></Delete>"))
		r.Header.Set("Content-Type", "text/plain")
		r.Header.Set("Origin", "https://evil.example")
		return h.Do(r)
	}
	remove().Wants(t, "delete", 200, "AccessDenied") // of each key
	if a := h.Send("GET", "/files/k", "", "Origin", "https://evil.example"); a.Body != "x" {
		t.Errorf("got %d %q", a.Status, a.Body)
	}
	h.Send("PUT", "/files/k", "signed", evil...).Wants(t, "with a key that is good", 200, "")
	h.Send("PUT", "/files?cors", `<CORSConfiguration><CORSRule><AllowedMethod>POST</AllowedMethod><AllowedOrigin>https://evil.example</AllowedOrigin></CORSRule></CORSConfiguration>`).
		Wants(t, "rules", 200, "")
	if a := remove(); !strings.Contains(a.Body, "<Deleted>") {
		t.Errorf("a site that the bucket lets in: got %s", a.Body)
	}
}

// What is sent slowly must not keep others out: forms are read before they prove anything.
func TestSlowFormsOfStrangersTakeFewPlaces(t *testing.T) {
	t.Parallel() // it waits for a deadline
	h := objectstest.OnDisk(t, dbtest.SQLite(t), nil)
	h.Send("PUT", "/files", "").Wants(t, "create", 200, "")
	at := strings.TrimPrefix(h.URL, "http://")
	begin := func() net.Conn {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = fmt.Fprintf(c, "POST /files HTTP/1.1\r\nHost: %s\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000\r\n\r\n--x\r\n", at)
		return c
	}
	answers := make(chan string, 200)
	for range 150 {
		c := begin()
		go func() {
			line, _ := bufio.NewReader(c).ReadString('\n')
			answers <- line
		}()
	}
	for range 50 {
		if got := <-answers; !strings.Contains(got, " 503 ") {
			t.Fatalf("got %q for a form too many, want 503", got)
		}
	}
	h.Send("GET", "/files", "").Wants(t, "meanwhile", 200, "")
	began := time.Now()
	if got := <-answers; time.Since(began) > 30*time.Second {
		t.Errorf("a silent form was cut after %v: %q", time.Since(began), got)
	}
}

func TestOneAddressHasAQuarterOfThePlaces(t *testing.T) {
	in, out := make(chan struct{}), make(chan struct{})
	h := objects.AtMost(8)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { in <- struct{}{}; <-out }))
	ask := func(address string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(ticket.WithRequest(t.Context(), ticket.Request{Address: address}), http.MethodGet, "/", http.NoBody)
		h.ServeHTTP(w, r)
		return w
	}
	var all sync.WaitGroup
	hold := func(address string) { all.Go(func() { ask(address) }); <-in }
	for range 2 {
		hold("2001:db8::1")
	}
	if got := ask("2001:db8::2").Code; got != http.StatusTooManyRequests {
		t.Errorf("a third of one network: got %d, want 429", got)
	}
	hold("2001:db8:0:1::1")
	for range 5 {
		hold("127.0.0.1")
	}
	if got := ask("192.0.2.1").Code; got != http.StatusTooManyRequests {
		t.Errorf("a ninth: got %d, want 429", got)
	}
	close(out)
	all.Wait()
	go ask("2001:db8::2")
	<-in // there is place again
}

func TestFloodFromOneAddressFillsNoDiskAndHidesNothing(t *testing.T) {
	d := dbtest.SQLite(t)
	s := objects.NewDenials(d, &book{}, time.Now)
	for i := range 5000 {
		s.Note(t.Context(), objects.Denial{At: time.Now(), Address: fmt.Sprintf("2001:db8::%x", i), Code: "AccessDenied", Bucket: "noise"})
	}
	s.Note(t.Context(), objects.Denial{At: time.Now(), Address: "192.0.2.7", Code: "AccessDenied", Bucket: "signal"})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Run(ctx); err != nil { // writes what was noted
		t.Fatal(err)
	}
	operator := ticket.With(t.Context(), ticket.Operator([]string{"objects:read"}))
	noise, err := s.List(operator, objects.DenialFilter{Bucket: "noise", Limit: 100})
	if err != nil || len(noise.Denials) != 100 || noise.Next != "" {
		t.Errorf("got %d of the flood and more at %q, %v, want 100", len(noise.Denials), noise.Next, err)
	}
	if signal, err := s.List(operator, objects.DenialFilter{Bucket: "signal"}); err != nil || len(signal.Denials) != 1 {
		t.Errorf("got %d of another address, %v, want 1", len(signal.Denials), err)
	}
}

// The store's key has buckets upstream that nobody made through the door.
func TestBucketsThatAreUpstreamAlreadyAreNobodysToTake(t *testing.T) {
	d := dbtest.SQLite(t)
	store, err := disk.New(d, t.TempDir(), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	far := objectstest.Open(t, d, store, nil)
	far.Send("PUT", "/payroll", "").Wants(t, "create upstream", 200, "")
	for _, adopt := range []bool{false, true} {
		up, err := upstream.New(upstream.Options{
			Endpoint: far.URL, Region: "us-east-1", AccessKeyID: objectstest.OwnerKey, SecretAccessKey: objectstest.OwnerSecret, Now: time.Now, Adopt: adopt,
		})
		if err != nil {
			t.Fatal(err)
		}
		h := objectstest.Open(t, dbtest.SQLite(t), up, nil)
		if adopt {
			h.Send("PUT", "/payroll", "").Wants(t, "taken over", 200, "")
			continue
		}
		h.Send("PUT", "/payroll", "").Wants(t, "taken over", 409, "BucketAlreadyExists")
		h.Send("GET", "/payroll", "").Wants(t, "list", 404, "NoSuchBucket")
		h.Send("PUT", "/own-bucket", "").Wants(t, "of a new name", 200, "")
		h.Send("PUT", "/own-bucket", "").Wants(t, "again", 200, "")
	}
}
