package console_test

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"signet/test/browser"
)

var (
	secrets = regexp.MustCompile(`<code class="secret">([^<]+)</code>`)
	target  = regexp.MustCompile(`<form method="post" action="([^"]+)" enctype="multipart/form-data">`)
	hidden  = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
)

// odd are keys of objects that an address could lose.
var odd = []string{
	"plain.txt", "a//b", "100%2F", "1+1 = 2", "é ü 漢", "q?x=1&y#z", "photos/2026/ü.jpg", "./x", "dot/../dot", "tab\tend", "\u202egpj.exe", `"><script>alert(1)</script>`, "<b>",
}

// newKey makes an access key, and returns its two parts.
func (a *agent) newKey(fields ...string) (id, secret string) {
	a.t.Helper()
	res := a.Post("/console/keys/new", append([]string{"days", "90"}, fields...)...)
	all := secrets.FindAllStringSubmatch(string(res.Body), -1)
	if res.Status != http.StatusOK || len(all) < 2 || res.Header.Get("Cache-Control") != "no-store" {
		a.t.Fatalf("make a key: got %d\n%.3000s", res.Status, res.Body)
	}
	return all[0][1], all[1][1]
}

// upload sends a file with the form of the bucket's page, and returns where the browser
// goes then.
func (a *agent) upload(name, text string) string {
	a.t.Helper()
	const path = "/console/buckets/demo"
	page := a.page(path)
	to := target.FindStringSubmatch(page)
	if to == nil {
		a.t.Fatalf("%s has no form:\n%.3000s", path, page)
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, f := range hidden.FindAllStringSubmatch(page, -1) {
		value := html.UnescapeString(f[2])
		if f[1] == "key" {
			value = strings.ReplaceAll(value, "${filename}", name)
		}
		_ = w.WriteField(f[1], value)
	}
	file, _ := w.CreateFormFile("file", "file")
	_, _ = io.WriteString(file, text)
	_ = w.Close()
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, html.UnescapeString(to[1]), &body)
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	if said, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusSeeOther {
		a.t.Fatalf("upload %q: got %d, want 303\n%s", name, res.StatusCode, said)
	}
	return strings.TrimPrefix(res.Header.Get("Location"), a.d.Origin)
}

// follow opens what a page leads to.
func (a *agent) follow(path string) string {
	a.t.Helper()
	res := a.Do(http.MethodGet, path, nil)
	if res.Status != http.StatusSeeOther {
		a.t.Fatalf("GET %s: got %d, want 303", path, res.Status)
	}
	return a.page(res.Header.Get("Location"))
}

func TestAnAccessKeyIsMadeRotatedAndRevoked(t *testing.T) {
	a := newDev(t).admin(t)
	id, secret := a.newKey("name", "backup", "grants", "demo:read\nlogs/2026/*:write")
	list := a.page("/console/keys")
	for _, want := range []string{id, "backup", "limited", "demo:read", "logs/2026/*:write"} {
		if !strings.Contains(list, want) {
			t.Errorf("the list lacks %s", want)
		}
	}
	if strings.Contains(list, secret) {
		t.Error("the list shows the secret")
	}
	ask := a.page("/console/keys/" + id + "/rotate")
	if want := "signet admin rotate-key --access-key-id=" + id; !strings.Contains(ask, want) {
		t.Errorf("the page lacks %s", want)
	}
	res := a.Post("/console/keys/"+id+"/rotate", "overlap", "1h0m0s")
	if next := secretOf(t, string(res.Body)); next == id || !strings.HasPrefix(next, "AKIA") {
		t.Errorf("got %s, want another key", next)
	}
	if res := a.Post("/console/keys/"+id+"/rotate", "overlap", "1h0m0s"); res.Status != http.StatusConflict || !strings.Contains(string(res.Body), "was rotated already") {
		t.Errorf("rotated again: got %d\n%.3000s", res.Status, res.Body)
	}
	if text := a.page("/console/keys/" + id + "/revoke"); !strings.Contains(text, "<strong>backup</strong>") || !strings.Contains(text, id) {
		t.Error("the page does not name the key")
	}
	a.does("/console/keys/" + id + "/revoke")
	if strings.Contains(a.page("/console/keys"), id) || !strings.Contains(a.page("/console/keys?ended=1"), id) {
		t.Error("a revoked key is listed, or is not where ended ones are")
	}
	for what, fields := range map[string][]string{"no name": {"days", "90"}, "a life of its own": {"name", "x", "days", "91"}, "no role": {"name", "x", "days", "90", "grants", "demo"}} {
		if res := a.Post("/console/keys/new", fields...); res.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: got %d, want 422", what, res.Status)
		}
	}
}

func TestPeopleWithoutRolesHaveKeysAndBucketsOfTheirOwn(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	_, alice := a.newUser("alice@signet.test", "Alice")
	if text := alice.page("/console/keys"); strings.Contains(text, d.Ready.S3.AccessKeyID) {
		t.Error("somebody else's key is listed")
	}
	id, _ := alice.newKey("name", "mine", "whose", "me")
	if res := alice.Post("/console/keys/new", "name", "x", "days", "90", "whose", "account"); res.Status != http.StatusForbidden {
		t.Errorf("a key of the account: got %d, want 403", res.Status)
	}
	for _, verb := range []string{"/rotate", "/revoke"} {
		if res := a.Post("/account/keys/" + id + verb); res.Status != http.StatusNotFound {
			t.Errorf("an administrator's account%s of her key: got %d, want 404", verb, res.Status)
		}
	}
	alice.does("/console/buckets/_new", "name", "alices")
	if text := alice.page("/console/buckets"); !strings.Contains(text, "alices") || strings.Contains(text, "demo") {
		t.Error("her bucket is not listed, or that of another is")
	}
	for path, want := range map[string]int{
		"/console/denials": http.StatusForbidden, "/console/buckets/demo": http.StatusForbidden, "/console/buckets/none": http.StatusNotFound,
		"/console/keys/" + d.Ready.S3.AccessKeyID + "/revoke": http.StatusForbidden,
		"/console/buckets/demo/grants/new":                    http.StatusNotFound, "/console/buckets/demo/delete": http.StatusForbidden,
	} {
		if got := alice.status(path); got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
	if text := a.page("/console/buckets"); !strings.Contains(text, "alices") || !strings.Contains(text, "demo") {
		t.Error("the administrator does not see both buckets")
	}
	if text := a.page("/console/buckets/alices"); !strings.Contains(text, "You may not see what is in this bucket") || strings.Contains(text, "multipart/form-data") {
		t.Error("the administrator sees into a bucket that is not theirs, or is not told why not")
	}
	if text := a.page("/console/keys"); !strings.Contains(text, id) {
		t.Error("the administrator does not see her key")
	}
}

func TestAnyKeyOfAnObjectIsBrowsedLinkedAndDeleted(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	csp := a.Do(http.MethodGet, "/console/buckets/demo", nil).Header.Get("Content-Security-Policy")
	if want := "form-action 'self' " + d.Ready.Objects + ";"; !strings.Contains(csp, want) {
		t.Errorf("got %s, want %s", csp, want)
	}
	if csp := a.Do(http.MethodGet, "/console/buckets", nil).Header.Get("Content-Security-Policy"); strings.Contains(csp, d.Ready.Objects) {
		t.Error("a page without the form may send forms there too")
	}
	if text := a.page("/console/buckets/demo"); !strings.Contains(text, "The bucket is empty.") {
		t.Error("nothing says that it is empty")
	}
	for _, key := range odd {
		if text := a.follow(a.upload(key, "text of "+key)); !strings.Contains(text, "The file was uploaded.") {
			t.Errorf("%q: nobody says that it was uploaded", key)
		}
		folder := "/console/buckets/demo"
		if i := strings.LastIndexByte(key, '/'); i >= 0 {
			folder += "?prefix=" + url.QueryEscape(key[:i+1])
		}
		page := a.page(folder)
		link := "/console/buckets/demo/link?key=" + url.QueryEscape(key)
		if !strings.Contains(html.UnescapeString(page), link) {
			t.Errorf("%s does not link to %q", folder, key)
			continue
		}
		for _, bad := range []string{"\u202e", "<script>alert"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s shows %q", folder, bad)
			}
		}
		res := a.Post(link, "hours", "24")
		if got := get(t, secretOf(t, string(res.Body))); got != "text of "+key {
			t.Errorf("the link of %q gets %q", key, got)
		}
	}
	for _, key := range odd {
		to := a.does("/console/buckets/demo/delete-object?key=" + url.QueryEscape(key))
		if !strings.Contains(a.page(to), "The object was deleted.") {
			t.Errorf("nobody says that %q was deleted", key)
		}
		if got := a.status("/console/buckets/demo/delete-object?key=" + url.QueryEscape(key)); got != http.StatusNotFound {
			t.Errorf("%q again: got %d, want 404", key, got)
		}
	}
	a.does("/console/buckets/demo/delete")
	if strings.Contains(a.page("/console/buckets"), "demo</strong>") {
		t.Error("the bucket is there still")
	}
}

func TestALongBucketIsReadByPages(t *testing.T) {
	a := newDev(t).admin(t)
	for i := range 101 {
		a.upload(fmt.Sprintf("a+b & c/%03d", i), "x")
	}
	page := a.page("/console/buckets/demo?prefix=" + url.QueryEscape("a+b & c/"))
	next := regexp.MustCompile(`href="([^"]+)" rel="next"`).FindStringSubmatch(page)
	if !strings.Contains(page, ">099<") || strings.Contains(page, ">100<") || next == nil {
		t.Fatal("the first page does not have 100 objects, or does not lead on")
	}
	last := a.page(html.UnescapeString(next[1]))
	if !strings.Contains(last, ">100<") || strings.Contains(last, ">099<") || strings.Contains(last, `rel="next"`) || !strings.Contains(last, "First page") {
		t.Error("the second page does not have the rest, or does not lead back")
	}
}

// get returns what is at an address.
func get(t *testing.T, link string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestABucketIsSharedAndTakenBack(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	a.upload("hello.txt", "hello")
	if res := a.Post("/console/buckets/demo/delete"); res.Status != http.StatusConflict || !strings.Contains(string(res.Body), "There is something in the bucket") {
		t.Errorf("deleting it with something in it: got %d", res.Status)
	}
	id, alice := a.newUser("alice@signet.test", "Alice")
	if res := a.Post("/console/buckets/demo/grants/new", "whom", "nobody@signet.test", "role", "read"); res.Status != http.StatusUnprocessableEntity {
		t.Errorf("sharing with nobody: got %d, want 422", res.Status)
	}
	a.does("/console/buckets/demo/grants/new", "whom", "alice@signet.test", "role", "read")
	page := a.page("/console/buckets/demo")
	grant := regexp.MustCompile(`/console/buckets/demo/grants/grt_[a-z0-9]+`).FindString(page)
	if grant == "" || !strings.Contains(page, id) {
		t.Fatalf("the page does not show whom it is shared with:\n%.3000s", page)
	}
	seen := alice.page("/console/buckets/demo")
	if !strings.Contains(seen, "hello.txt") || strings.Contains(seen, "/delete-object") || strings.Contains(seen, "grants/new") {
		t.Error("she does not see what is in it, or is offered more than she may")
	}
	if !strings.Contains(alice.page("/console/buckets"), "demo") {
		t.Error("her list lacks it")
	}
	a.does(grant)
	if got := alice.status("/console/buckets/demo"); got != http.StatusForbidden {
		t.Errorf("after that: got %d, want 403", got)
	}
}

// deny has the S3 API refuse something, and returns the request's id once that is told.
func (d *dev) deny(t *testing.T, a *agent) string {
	t.Helper()
	link := secretOf(t, string(a.Post("/console/buckets/demo/link?key=hello.txt", "hours", "1").Body))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(link, "hello.txt", "hello%20you.txt", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	id := res.Header.Get("x-amz-request-id")
	if res.StatusCode != http.StatusForbidden || id == "" {
		t.Fatalf("another key by that link: got %d of request %q, want 403", res.StatusCode, id)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); <-tick.C {
		if a.status("/console/denials/"+id) == http.StatusOK {
			return id
		}
	}
	t.Fatal("the refusal is not told")
	return ""
}

func TestARefusedRequestIsExplained(t *testing.T) {
	d := newDev(t)
	a := d.admin(t)
	a.upload("hello.txt", "hello")
	id := d.deny(t, a)
	text := a.page("/console/denials/" + id)
	for _, want := range []string{"SignatureDoesNotMatch", "a proxy between", "/demo/hello%20you.txt", "signet admin denials --request-id=" + id} {
		if !strings.Contains(html.UnescapeString(text), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for filter, want := range map[string]bool{"": true, "?request=" + id: true, "?bucket=demo": true, "?bucket=other": false, "?key=AKIANOBODY": false} {
		if got := strings.Contains(a.page("/console/denials"+filter), "/console/denials/"+id); got != want {
			t.Errorf("the list of %q has it: %t, want %t", filter, got, want)
		}
	}
	if text := a.page("/console"); !strings.Contains(text, `<div class="figure">1</div><span class="soft">in the last 24 hours</span>`) {
		t.Error("the overview does not count it")
	}
	if got := a.status("/console/denials/nothing"); got != http.StatusNotFound {
		t.Errorf("one that was not: got %d, want 404", got)
	}
}

func TestAFileIsUploadedInABrowser(t *testing.T) {
	d := newDev(t)
	b := browser.New(t)
	d.signIn(b, "/console/buckets/demo")
	if !browser.Value[bool](b, `(() => { const files = new DataTransfer(); files.items.add(new File(["hello"], "hello.txt")); document.querySelector("input[type=file]").files = files.files; return true })()`) {
		t.Fatal("no file could be chosen")
	}
	b.Press("Upload")
	b.Sees("The file was uploaded.")
	b.Sees("hello.txt")
	b.Press("Link")
	b.Press("Make a link")
	b.Sees("It is shown only now.")
	b.Sees("Copy")
	b.Press("Done, I have kept it")
	b.Press("Delete")
	b.Sees("It cannot be brought back")
	b.Press("Delete")
	b.Sees("The object was deleted.")
}
