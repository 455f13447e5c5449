package sigv4_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"signet/internal/sigv4"
)

const examplePolicy = `{"expiration": "2013-05-25T00:00:00.000Z", "conditions": [
	{"bucket": "photos"}, ["starts-with", "$key", "user/alice/"], {"acl": "private"},
	["starts-with", "$Content-Type", "image/"], {"x-amz-meta-uuid": "14365123651274"},
	["content-length-range", 5, 20],
	{"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"},
	{"x-amz-algorithm": "AWS4-HMAC-SHA256"}, {"x-amz-date": "20130524T000000Z"}]}`

// A posted is a form before it is sent.
type posted struct {
	policy string
	fields map[string]string // besides those of the signature
	drop   []string
	file   string
	name   string
}

func example() posted {
	return posted{
		policy: examplePolicy,
		fields: map[string]string{
			"key": "user/alice/${filename}", "acl": "private", "Content-Type": "image/jpeg", "x-amz-meta-uuid": "14365123651274",
		},
		file: "hello world", name: "photo.jpg",
	}
}

const boundary = "9431149156168"

// request writes the form as a browser does, signed.
func (p posted) request(tb testing.TB) *http.Request {
	tb.Helper()
	fields := maps.Clone(p.fields)
	if p.policy != "" {
		policy := base64.StdEncoding.EncodeToString([]byte(p.policy))
		for name, value := range map[string]string{
			"Policy": policy, "X-Amz-Signature": framing{}.sign(policy), "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
			"X-Amz-Credential": exampleKey + "/20130524/us-east-1/s3/aws4_request", "X-Amz-Date": "20130524T000000Z",
		} {
			if _, set := fields[name]; !set {
				fields[name] = value
			}
		}
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(p.drop, name) {
			fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", boundary, name, fields[name])
		}
	}
	fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=%q\r\nContent-Type: image/jpeg\r\n\r\n%s\r\n", boundary, p.name, p.file)
	fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nUpload\r\n--%s--\r\n", boundary, boundary)
	return multipartOf(tb, b.String())
}

func multipartOf(tb testing.TB, body string) *http.Request {
	tb.Helper()
	return request(tb, fmt.Sprintf("POST /photos HTTP/1.1\nHost: a\nContent-Type: multipart/form-data; boundary=%s\nContent-Length: %d", boundary, len(body)), body)
}

func formOptions() sigv4.Options {
	o := exampleOptions()
	o.Bucket = "photos"
	return o
}

func TestFormThatItsPolicyAllowsIsTaken(t *testing.T) {
	id, form, err := sigv4.VerifyForm(example().request(t), lookup(), formOptions())
	if err != nil {
		t.Fatal(err)
	}
	if id.Form != sigv4.PostForm || id.AccessKeyID != exampleKey || id.Credential == nil || !id.SignedAt.Equal(exampleTime()) {
		t.Errorf("identity: got %+v", id)
	}
	if form.Fields["key"] != "user/alice/photo.jpg" || form.Fields["content-type"] != "image/jpeg" || form.FileName != "photo.jpg" {
		t.Errorf("got %q of %q", form.Fields, form.FileName)
	}
	if got, err := io.ReadAll(form.File); err != nil || string(got) != "hello world" {
		t.Errorf("file: got %q, %v", got, err)
	}
}

// The example of the documentation ("Browser-Based Uploads Using POST").
func TestPolicyOfTheDocumentationVerifies(t *testing.T) {
	policy := "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1w" +
		"bGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vz" +
		"c19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0" +
		"YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNl" +
		"cnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRl" +
		"bnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQt" +
		"SE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9"
	p := posted{file: "hello", name: "a.jpg", fields: map[string]string{
		"key": "user/user1/${filename}", "acl": "public-read", "Content-Type": "image/jpeg", "x-amz-meta-uuid": "14365123651274",
		"success_action_redirect":      "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html",
		"x-amz-server-side-encryption": "AES256", "X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
		"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Date": "20151229T000000Z", "x-amz-meta-tag": "", "Policy": policy,
		"X-Amz-Signature": "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
	}}
	o := exampleOptions()
	o.Bucket, o.Now = "sigv4examplebucket", time.Date(2015, 12, 29, 1, 0, 0, 0, time.UTC)
	if _, _, err := sigv4.VerifyForm(p.request(t), lookup(), o); err != nil {
		t.Error(err)
	}
}

func TestFormsThatAreRefused(t *testing.T) {
	type row struct {
		change  func(p *posted)
		code    string
		message string
	}
	field := func(name, value string) func(*posted) { return func(p *posted) { p.fields[name] = value } }
	drop := func(name string) func(*posted) { return func(p *posted) { p.drop = []string{name} } }
	policy := func(from, to string) func(*posted) {
		return func(p *posted) { p.policy = change(p.policy, from, to) }
	}
	const scope = "/20130524/us-east-1/s3/aws4_request"
	for name, c := range map[string]row{
		"key elsewhere":                     {field("key", "user/bob/a"), "AccessDenied", `Policy Condition failed: ["starts-with", "$key"`},
		"file name that leads elsewhere":    {field("key", "${filename}"), "AccessDenied", "Policy Condition failed"},
		"acl that is another":               {field("acl", "public-read"), "AccessDenied", "Policy Condition failed"},
		"content types of which one is bad": {field("Content-Type", "image/jpeg, text/html"), "AccessDenied", "Policy Condition failed"},
		"field that is missing":             {drop("acl"), "AccessDenied", "Policy Condition failed"},
		"field without a condition":         {field("x-amz-meta-more", "1"), "AccessDenied", "Extra input fields: x-amz-meta-more"},
		"redirect without a condition":      {field("success_action_redirect", "http://a"), "AccessDenied", "Extra input fields"},
		"bucket that is another":            {policy(`"photos"`, `"films"`), "AccessDenied", "Policy Condition failed"},
		"bucket without a condition":        {policy(`{"bucket": "photos"},`, ""), "AccessDenied", "Extra input fields: bucket"},
		"policy that expired":               {policy("2013-05-25T00", "2013-05-24T00"), "AccessDenied", "Policy expired"},
		"policy without an end":             {policy("expiration", "EXPIRATION"), "InvalidPolicyDocument", "Unexpected"},
		"policy with a date that is none":   {policy("2013-05-25T00:00:00.000Z", "tomorrow"), "InvalidPolicyDocument", "expiration"},
		"policy without conditions":         {func(p *posted) { p.policy = `{"expiration": "2013-05-25T00:00:00.000Z"}` }, "InvalidPolicyDocument", "missing conditions"},
		"policy that is no JSON":            {func(p *posted) { p.policy = "{" }, "InvalidPolicyDocument", "JSON"},
		"policy that is no base64":          {func(p *posted) { p.fields["Policy"], p.fields["X-Amz-Signature"] = "!", framing{}.sign("!") }, "InvalidPolicyDocument", "Base64"},
		"condition that is not known":       {policy("starts-with", "ends-with"), "InvalidPolicyDocument", "unknown operation"},
		"condition of two properties":       {policy(`{"bucket": "photos"}`, `{"bucket": "photos", "acl": "x"}`), "InvalidPolicyDocument", "exactly one property"},
		"condition of four parts":           {policy(`"$key", `, `"$key", "x", `), "InvalidPolicyDocument", "Invalid Condition"},
		"condition without a dollar":        {policy("$key", "key"), "InvalidPolicyDocument", "begin with $"},
		"range that is none":                {policy("5, 20", `5, "many"`), "InvalidPolicyDocument", "content-length-range"},
		"range that is negative":            {policy("5, 20", `-5, 20`), "InvalidPolicyDocument", "content-length-range"},
		"policy that was changed":           {field("Policy", base64.StdEncoding.EncodeToString([]byte("{}"))), "SignatureDoesNotMatch", ""},
		"signature that is another":         {field("X-Amz-Signature", strings.Repeat("0", 64)), "SignatureDoesNotMatch", ""},
		"key that is not known":             {field("X-Amz-Credential", "AKIANOBODY"+scope), "InvalidAccessKeyId", ""},
		"key of another region":             {field("X-Amz-Credential", exampleKey+"/20130524/eu-west-1/s3/aws4_request"), "InvalidArgument", "us-east-1"},
		"token of a session that ended":     {field("x-amz-security-token", "ended"), "ExpiredToken", ""},
		"no signature":                      {drop("X-Amz-Signature"), "InvalidArgument", "x-amz-signature"},
		"no policy":                         {drop("Policy"), "InvalidArgument", "policy"},
		"date that is none":                 {field("X-Amz-Date", "today"), "InvalidArgument", "ISO8601"},
		"no key":                            {drop("key"), "InvalidArgument", "'key'"},
		"version 2":                         {func(p *posted) { p.drop = []string{"X-Amz-Algorithm"}; p.fields["AWSAccessKeyId"] = "a" }, "InvalidRequest", "signature_version=s3v4"},
		"version 4A":                        {field("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256"), "InvalidRequest", "SigV4A"},
		"field that stands twice":           {field("KEY", "user/alice/b"), "InvalidArgument", "only once"},
		"fields of more than 20 KiB":        {field("x-ignore-a", strings.Repeat("x", 20<<10)), "MaxPostPreDataLengthExceeded", ""},
		"file that is too small":            {func(p *posted) { p.file = "1234" }, "EntityTooSmall", ""},
		"file that is too large":            {func(p *posted) { p.file = strings.Repeat("x", 21) }, "EntityTooLarge", ""},
		"file outside one of two ranges":    {policy("5, 20]", `5, 20], ["content-length-range", 0, 10]`), "EntityTooLarge", ""},
		"file over the first of two ranges": {policy("5, 20]", `5, 10], ["content-length-range", 0, 99]`), "EntityTooLarge", ""},
		"file outside the first range":      {policy("5, 20]", `12, 20], ["content-length-range", 0, 99]`), "EntityTooSmall", ""},
		"file that is not its checksum": {func(p *posted) {
			p.policy = change(p.policy, `{"acl"`, `["eq","$x-amz-checksum-crc32","AAAAAA=="],{"acl"`)
			p.fields["x-amz-checksum-crc32"] = "AAAAAA=="
		}, "BadDigest", "CRC32"},
	} {
		t.Run(name, func(t *testing.T) {
			p := example()
			c.change(&p)
			_, form, err := sigv4.VerifyForm(p.request(t), lookup(), formOptions())
			if err == nil {
				_, err = io.Copy(io.Discard, form.File)
			}
			if e, ok := errors.AsType[*sigv4.Error](err); !ok || e.Code != c.code || !strings.Contains(e.Message, c.message) {
				t.Errorf("got %v, want %s with %q", err, c.code, c.message)
			}
		})
	}
}

func TestFormIsHeldToTheLimitOfTheService(t *testing.T) {
	for limit, ok := range map[int64]bool{10: false, 11: true} {
		o := formOptions()
		o.MaxBody = limit
		_, form, err := sigv4.VerifyForm(example().request(t), lookup(), o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = io.ReadAll(form.File); (err == nil) != ok {
			t.Errorf("limit of %d: got %v", limit, err)
		}
	}
	p := example()
	p.policy, p.file = "", strings.Repeat("x", 100<<10)
	o := formOptions()
	o.MaxBody = 1
	_, _, err := sigv4.VerifyForm(p.request(t), lookup(), o)
	if e, ok := errors.AsType[*sigv4.Error](err); !ok || e.Code != "EntityTooLarge" {
		t.Errorf("length far over the limit: got %v, want EntityTooLarge", err)
	}
}

func TestFormsAtTheEdgeAreTaken(t *testing.T) {
	for name, change := range map[string]func(p *posted){
		"smallest file":         func(p *posted) { p.file = "12345" },
		"largest file":          func(p *posted) { p.file = strings.Repeat("x", 20) },
		"field that is ignored": func(p *posted) { p.fields["x-ignore-this"] = "1" },
		"list of image types":   func(p *posted) { p.fields["Content-Type"] = "image/jpeg, image/png" },
		"key as the policy has it": func(p *posted) {
			p.policy = change(p.policy, `["starts-with", "$key", "user/alice/"]`, `{"key": "user/alice/${filename}"}`)
		},
		"range in strings":          func(p *posted) { p.policy = change(p.policy, "5, 20", `"5", "20"`) },
		"operators in capitals":     func(p *posted) { p.policy = change(p.policy, "starts-with", "Starts-With") },
		"file with a boundary's be": func(p *posted) { p.file = "\r\n--" + boundary[:5] },
	} {
		t.Run(name, func(t *testing.T) {
			p := example()
			change(&p)
			_, form, err := sigv4.VerifyForm(p.request(t), lookup(), formOptions())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(form.File); err != nil || string(got) != p.file {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestFormWithoutPolicyIsAnonymous(t *testing.T) {
	p := example()
	p.policy = ""
	id, form, err := sigv4.VerifyForm(p.request(t), lookup(), formOptions())
	if err != nil || id.Form != sigv4.None {
		t.Fatalf("got %+v, %v", id, err)
	}
	if got, err := io.ReadAll(form.File); err != nil || string(got) != p.file {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestUnverifiedFormTakesAnySignature(t *testing.T) {
	p := example()
	p.fields["X-Amz-Signature"] = "none"
	id, form, err := sigv4.UnverifiedForm(p.request(t), formOptions())
	if err != nil || id.Form != sigv4.PostForm || id.AccessKeyID != exampleKey || id.Credential != nil {
		t.Fatalf("got %+v, %v", id, err)
	}
	if got, err := io.ReadAll(form.File); err != nil || string(got) != p.file {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestFormsThatAreNoneAreRefused(t *testing.T) {
	part := "--" + boundary + "\r\nContent-Disposition: form-data; name=%q\r\n\r\nx\r\n"
	for name, c := range map[string]struct{ body, code string }{
		"nothing":               {"", "InvalidArgument"},
		"no file":               {fmt.Sprintf(part, "key") + "--" + boundary + "--\r\n", "InvalidArgument"},
		"end in a field":        {fmt.Sprintf(part, "key")[:60], "MalformedPOSTRequest"},
		"field without a name":  {fmt.Sprintf(part, "") + fmt.Sprintf(part, "file"), "InvalidArgument"},
		"200 fields":            {manyFields(part, 201), "MaxPostPreDataLengthExceeded"},
		"fields without an end": {strings.Repeat("x\r\n", 50<<10), "MaxPostPreDataLengthExceeded"},
	} {
		_, _, err := sigv4.VerifyForm(multipartOf(t, c.body), lookup(), formOptions())
		if e, ok := errors.AsType[*sigv4.Error](err); !ok || e.Code != c.code {
			t.Errorf("%s: got %v, want %s", name, err, c.code)
		}
	}
	r := request(t, "POST / HTTP/1.1\nHost: a\nContent-Type: text/plain\nContent-Length: 0", "")
	if _, _, err := sigv4.VerifyForm(r, lookup(), formOptions()); err == nil || !strings.Contains(err.Error(), "PreconditionFailed") {
		t.Errorf("no form at all: got %v, want PreconditionFailed", err)
	}
}

// The name of the file goes into the key as often as the key says so: a small form must
// not become a large key.
func TestFileNameIsFilledInOnceAndBoundsTheKey(t *testing.T) {
	p := example()
	p.name = "${filename}.jpg"
	_, form, err := sigv4.VerifyForm(p.request(t), lookup(), formOptions())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := form.Fields["key"], "user/alice/${filename}.jpg"; got != want {
		t.Errorf("got the key %q, want %q", got, want)
	}
	for _, verify := range []func(*http.Request) error{
		func(r *http.Request) error { _, _, err := sigv4.VerifyForm(r, lookup(), formOptions()); return err },
		func(r *http.Request) error { _, _, err := sigv4.UnverifiedForm(r, formOptions()); return err },
	} {
		p = example()
		p.policy, p.fields["key"], p.name = "", strings.Repeat("${filename}", 20), strings.Repeat("x", 1100)
		if e, ok := errors.AsType[*sigv4.Error](verify(p.request(t))); !ok || e.Code != "MaxPostPreDataLengthExceeded" {
			t.Errorf("key of 22,000 bytes: got %v, want MaxPostPreDataLengthExceeded", e)
		}
	}
}

func manyFields(part string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, part, fmt.Sprintf("x-ignore-%d", i))
	}
	return b.String()
}

// A file that ends in the middle is never taken for a whole one.
func TestFileThatBreaksOffHasNoEnd(t *testing.T) {
	r := example().request(t)
	all, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	cut := strings.Index(string(all), "hello world") + 7
	r.Body = io.NopCloser(strings.NewReader(string(all[:cut])))
	_, form, err := sigv4.VerifyForm(r, lookup(), formOptions())
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(form.File)
	if e, ok := errors.AsType[*sigv4.Error](err); !ok || e.Code != "IncompleteBody" {
		t.Errorf("got %v, want IncompleteBody", err)
	}
}
