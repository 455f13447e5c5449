package console

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"signet/internal/fault"
	"signet/internal/locale"
	"signet/internal/objects"
)

// Files are the services of the S3 API.
type Files struct {
	Keys    *objects.Keys
	Access  *objects.Access
	Denials *objects.Denials
	Browser *objects.Browser // nil where the S3 API is off
}

var errNoFiles = fault.New(fault.NotFound, "the S3 API is off: set objects.listen")

// filesNav are the sections about files. Everybody has keys and buckets of their own.
func (q *request) filesNav() [][3]string {
	if q.c.Files.Browser == nil {
		return nil
	}
	return [][3]string{
		{"", "/console/buckets", "console.buckets.title"},
		{"", "/console/keys", "console.keys.title"},
		{readObjects, "/console/denials", "console.denials.title"},
	}
}

// withFiles makes f a page that is there where the S3 API is on.
func (c *Console) withFiles(f func(q *request) (form, error)) func(q *request) (form, error) {
	return func(q *request) (form, error) {
		if c.Files.Browser == nil {
			return form{}, errNoFiles
		}
		return f(q)
	}
}

// filesState is that of the S3 API.
type filesState struct{ Keys, Buckets, Denials int }

func (c *Console) homeFiles(q *request, p *homePage) error {
	if c.Files.Browser == nil {
		return nil
	}
	keys, err := c.Files.Keys.List(q.Context(), objects.KeyFilter{})
	if err != nil {
		return err
	}
	buckets, err := c.Files.Access.List(q.Context(), "")
	if err != nil {
		return err
	}
	day, err := c.Files.Denials.Count(q.Context(), c.o.Now().Add(-24*time.Hour))
	p.Files = &filesState{len(keys), len(buckets), day}
	return err
}

// owner is whom a key or a bucket belongs to, for the eye.
type owner struct {
	Text string // in words; empty where Code says it
	Code string // an id
	Href string // of the user's page, where the reader may see it
}

// ownerOf reads an owner such as user:ID or key:ID. The keys give theirs names.
func (q *request) ownerOf(s string, keys []objects.Key) owner {
	kind, id, _ := strings.Cut(s, ":")
	switch {
	case s == "":
		return owner{Text: "–"}
	case kind == "user" && id == q.who.Subject:
		return owner{Text: q.t("console.files.you")}
	case kind == "user":
		o := owner{Code: id}
		if q.who.May(readUsers) {
			o.Href = userPath(id)
		}
		return o
	case kind == "key":
		if i := slices.IndexFunc(keys, func(k objects.Key) bool { return k.Family == id }); i >= 0 {
			return owner{Text: q.t("console.files.key") + " " + keys[i].Name}
		}
	}
	return owner{Code: s}
}

// size says how many bytes something has.
func (q *request) size(n int64) string {
	const step = 1024
	if n < step {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), 0
	for f >= step && unit < 5 {
		f, unit = f/step, unit+1
	}
	text := fmt.Sprintf("%.1f %ciB", f, "KMGTP"[unit-1])
	if q.texts.Tag.String() != "en" {
		text = strings.Replace(text, ".", ",", 1)
	}
	return text
}

// plainLines is [locale.Plain] for a text of several lines.
func plainLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = locale.Plain(lines[i])
	}
	return strings.Join(lines, "\n")
}

// aws is a command of the AWS command line at this S3 API.
func (c *Console) aws(words string) command {
	return command{words: append([]string{"aws"}, strings.Fields(words)...)}.flag("endpoint-url", c.Files.Browser.Origin())
}

// bucketPath is the page of a bucket.
func bucketPath(name string) string { return "/console/buckets/" + url.PathEscape(name) }

// folderPath is the page of a bucket below a prefix.
func folderPath(bucket, prefix string) string {
	if prefix == "" {
		return bucketPath(bucket)
	}
	return bucketPath(bucket) + "?" + url.Values{"prefix": {prefix}}.Encode()
}

// folderOf is the prefix that a key is found below.
func folderOf(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }
