package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"signet/internal/fault"
	"signet/internal/objects"
)

// bucketPage is what is in a bucket below a prefix, and what is set on it.
type bucketPage struct {
	objects.Bucket
	Path    string
	Crumbs  []crumb
	Listed  bool // the reader may see what is in it
	Folders []crumb
	Objects []objectRow
	Empty   bool          // there is nothing in the bucket
	Write   bool          // the reader may upload and delete
	Form    *objects.Form // nil: none
	NoKey   bool          // for want of a key that could sign it
	Set     *bucketSettings
}

// crumb is a prefix, with the page of what is below it.
type crumb struct{ Text, Href string }

type objectRow struct {
	Name, Size   string
	Modified     time.Time
	Link, Delete string // their pages
}

// bucketSettings are what the owner set on a bucket.
type bucketSettings struct {
	Whose      owner
	Versioning objects.Versioning // empty where the reader may not know either
	Policy     string
	Grants     []grantRow
	Grant      bool // the reader may change what is granted

	PolicyCommand, PublicCommand, VersionCommand string
}

type grantRow struct {
	objects.Grant
	Whom owner
	Path string
}

// objectUploaded is what the console says when somebody comes back from the S3 listener.
const objectUploaded = "objectUploaded"

func (c *Console) bucket(q *request) error {
	if c.Files.Browser == nil {
		return errNoFiles
	}
	name, prefix := q.PathValue("bucket"), q.param("prefix")
	if q.param("etag") != "" { // the S3 listener tells what was uploaded: the address is for the eye
		return q.seeOther(withDone(folderPath(name, prefix), objectUploaded))
	}
	b, found, err := c.Files.Browser.Look(q.Context(), name, prefix, q.param("cursor"))
	p := bucketPage{Bucket: b, Path: bucketPath(name), Listed: err == nil}
	if refusedLook := err; err != nil {
		if p.Bucket, err = c.Files.Access.Bucket(q.Context(), name); err != nil || !errors.Is(refusedLook, objects.ErrAccessDenied) {
			return refusedLook
		}
	}
	if p.Listed {
		q.fillListing(&p, found, prefix)
		if err := c.fillForm(q, &p, prefix); err != nil {
			return err
		}
	}
	if p.Set, err = c.bucketSettings(q, name); err != nil {
		return err
	}
	origin := ""
	if p.Form != nil {
		origin = c.Files.Browser.Origin()
	}
	return q.renderTo("bucket", p, found.Next, nil, origin)
}

func withDone(path, done string) string {
	if strings.Contains(path, "?") {
		return path + "&done=" + done
	}
	return path + "?done=" + done
}

// fillListing makes rows and crumbs of what was found below a prefix.
func (q *request) fillListing(p *bucketPage, found objects.Listing, prefix string) {
	p.Crumbs = []crumb{{p.Name, p.Path}}
	for i := range len(prefix) {
		if prefix[i] == '/' || i == len(prefix)-1 {
			from := strings.LastIndexByte(prefix[:i], '/') + 1
			p.Crumbs = append(p.Crumbs, crumb{prefix[from : i+1], folderPath(p.Name, prefix[:i+1])})
		}
	}
	for _, f := range found.Prefixes {
		p.Folders = append(p.Folders, crumb{strings.TrimPrefix(f, prefix), folderPath(p.Name, f)})
	}
	for _, o := range found.Objects {
		key := "?" + url.Values{"key": {o.Key}}.Encode()
		name := strings.TrimPrefix(o.Key, prefix)
		if name == "" {
			name = o.Key
		}
		p.Objects = append(p.Objects, objectRow{name, q.size(o.Size), o.Modified, p.Path + "/link" + key, p.Path + "/delete-object" + key})
	}
	p.Empty = prefix == "" && q.param("cursor") == "" && len(p.Folders)+len(p.Objects) == 0
}

// fillForm gives the page its form, where the reader may upload.
func (c *Console) fillForm(q *request, p *bucketPage, prefix string) error {
	f, err := c.Files.Browser.UploadForm(q.Context(), p.Name, prefix, c.o.Origin+folderPath(p.Name, prefix))
	switch {
	case errors.Is(err, objects.ErrAccessDenied):
		return nil
	case errors.Is(err, objects.ErrNoOwnKey):
		p.Write, p.NoKey = true, true
		return nil
	case err != nil:
		return err
	}
	p.Write = true
	// A form cannot carry a single CR or LF: the signature would not hold.
	if !strings.ContainsAny(prefix, "\r\n") {
		p.Form = &f
	}
	return nil
}

// bucketSettings returns what is set on a bucket; nil where the reader may not know.
func (c *Console) bucketSettings(q *request, name string) (*bucketSettings, error) {
	b, err := c.Files.Access.Bucket(q.Context(), name)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	keys, err := c.Files.Keys.List(q.Context(), objects.KeyFilter{Ended: true})
	if err != nil {
		return nil, err
	}
	s := &bucketSettings{
		Whose: q.ownerOf(b.Owner, keys), Policy: plainLines(indented(b.Policy)), Grant: q.who.May(writeObjects) || b.Owner == "user:"+q.who.Subject,
		PolicyCommand:  c.aws("s3api put-bucket-policy").flag("bucket", name).flag("policy", "file://policy.json").String(),
		PublicCommand:  c.aws("s3api put-bucket-acl").flag("bucket", name).flag("acl", "public-read").String(),
		VersionCommand: c.aws("s3api put-bucket-versioning").flag("bucket", name).flag("versioning-configuration", "Status=Enabled").String(),
	}
	s.Versioning, err = c.Files.Browser.Versioning(q.Context(), name)
	if err != nil && !errors.Is(err, objects.ErrAccessDenied) {
		return nil, err
	}
	grants, err := c.Files.Access.Grants(q.Context(), objects.GrantFilter{Bucket: name})
	for _, g := range grants {
		row := grantRow{g, q.ownerOf(g.Subject, nil), bucketPath(name) + "/grants/" + url.PathEscape(g.ID)}
		if g.AccessKeyID != "" {
			row.Whom = owner{Text: g.KeyName, Code: g.AccessKeyID}
		}
		s.Grants = append(s.Grants, row)
	}
	return s, err
}

// indented writes JSON over several lines.
func indented(doc string) string {
	var b bytes.Buffer
	if doc == "" || json.Indent(&b, []byte(doc), "", "  ") != nil {
		return doc
	}
	return b.String()
}

// objectActions are what is done with one object, which the parameter key names.
func (c *Console) objectActions() map[string]action {
	return map[string]action{
		"/console/buckets/{bucket}/link":          {name: "objectLink", form: c.withFiles(c.askLink), do: c.link},
		"/console/buckets/{bucket}/delete-object": {name: "objectDelete", danger: true, form: c.withFiles(c.askDeleteObject), do: c.deleteObject},
	}
}

// aboutObject returns a form that names the object, which must be there.
func (c *Console) aboutObject(q *request) (form, error) {
	name, key := q.PathValue("bucket"), q.param("key")
	_, found, err := c.Files.Browser.Look(q.Context(), name, key, "")
	if err != nil {
		return form{}, err
	}
	i := slices.IndexFunc(found.Objects, func(o objects.Object) bool { return o.Key == key })
	if i < 0 {
		return form{}, objects.ErrNoSuchKey
	}
	o := found.Objects[i]
	return form{
		Object: name + "/" + key, Back: folderPath(name, folderOf(key)),
		Facts: []fact{{q.t("console.bucket.size"), q.size(o.Size)}, {q.t("console.bucket.modified"), q.texts.Ago(o.Modified, c.o.Now())}},
	}, nil
}

// linkHours are how long a link can be good.
var linkHours = []int{1, 24, 7 * 24}

func (c *Console) askLink(q *request) (form, error) {
	f, err := c.aboutObject(q)
	if err != nil {
		return f, err
	}
	var lives []option
	for _, h := range linkHours {
		text := q.texts.N("console.days", h/24)
		if h < 24 {
			text = q.texts.N("console.bypass.hours", h)
		}
		lives = append(lives, option{Value: strconv.Itoa(h), Text: text})
	}
	f.Fields = []input{{Name: "hours", Label: q.t("console.keyNew.life"), Kind: "select", Options: lives}}
	f.Command = cli("s3 presign").flag("endpoint", c.Files.Browser.Origin()).flag("expires", "1h").arg("s3://" + q.PathValue("bucket") + "/" + q.param("key"))
	return f, nil
}

func (c *Console) link(q *request) (outcome, error) {
	hours, err := strconv.Atoi(q.field("hours"))
	if err != nil || !slices.Contains(linkHours, hours) {
		return outcome{}, errNumber.At("hours")
	}
	name, key := q.PathValue("bucket"), q.param("key")
	link, err := c.Files.Browser.Link(q.Context(), name, key, time.Duration(hours)*time.Hour)
	return outcome{to: folderPath(name, folderOf(key)), link: link}, err
}

func (c *Console) askDeleteObject(q *request) (form, error) {
	f, err := c.aboutObject(q)
	f.Command = c.aws("s3api delete-object").flag("bucket", q.PathValue("bucket")).flag("key", q.param("key"))
	return f, err
}

func (c *Console) deleteObject(q *request) (outcome, error) {
	name, key := q.PathValue("bucket"), q.param("key")
	return outcome{to: folderPath(name, folderOf(key))}, c.Files.Browser.Remove(q.Context(), name, key)
}
