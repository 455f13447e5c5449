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
	"signet/internal/sigv4"
)

var files = aws.String("files")

// withFiles is a house with a bucket and these keys in it.
func withFiles(t *testing.T, change func(*objects.DoorOptions), keys ...string) *house {
	t.Helper()
	h := newHouse(t, dbtest.SQLite(t), change)
	h.send("PUT", "/files", "").wants(t, "create", 200, "")
	for _, k := range keys {
		h.send("PUT", "/files/"+k, "content of "+k).wants(t, "put", 200, "")
	}
	return h
}

func TestListsGoOnWhereTheyEnded(t *testing.T) {
	h := withFiles(t, nil, "a/1", "a/2", "b", "c d", "e%2Bf", "g/1")
	var got []string
	for pages := s3.NewListObjectsV2Paginator(h.owner(), &s3.ListObjectsV2Input{Bucket: files, MaxKeys: aws.Int32(2), Delimiter: aws.String("/")}); pages.HasMorePages(); {
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
	if a := h.send("GET", "/files?encoding-type=url&prefix=c", ""); !strings.Contains(a.body, "<Key>c%20d</Key>") || !strings.Contains(a.body, "<EncodingType>url") {
		t.Errorf("encoded: got %s", a.body)
	}
	if a := h.send("GET", "/files?max-keys=0", ""); !strings.Contains(a.body, "<IsTruncated>false") || strings.Contains(a.body, "<Contents>") {
		t.Errorf("no keys at all: got %s", a.body)
	}
}

func TestDeleteObjectsAnswersEachKey(t *testing.T) {
	h := withFiles(t, func(o *objects.DoorOptions) {
		o.Allow = func(_ context.Context, _ objects.Caller, q objects.Question) error {
			if q.Key == "kept" && q.Action == "s3:DeleteObject" {
				return objects.ErrAccessDenied
			}
			return nil
		}
	}, "gone", "kept")
	out, err := h.owner().DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: files, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("gone")}, {Key: aws.String("kept")}, {Key: aws.String("never there")},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Deleted) != 2 || len(out.Errors) != 1 || *out.Errors[0].Key != "kept" || *out.Errors[0].Code != "AccessDenied" {
		t.Errorf("got %+v %+v", out.Deleted, out.Errors)
	}
	h.send("GET", "/files/gone", "").wants(t, "deleted", 404, "NoSuchKey")
	h.send("GET", "/files/kept", "").wants(t, "kept", 200, "")
}

func TestCopyNeedsItsSource(t *testing.T) {
	h := withFiles(t, func(o *objects.DoorOptions) {
		o.Allow = func(_ context.Context, _ objects.Caller, q objects.Question) error {
			if q.Key == "secret" && q.Action == "s3:GetObject" {
				return objects.ErrAccessDenied
			}
			return nil
		}
	}, "open", "secret")
	h.send("PUT", "/files/copy", "", "X-Amz-Copy-Source", "/files/secret").wants(t, "source that may not be read", 403, "AccessDenied")
	h.send("PUT", "/files/copy?uploadId=u&partNumber=1", "", "X-Amz-Copy-Source", "/files/secret").wants(t, "part of it", 403, "AccessDenied")
	h.send("PUT", "/files/copy", "", "X-Amz-Copy-Source", "/files/open").wants(t, "copy", 200, "")
	if a := h.send("GET", "/files/copy", ""); a.body != "content of open" {
		t.Errorf("got %q", a.body)
	}
	h.send("PUT", "/files/copy", "", "X-Amz-Copy-Source", "/files/open", "X-Amz-Copy-Source-If-Match", `"nothing"`).wants(t, "condition", 412, "PreconditionFailed")
}

func TestVersionsAndMarkers(t *testing.T) {
	h := withFiles(t, nil)
	c, ctx := h.owner(), t.Context()
	if _, err := c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: files, VersioningConfiguration: &types.VersioningConfiguration{Status: "Enabled"}}); err != nil {
		t.Fatal(err)
	}
	one := h.send("PUT", "/files/k", "one").header.Get("X-Amz-Version-Id")
	two := h.send("PUT", "/files/k", "two").header.Get("X-Amz-Version-Id")
	gone := h.send("DELETE", "/files/k", "")
	if one == "" || one == two || gone.header.Get("X-Amz-Delete-Marker") != "true" {
		t.Fatalf("got %q, %q, %v", one, two, gone.header)
	}
	now := h.send("GET", "/files/k", "")
	now.wants(t, "deleted", 404, "NoSuchKey")
	if now.header.Get("X-Amz-Delete-Marker") != "true" {
		t.Errorf("got %v", now.header)
	}
	h.send("GET", "/files/k?versionId="+gone.header.Get("X-Amz-Version-Id"), "").wants(t, "marker by name", 405, "MethodNotAllowed")
	if a := h.send("GET", "/files/k?versionId="+one, ""); a.body != "one" {
		t.Errorf("got %q", a.body)
	}
	list, err := c.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: files})
	if err != nil || len(list.Versions) != 2 || len(list.DeleteMarkers) != 1 || !*list.DeleteMarkers[0].IsLatest {
		t.Errorf("got %+v, %v", list, err)
	}
	h.send("DELETE", "/files/k?versionId="+gone.header.Get("X-Amz-Version-Id"), "").wants(t, "remove the marker", 204, "")
	if a := h.send("GET", "/files/k", ""); a.body != "two" {
		t.Errorf("after the marker went: got %q", a.body)
	}
}

func TestTags(t *testing.T) {
	h := withFiles(t, nil, "k")
	c, ctx := h.owner(), t.Context()
	_, err := c.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: files, Key: aws.String("k"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("colour"), Value: aws.String("blue")}}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: files, Key: aws.String("k")})
	if err != nil || len(got.TagSet) != 1 || *got.TagSet[0].Value != "blue" {
		t.Errorf("got %+v, %v", got, err)
	}
	h.send("DELETE", "/files/k?tagging", "").wants(t, "delete", 204, "")
	if a := h.send("GET", "/files/k?tagging", ""); strings.Contains(a.body, "<Tag>") {
		t.Errorf("got %s", a.body)
	}
}

func TestAnonymousGetsNothingThatIsNotOpen(t *testing.T) {
	h := withFiles(t, nil, "k")
	for _, path := range []string{"/", "/files", "/files/k"} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+path, nil)
		h.do(r).wants(t, path, 403, "AccessDenied")
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, h.url+"/mine", nil)
	h.do(r).wants(t, "a bucket", 403, "AccessDenied")
}

func TestRefusalIsToldWithWhatExplainsIt(t *testing.T) {
	h := withFiles(t, nil, "k")
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/files/k", nil)
	r.Header.Set("X-Amz-Security-Token", "s3cret-token")
	sigv4.Sign(r, sigv4.NewCredential(ownerKey, "another secret", "", nil), "UNSIGNED-PAYLOAD", sigv4.Options{Now: time.Now(), Region: "us-east-1", Service: "s3"})
	h.do(r).wants(t, "wrong secret", 403, "SignatureDoesNotMatch")
	n, ok := h.denied.last()
	if !ok || n.Code != "SignatureDoesNotMatch" || n.AccessKeyID != ownerKey || n.Account != "acme" || n.Operation != "GetObject" || n.Bucket != "files" || n.Key != "k" {
		t.Errorf("got %+v", n)
	}
	if !strings.Contains(n.Canonical, "GET\n/files/k\n") || strings.Contains(n.Canonical, "s3cret-token") {
		t.Errorf("canonical request: got %q", n.Canonical)
	}
}

func TestUniformErrorsHideWhetherAKeyExists(t *testing.T) {
	h := withFiles(t, func(o *objects.DoorOptions) { o.Uniform = true }, "k")
	var bodies []string
	for _, id := range []string{ownerKey, "AKIANOBODYNOBODYNOBO"} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/files/k", nil)
		sigv4.Sign(r, sigv4.NewCredential(id, "another secret", "", nil), "UNSIGNED-PAYLOAD", sigv4.Options{Now: time.Now(), Region: "us-east-1", Service: "s3"})
		a := h.do(r)
		a.wants(t, id, 403, "AccessDenied")
		bodies = append(bodies, strings.ReplaceAll(a.body, a.header.Get("X-Amz-Request-Id"), "ID"))
	}
	if bodies[0] != bodies[1] {
		t.Errorf("got different answers:\n%s\n%s", bodies[0], bodies[1])
	}
}

func TestOpenDoorTakesAnyCredentials(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), func(o *objects.DoorOptions) { o.Open = true })
	for name, c := range map[string]*s3.Client{"made up": h.sdk("dummy", "dummy"), "none": h.sdk("", "")} {
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
	h.send("PUT", "/files?cors", corsXML).wants(t, "put", 200, "")
	ask := func(origin, method, headers string) answer {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodOptions, h.url+"/files/k", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", method)
		r.Header.Set("Access-Control-Request-Headers", headers)
		return h.do(r)
	}
	a := ask("https://app.example.org", "GET", "x-amz-date, X-Amz-Content-Sha256")
	a.wants(t, "allowed", 200, "")
	if a.header.Get("Access-Control-Allow-Origin") != "https://app.example.org" || a.header.Get("Access-Control-Max-Age") != "60" {
		t.Errorf("got %v", a.header)
	}
	ask("https://example.com", "GET", "").wants(t, "another site", 403, "AccessForbidden")
	ask("https://app.example.org", "PUT", "").wants(t, "another method", 403, "AccessForbidden")
	ask("https://app.example.org", "GET", "authorization").wants(t, "another header", 403, "AccessForbidden")
	if a := h.send("GET", "/files/k", "", "Origin", "https://app.example.org"); a.header.Get("Access-Control-Expose-Headers") != "ETag" {
		t.Errorf("the answer: got %v", a.header)
	}
	if a := h.send("GET", "/files?cors", ""); !strings.Contains(a.body, "<AllowedOrigin>https://*.example.org</AllowedOrigin>") {
		t.Errorf("got %s", a.body)
	}
	h.send("DELETE", "/files?cors", "").wants(t, "delete", 204, "")
	h.send("GET", "/files?cors", "").wants(t, "afterwards", 404, "NoSuchCORSConfiguration")
}

func TestPublicReadNeedsTheOperatorsWord(t *testing.T) {
	closed := withFiles(t, func(o *objects.DoorOptions) { o.AllowPublic = false })
	closed.send("PUT", "/files?acl", "", "X-Amz-Acl", "public-read").wants(t, "not allowed here", 403, "AccessDenied")
	open := withFiles(t, nil)
	open.send("PUT", "/files?acl", "", "X-Amz-Acl", "public-read").wants(t, "allowed", 200, "")
	if a := open.send("GET", "/files?acl", ""); !strings.Contains(a.body, "AllUsers") {
		t.Errorf("got %s", a.body)
	}
	open.send("PUT", "/files?acl", "", "X-Amz-Grant-Read", "id=x").wants(t, "grants", 400, "AccessControlListNotSupported")
}

func TestFormOfAnOpenDoorIsKept(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), func(o *objects.DoorOptions) { o.Open = true })
	h.send("PUT", "/files", "").wants(t, "create", 200, "")
	post := func(fields map[string]string) answer {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for name, value := range fields {
			_ = w.WriteField(name, value)
		}
		f, _ := w.CreateFormFile("file", "cat.png")
		_, _ = f.Write([]byte("meow"))
		_ = w.Close()
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/files", &b)
		r.Header.Set("Content-Type", w.FormDataContentType())
		return h.do(r)
	}
	post(map[string]string{"key": "up/${filename}", "Content-Type": "image/png"}).wants(t, "form", 204, "")
	if a := h.send("GET", "/files/up/cat.png", ""); a.body != "meow" || a.header.Get("Content-Type") != "image/png" {
		t.Errorf("got %q %v", a.body, a.header)
	}
	a := post(map[string]string{"key": "k", "success_action_status": "201"})
	a.wants(t, "201", 201, "")
	if !strings.Contains(a.body, "<Key>k</Key>") {
		t.Errorf("got %s", a.body)
	}
	to := post(map[string]string{"key": "k", "success_action_redirect": "https://app.example.org/done?x=1"})
	if to.status != 303 || !strings.HasPrefix(to.header.Get("Location"), "https://app.example.org/done?bucket=files&etag=") {
		t.Errorf("got %d %v", to.status, to.header)
	}
	post(map[string]string{"key": "k", "success_action_redirect": "javascript:alert(1)"}).wants(t, "script", 400, "InvalidArgument")
}

func TestResponseHeadersNeedASignature(t *testing.T) {
	h := withFiles(t, func(o *objects.DoorOptions) {
		o.Allow = func(context.Context, objects.Caller, objects.Question) error { return nil }
	}, "k")
	if a := h.send("GET", "/files/k?response-content-type=text%2Fhtml&response-content-disposition=attachment", ""); a.header.Get("Content-Type") != "text/html" || a.header.Get("Content-Disposition") != "attachment" {
		t.Errorf("got %v", a.header)
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/files/k?response-content-type=text%2Fhtml", nil)
	h.do(r).wants(t, "anonymous", 400, "InvalidRequest")
}

func TestCookiesStayOutside(t *testing.T) {
	h := withFiles(t, nil, "k")
	if a := h.send("GET", "/files/k", "", "Cookie", "session=x"); a.status != 200 || a.header.Get("Set-Cookie") != "" {
		t.Errorf("got %d %v", a.status, a.header)
	}
}

func TestBucketBelongsToWhoMadeIt(t *testing.T) {
	h := withFiles(t, nil)
	h.send("PUT", "/files", "").wants(t, "again, in us-east-1", 200, "")
	h.send("HEAD", "/files", "", "X-Amz-Expected-Bucket-Owner", "other").wants(t, "another owner was expected", 403, "")
	list, err := h.owner().ListBuckets(t.Context(), &s3.ListBucketsInput{})
	if err != nil || len(list.Buckets) != 1 || *list.Buckets[0].Name != "files" {
		t.Errorf("got %+v, %v", list, err)
	}
	h.send("DELETE", "/files", "").wants(t, "delete", 204, "")
	h.send("HEAD", "/files", "").wants(t, "afterwards", 404, "")
}
