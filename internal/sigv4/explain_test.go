package sigv4_test

import (
	"strings"
	"testing"
	"time"

	"signet/internal/sigv4"
)

func TestExplanationsNameTheCause(t *testing.T) {
	good := signed(t, draft{method: "GET", target: "/bucket/a//b%20c?prefix=a%2Bb", headers: []string{"Content-Type: text/plain"}}, emptyHash)
	other := sigv4.NewCredential(exampleKey, "another secret", "", nil)
	blank := sigv4.NewCredential(exampleKey, exampleSecret+"\n", "", nil)
	d := draft{method: "GET", target: "/bucket/key"}
	// signedAs is d with the signature of another canonical request.
	signedAs := func(from, to string) string {
		canonical := "GET\n/bucket/key\n\nhost:s3.example.com\nx-amz-content-sha256:" + emptyHash + "\nx-amz-date:20130524T000000Z\n\n" +
			"host;x-amz-content-sha256;x-amz-date\n" + emptyHash
		return change(get(t), signature(get(t)), signatureOf(change(canonical, from, to)))
	}
	for name, c := range map[string]struct{ text, want string }{
		"good":                    {good, ""},
		"path that was cleaned":   {change(good, "a//b", "a/b"), "a proxy cleaned the path: the client signed /bucket/a//b c"},
		"path encoded twice":      {change(good, "b%20c", "b%2520c"), "a proxy encoded the path once more"},
		"slash added":             {change(get(t), "/bucket/key", "/bucket/key/"), "a proxy added a slash"},
		"slash cut off":           {change(signed(t, draft{method: "GET", target: "/bucket/"}, emptyHash), "/bucket/", "/bucket"), "a proxy cut the slash"},
		"client signed clean":     {change(get(t), "/bucket/key", "/bucket//key"), "the client signed the path cleaned"},
		"host with a port":        {change(get(t), "s3.example.com", "s3.example.com:9000"), "the client signed the host without its port: s3.example.com"},
		"host without its port":   {change(change(get(t), "s3.example.com", "x"), "Host: x", "Host: s3.example.com"), ""},
		"host of the inside":      {change(get(t), "Host: s3.example.com", "Host: inside\r\nX-Forwarded-Host: s3.example.com"), "a proxy changed the host, and is not trusted to say what it was: s3.example.com"},
		"GET of HEAD":             {change(signed(t, draft{method: "HEAD", target: "/b/k"}, emptyHash), "HEAD", "GET"), "a proxy made GET of HEAD"},
		"header that was changed": {change(good, "Content-Type: text/plain", "Content-Type: text/html"), "a proxy changed the signed header content-type, which was: text/plain"},
		"blank signed as plus":    {change(signedAs("/bucket/key", "/bucket/a+b"), "/bucket/key", "/bucket/a%20b"), "with + for a blank"},
		"path signed raw":         {change(signedAs("/bucket/key", "/bucket/a=b"), "/bucket/key", "/bucket/a=b"), "without encoding it as S3 does"},
		"plus in the query":       {change(signedAs("key\n\n", "key\na=1%2B1\n"), "/bucket/key", "/bucket/key?a=1+1"), "signed + in the query as a plus"},
		"query not sorted":        {change(signedAs("key\n\n", "key\nb=1&a=1\n"), "/bucket/key", "/bucket/key?b=1&a=1"), "the client signed the query as it is sent"},
		"query that was added":    {change(get(t), "/bucket/key", "/bucket/key?x=1"), "was added by a proxy"},
		"payload signed unsigned": {signedAs("date\n"+emptyHash, "date\nUNSIGNED-PAYLOAD"), "signed the payload as UNSIGNED-PAYLOAD"},
		"other secret":            {signedBy(t, other, exampleOptions(), d, emptyHash), "the secret of the client is another"},
		"secret with a line end":  {signedBy(t, blank, exampleOptions(), d, emptyHash), "has a blank or a line end"},
		"header not signed":       {change(good, "\r\n\r\n", "\r\nx-amz-acl: a\r\n\r\n"), "not signed: x-amz-acl"},
		"another region":          {signedBy(t, exampleCredential(), inRegion("eu-west-1"), d, emptyHash), "the region 'eu-west-1' is wrong; expecting 'us-east-1'"},
		"clock ahead":             {signedBy(t, exampleCredential(), at(16*time.Minute), d, emptyHash), "16m0s ahead of the server's clock"},
		"clock behind":            {signedBy(t, exampleCredential(), at(-16*time.Minute), d, emptyHash), "16m0s before the server's clock"},
		"presigned, over":         {presigned(t, at(-90*time.Minute)), "the presigned URL expired 30m0s ago"},
		"no credentials":          {d.text(), "no credentials"},
		"no hash":                 {without(get(t), "X-Amz-Content-Sha256"), "Missing required header"},
		"session without token":   {change(get(t), exampleKey, sessionKey), "no X-Amz-Security-Token"},
		"broken":                  {change(get(t), "Signature=", "Sig="), "requires three components"},
	} {
		t.Run(name, func(t *testing.T) {
			cred := exampleCredential()
			if strings.Contains(c.text, sessionKey) {
				cred = sigv4.NewCredential(sessionKey, exampleSecret, "the-token", nil)
			}
			e := sigv4.Explain(parsed(t, c.text), cred, exampleOptions())
			all := strings.Join(e.Reasons, "\n")
			if c.want == "" && (len(e.Reasons) > 0 || !e.Matches) || !strings.Contains(all, c.want) {
				t.Errorf("got %q (matches: %t), want %q", e.Reasons, e.Matches, c.want)
			}
		})
	}
}

func inRegion(region string) sigv4.Options {
	o := exampleOptions()
	o.Region = region
	return o
}

func TestUnknownKeyIsExplainedWithWhatItShouldHaveSigned(t *testing.T) {
	e := sigv4.Explain(parsed(t, get(t)), nil, exampleOptions())
	if len(e.Reasons) != 1 || !strings.Contains(e.Reasons[0], "AKIAIOSFODNN7EXAMPLE is not known") || e.Matches {
		t.Errorf("got %q, matches: %t", e.Reasons, e.Matches)
	}
	if !strings.HasPrefix(e.CanonicalRequest, "GET\n/bucket/key\n") || e.Provided != signature(get(t)) {
		t.Errorf("got %q with %q", e.CanonicalRequest, e.Provided)
	}
}
