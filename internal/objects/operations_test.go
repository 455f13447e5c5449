package objects_test

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/objectstest"
	"signet/internal/sigv4"
)

var files = aws.String("files")

// withFiles is a house on a disk with a bucket and these keys in it.
func withFiles(t *testing.T, change func(*objects.DoorOptions), keys ...string) *objectstest.House {
	t.Helper()
	return fill(t, objectstest.OnDisk(t, dbtest.SQLite(t), change), keys...)
}

// each runs a test on each store, with a bucket and these keys in it.
func each(t *testing.T, change func(*objects.DoorOptions), keys []string, test func(t *testing.T, h *objectstest.House)) {
	t.Helper()
	objectstest.Each(t, change, func(t *testing.T, h *objectstest.House) { test(t, fill(t, h, keys...)) })
}

func fill(t *testing.T, h *objectstest.House, keys ...string) *objectstest.House {
	t.Helper()
	h.Send("PUT", "/files", "").Wants(t, "create", 200, "")
	for _, k := range keys {
		h.Send("PUT", "/files/"+k, "content of "+k).Wants(t, "put", 200, "")
	}
	return h
}

func TestListsGoOnWhereTheyEnded(t *testing.T) {
	each(t, nil, []string{"a/1", "a/2", "b", "c d", "e%2Bf", "g/1"}, func(t *testing.T, h *objectstest.House) {
		var got []string
		for pages := s3.NewListObjectsV2Paginator(h.Owner(), &s3.ListObjectsV2Input{Bucket: files, MaxKeys: aws.Int32(2), Delimiter: aws.String("/")}); pages.HasMorePages(); {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n := len(page.Contents) + len(page.CommonPrefixes); n > 2 || n != int(*page.KeyCount) {
				t.Errorf("a page has %d entries and says %d", n, *page.KeyCount)
			}
			for _, p := range page.CommonPrefixes {
				got = append(got, *p.Prefix)
			}
			for _, o := range page.Contents {
				got = append(got, *o.Key)
			}
		}
		if all := strings.Join(got, ","); all != "a/,b,c d,e+f,g/" {
			t.Errorf("got %s", all)
		}
		if a := h.Send("GET", "/files?list-type=2&continuation-token=", ""); a.Status != 200 || !strings.Contains(a.Body, "<KeyCount>6</KeyCount>") {
			t.Errorf("an empty token is the begin: got %d %s", a.Status, a.Body)
		}
		if a := h.Send("GET", "/files?encoding-type=url&prefix=c", ""); !strings.Contains(a.Body, "<Key>c%20d</Key>") || !strings.Contains(a.Body, "<EncodingType>url") {
			t.Errorf("encoded: got %s", a.Body)
		}
		if a := h.Send("GET", "/files?max-keys=0", ""); !strings.Contains(a.Body, "<IsTruncated>false") || strings.Contains(a.Body, "<Contents>") {
			t.Errorf("no keys at all: got %s", a.Body)
		}
	})
}

func TestDeleteObjectsAnswersEachKey(t *testing.T) {
	each(t, func(o *objects.DoorOptions) {
		o.Allow = func(_ context.Context, _ objects.Caller, q objects.Question) error {
			if q.Key == "kept" && q.Action == "s3:DeleteObject" {
				return objects.ErrAccessDenied
			}
			return nil
		}
	}, []string{"gone", "kept"}, func(t *testing.T, h *objectstest.House) {
		out, err := h.Owner().DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: files, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
			{Key: aws.String("gone")}, {Key: aws.String("kept")}, {Key: aws.String("never there")},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Deleted) != 2 || len(out.Errors) != 1 || *out.Errors[0].Key != "kept" || *out.Errors[0].Code != "AccessDenied" {
			t.Errorf("got %+v %+v", out.Deleted, out.Errors)
		}
		h.Send("GET", "/files/gone", "").Wants(t, "deleted", 404, "NoSuchKey")
		h.Send("GET", "/files/kept", "").Wants(t, "kept", 200, "")
	})
}

func TestCopyNeedsItsSource(t *testing.T) {
	each(t, func(o *objects.DoorOptions) {
		o.Allow = func(_ context.Context, _ objects.Caller, q objects.Question) error {
			if q.Key == "secret" && q.Action == "s3:GetObject" {
				return objects.ErrAccessDenied
			}
			return nil
		}
	}, []string{"open", "secret"}, func(t *testing.T, h *objectstest.House) {
		h.Send("PUT", "/files/copy", "", "X-Amz-Copy-Source", "/files/secret").Wants(t, "source that may not be read", 403, "AccessDenied")
		h.Send("PUT", "/files/copy?uploadId=u&partNumber=1", "", "X-Amz-Copy-Source", "/files/secret").Wants(t, "part of it", 403, "AccessDenied")
		h.Send("PUT", "/files/copy", "", "X-Amz-Copy-Source", "/files/open", "X-Amz-Source-Expected-Bucket-Owner", "other").Wants(t, "another owner was expected", 403, "AccessDenied")
		h.Send("PUT", "/files/copy", "", "X-Amz-Copy-Source", "/files/open").Wants(t, "copy", 200, "")
		if a := h.Send("GET", "/files/copy", ""); a.Body != "content of open" {
			t.Errorf("got %q", a.Body)
		}
		h.Send("PUT", "/files/copy", "", "X-Amz-Copy-Source", "/files/open", "X-Amz-Copy-Source-If-Match", `"nothing"`).Wants(t, "condition", 412, "PreconditionFailed")
	})
}

func TestVersionsAndMarkers(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, h *objectstest.House) {
		c, ctx := h.Owner(), t.Context()
		if _, err := c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: files, VersioningConfiguration: &types.VersioningConfiguration{Status: "Enabled"}}); err != nil {
			t.Fatal(err)
		}
		one := h.Send("PUT", "/files/k", "one").Header.Get("X-Amz-Version-Id")
		two := h.Send("PUT", "/files/k", "two").Header.Get("X-Amz-Version-Id")
		gone := h.Send("DELETE", "/files/k", "")
		if one == "" || one == two || gone.Header.Get("X-Amz-Delete-Marker") != "true" {
			t.Fatalf("got %q, %q, %v", one, two, gone.Header)
		}
		now := h.Send("GET", "/files/k", "")
		now.Wants(t, "deleted", 404, "NoSuchKey")
		if now.Header.Get("X-Amz-Delete-Marker") != "true" {
			t.Errorf("got %v", now.Header)
		}
		h.Send("GET", "/files/k?versionId="+gone.Header.Get("X-Amz-Version-Id"), "").Wants(t, "marker by name", 405, "MethodNotAllowed")
		if a := h.Send("GET", "/files/k?versionId="+one, ""); a.Body != "one" {
			t.Errorf("got %q", a.Body)
		}
		list, err := c.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: files})
		if err != nil || len(list.Versions) != 2 || len(list.DeleteMarkers) != 1 || !*list.DeleteMarkers[0].IsLatest {
			t.Errorf("got %+v, %v", list, err)
		}
		h.Send("DELETE", "/files/k?versionId="+gone.Header.Get("X-Amz-Version-Id"), "").Wants(t, "remove the marker", 204, "")
		if a := h.Send("GET", "/files/k", ""); a.Body != "two" {
			t.Errorf("after the marker went: got %q", a.Body)
		}
	})
}

func TestTags(t *testing.T) {
	each(t, nil, []string{"k"}, func(t *testing.T, h *objectstest.House) {
		c, ctx := h.Owner(), t.Context()
		_, err := c.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: files, Key: aws.String("k"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("colour"), Value: aws.String("blue")}}}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: files, Key: aws.String("k")})
		if err != nil || len(got.TagSet) != 1 || *got.TagSet[0].Value != "blue" {
			t.Errorf("got %+v, %v", got, err)
		}
		h.Send("DELETE", "/files/k?tagging", "").Wants(t, "delete", 204, "")
		if a := h.Send("GET", "/files/k?tagging", ""); strings.Contains(a.Body, "<Tag>") {
			t.Errorf("got %s", a.Body)
		}
	})
}

func TestAnonymousGetsNothingThatIsNotOpen(t *testing.T) {
	h := withFiles(t, nil, "k")
	for _, path := range []string{"/", "/files", "/files/k"} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+path, nil)
		h.Do(r).Wants(t, path, 403, "AccessDenied")
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, h.URL+"/mine", nil)
	h.Do(r).Wants(t, "a bucket", 403, "AccessDenied")
}

func TestNothingIsPublicOnceTheOperatorForbidsIt(t *testing.T) {
	everything := func(context.Context, objects.Caller, objects.Question) error { return nil } // as a policy of before may say
	for allowed, status := range map[bool]int{true: 200, false: 403} {
		h := withFiles(t, func(o *objects.DoorOptions) { o.AllowPublic, o.Allow = allowed, everything }, "k")
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+"/files/k", nil)
		h.Do(r).Wants(t, "anonymous", status, "")
	}
}

func TestRefusalIsToldWithWhatExplainsIt(t *testing.T) {
	h := withFiles(t, nil, "k")
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+"/files/k", nil)
	r.Header.Set("X-Amz-Security-Token", "s3cret-token")
	r.Header.Set("X-Amz-Server-Side-Encryption-Customer-Key", "s3cret-key")
	r.URL.RawQuery = "X-Amz-Security-Token=s3cret-too&a=b"
	sigv4.Sign(r, sigv4.NewCredential(objectstest.OwnerKey, "another secret", "", nil), "UNSIGNED-PAYLOAD", sigv4.Options{Now: time.Now(), Region: "us-east-1", Service: "s3"})
	h.Do(r).Wants(t, "wrong secret", 403, "SignatureDoesNotMatch")
	n, ok := h.LastDenial()
	if !ok || n.Code != "SignatureDoesNotMatch" || n.AccessKeyID != objectstest.OwnerKey || n.Account != "acme" || n.Operation != "GetObject" || n.Bucket != "files" || n.Key != "k" {
		t.Errorf("got %+v", n)
	}
	if !strings.Contains(n.Canonical, "GET\n/files/k\n") || strings.Contains(n.Canonical, "s3cret") || !strings.Contains(n.Canonical, "&a=b\n") {
		t.Errorf("canonical request: got %q", n.Canonical)
	}
}

func TestUniformErrorsHideWhetherAKeyExists(t *testing.T) {
	h := withFiles(t, func(o *objects.DoorOptions) { o.Uniform = true }, "k")
	var bodies []string
	for _, id := range []string{objectstest.OwnerKey, "AKIANOBODYNOBODYNOBO"} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+"/files/k", nil)
		sigv4.Sign(r, sigv4.NewCredential(id, "another secret", "", nil), "UNSIGNED-PAYLOAD", sigv4.Options{Now: time.Now(), Region: "us-east-1", Service: "s3"})
		a := h.Do(r)
		a.Wants(t, id, 403, "AccessDenied")
		bodies = append(bodies, strings.ReplaceAll(a.Body, a.Header.Get("X-Amz-Request-Id"), "ID"))
	}
	if bodies[0] != bodies[1] {
		t.Errorf("got different answers:\n%s\n%s", bodies[0], bodies[1])
	}
}

func TestOpenDoorTakesAnyCredentials(t *testing.T) {
	h := objectstest.OnDisk(t, dbtest.SQLite(t), func(o *objects.DoorOptions) { o.Open = true })
	for name, c := range map[string]*s3.Client{"made up": h.SDK("dummy", "dummy"), "none": h.SDK("", "")} {
		bucket := aws.String("open-" + strings.ReplaceAll(name, " ", "-"))
		if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("k"), Body: strings.NewReader("x")}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const corsXML = `<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example.org</AllowedOrigin><AllowedMethod>GET</AllowedMethod>
<AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>`

func TestPreflightAnswersWhatTheBucketAllows(t *testing.T) {
	h := withFiles(t, nil, "k")
	h.Send("PUT", "/files?cors", corsXML).Wants(t, "put", 200, "")
	ask := func(origin, method, headers string) objectstest.Answer {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodOptions, h.URL+"/files/k", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", method)
		r.Header.Set("Access-Control-Request-Headers", headers)
		return h.Do(r)
	}
	a := ask("https://app.example.org", "GET", "x-amz-date, X-Amz-Content-Sha256")
	a.Wants(t, "allowed", 200, "")
	if a.Header.Get("Access-Control-Allow-Origin") != "https://app.example.org" || a.Header.Get("Access-Control-Max-Age") != "60" {
		t.Errorf("got %v", a.Header)
	}
	ask("", "GET", "").Wants(t, "no site", 400, "BadRequest")
	ask("https://app.example.org", "BREW", "").Wants(t, "no method", 400, "BadRequest")
	ask("https://example.com", "GET", "").Wants(t, "another site", 403, "AccessForbidden")
	ask("https://app.example.org", "PUT", "").Wants(t, "another method", 403, "AccessForbidden")
	ask("https://app.example.org", "GET", "authorization").Wants(t, "another header", 403, "AccessForbidden")
	if a := h.Send("GET", "/files/k", "", "Origin", "https://app.example.org"); a.Header.Get("Access-Control-Expose-Headers") != "ETag" {
		t.Errorf("the answer: got %v", a.Header)
	}
	if a := h.Send("GET", "/files?cors", ""); !strings.Contains(a.Body, "<AllowedOrigin>https://*.example.org</AllowedOrigin>") {
		t.Errorf("got %s", a.Body)
	}
	h.Send("DELETE", "/files?cors", "").Wants(t, "delete", 204, "")
	h.Send("GET", "/files?cors", "").Wants(t, "afterwards", 404, "NoSuchCORSConfiguration")
}

func TestPublicReadNeedsTheOperatorsWord(t *testing.T) {
	closed := withFiles(t, func(o *objects.DoorOptions) { o.AllowPublic = false })
	closed.Send("PUT", "/files?acl", "", "X-Amz-Acl", "public-read").Wants(t, "not allowed here", 403, "AccessDenied")
	open := withFiles(t, nil)
	open.Send("PUT", "/files?acl", "", "X-Amz-Acl", "public-read").Wants(t, "allowed", 200, "")
	if a := open.Send("GET", "/files?acl", ""); !strings.Contains(a.Body, "AllUsers") {
		t.Errorf("got %s", a.Body)
	}
	open.Send("PUT", "/files?acl", "", "X-Amz-Grant-Read", "id=x").Wants(t, "grants", 400, "AccessControlListNotSupported")
}

func TestFormOfAnOpenDoorIsKept(t *testing.T) {
	h := objectstest.OnDisk(t, dbtest.SQLite(t), func(o *objects.DoorOptions) { o.Open = true })
	h.Send("PUT", "/files", "").Wants(t, "create", 200, "")
	post := func(fields map[string]string) objectstest.Answer {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for name, value := range fields {
			_ = w.WriteField(name, value)
		}
		f, _ := w.CreateFormFile("file", "cat.png")
		_, _ = f.Write([]byte("meow"))
		_ = w.Close()
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL+"/files", &b)
		r.Header.Set("Content-Type", w.FormDataContentType())
		return h.Do(r)
	}
	post(map[string]string{"key": "up/${filename}", "Content-Type": "image/png"}).Wants(t, "form", 204, "")
	if a := h.Send("GET", "/files/up/cat.png", ""); a.Body != "meow" || a.Header.Get("Content-Type") != "image/png" {
		t.Errorf("got %q %v", a.Body, a.Header)
	}
	a := post(map[string]string{"key": "k", "success_action_status": "201"})
	a.Wants(t, "201", 201, "")
	if !strings.Contains(a.Body, "<Key>k</Key>") {
		t.Errorf("got %s", a.Body)
	}
	to := post(map[string]string{"key": "k", "success_action_redirect": "https://app.example.org/done?x=1"})
	if to.Status != 303 || !strings.HasPrefix(to.Header.Get("Location"), "https://app.example.org/done?bucket=files&etag=") {
		t.Errorf("got %d %v", to.Status, to.Header)
	}
	post(map[string]string{"key": "k", "success_action_redirect": "javascript:alert(1)"}).Wants(t, "script", 400, "InvalidArgument")
}

func TestResponseHeadersNeedASignature(t *testing.T) {
	each(t, func(o *objects.DoorOptions) {
		o.Allow = func(context.Context, objects.Caller, objects.Question) error { return nil }
	}, []string{"k"}, func(t *testing.T, h *objectstest.House) {
		if a := h.Send("GET", "/files/k?response-content-type=text%2Fhtml&response-content-disposition=attachment", ""); a.Header.Get("Content-Type") != "text/html" || a.Header.Get("Content-Disposition") != "attachment" {
			t.Errorf("got %v", a.Header)
		}
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+"/files/k?response-content-type=text%2Fhtml", nil)
		h.Do(r).Wants(t, "anonymous", 400, "InvalidRequest")
	})
}

func TestMetadataAndEntityTagComeBackAsClientsReadThem(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, h *objectstest.House) {
		h.Send("PUT", "/files/k", "x", "X-Amz-Meta-Colour", "blue", "Content-Encoding", "deflate, gzip").Wants(t, "put", 200, "")
		got := h.Raw("GET", "/files/k")
		if !strings.Contains(got, "\r\nx-amz-meta-colour: blue\r\n") {
			t.Errorf("metadata: got %s", got)
		}
		a := h.Send("GET", "/files/k", "")
		if e := a.Header.Get("Content-Encoding"); e != "deflate, gzip" {
			t.Errorf("encoding: got %q", e)
		}
		same := h.Send("GET", "/files/k", "", "If-None-Match", a.Header.Get("Etag"))
		if same.Status != 304 || same.Header.Get("Etag") != a.Header.Get("Etag") || same.Body != "" {
			t.Errorf("not modified: got %d %v", same.Status, same.Header)
		}
	})
}

func TestCookiesStayOutside(t *testing.T) {
	asked, cookie := false, ""
	h := withFiles(t, func(o *objects.DoorOptions) {
		o.STS = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked, cookie = true, r.Header.Get("Cookie") })
	})
	h.Send("POST", "/", "Action=x", "Cookie", "session=x")
	if !asked || cookie != "" {
		t.Errorf("behind the door: asked %t, cookie %q", asked, cookie)
	}
}

func TestBucketBelongsToWhoMadeIt(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, h *objectstest.House) {
		h.Send("PUT", "/files", "").Wants(t, "again, in us-east-1", 200, "")
		h.Send("HEAD", "/files", "", "X-Amz-Expected-Bucket-Owner", "other").Wants(t, "another owner was expected", 403, "")
		list, err := h.Owner().ListBuckets(t.Context(), &s3.ListBucketsInput{})
		if err != nil || len(list.Buckets) != 1 || *list.Buckets[0].Name != "files" {
			t.Errorf("got %+v, %v", list, err)
		}
		h.Send("DELETE", "/files", "").Wants(t, "delete", 204, "")
		h.Send("HEAD", "/files", "").Wants(t, "afterwards", 404, "")
	})
}
