package sigv4

import (
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"
)

const (
	maxFields    = 20 << 10 // bytes of all fields, as with AWS
	maxFormParts = 200      // fields
	// maxPreamble is how much of a form is read before its file: fields and framing.
	maxPreamble = maxFields + 64<<10

	// fileName stands in a key for the name of the file.
	fileName = "${filename}"
)

// A PostedForm is a file that a browser posts.
type PostedForm struct {
	Fields   map[string]string // by name in lower case; of the key, ${filename} is filled in
	FileName string            // as the browser names it, without directories
	// File is the content. It returns an *[Error] in place of io.EOF where the content
	// is not what the policy and the checksums among the fields allow.
	File io.Reader
}

// VerifyForm checks the policy of a form (multipart/form-data) that was posted to
// o.Bucket and returns who signed it. It reads the fields, which stand before the file.
// Fields after the file do not count.
//
// A form without a policy is anonymous: its Form is None, and the caller decides.
func VerifyForm(r *http.Request, keys KeyLookup, o Options) (Identity, *PostedForm, error) {
	f, err := readForm(r, o)
	if err != nil {
		return Identity{}, nil, err
	}
	if !f.hasCredentials() {
		return Identity{}, f.open(policy{}, o), nil
	}
	c, err := f.claim(o)
	if err != nil {
		return Identity{}, nil, err
	}
	cred, err := f.prove(r, &c, keys)
	if err != nil {
		return Identity{}, nil, err
	}
	p, err := parsePolicy(f.fields["policy"])
	if err != nil {
		return Identity{}, nil, err
	}
	if err := p.judge(f.fields, f.rawKey, o.Bucket, o.Now); err != nil {
		return Identity{}, nil, err
	}
	return Identity{Form: PostForm, AccessKeyID: c.accessKeyID, Credential: cred, SignedAt: c.at},
		f.open(p, o), nil
}

// UnverifiedForm is VerifyForm where authentication is off: signature and policy are not
// looked at, checksums must hold.
func UnverifiedForm(r *http.Request, o Options) (Identity, *PostedForm, error) {
	f, err := readForm(r, o)
	if err != nil {
		return Identity{}, nil, err
	}
	id := Identity{}
	if f.hasCredentials() {
		id.Form = PostForm
		id.AccessKeyID, _, _ = strings.Cut(f.fields["x-amz-credential"], "/")
	}
	return id, f.open(policy{}, o), nil
}

// A form is one whose fields were read.
type form struct {
	fields  map[string]string
	rawKey  string // before ${filename} was filled in
	file    *multipart.Part
	body    *preamble
	witness witness
}

// preamble bounds what is read before the file.
type preamble struct {
	r    io.Reader
	left int64
	open bool // the file began
}

func (p *preamble) Read(b []byte) (int, error) {
	if p.open {
		return p.r.Read(b)
	}
	if p.left <= 0 {
		return 0, fieldsTooLarge()
	}
	n, err := p.r.Read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	return n, err
}

func fieldsTooLarge() error {
	return refuse(http.StatusBadRequest, "MaxPostPreDataLengthExceeded",
		"Your POST request fields preceding the upload file were too large.")
}

func badForm(cause error) error {
	if e, ok := errors.AsType[*Error](cause); ok {
		return e
	}
	return refuse(http.StatusBadRequest, "MalformedPOSTRequest",
		"The body of your POST request is not well-formed multipart/form-data.").because(cause)
}

// readForm reads a form up to its file.
func readForm(r *http.Request, o Options) (*form, error) {
	if r.ContentLength < 0 {
		return nil, missingLength()
	}
	if o.MaxBody > 0 && r.ContentLength > o.MaxBody+maxPreamble {
		return nil, tooLarge(r.ContentLength, o.MaxBody)
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, refuse(http.StatusPreconditionFailed, "PreconditionFailed",
			"At least one of the pre-conditions you specified did not hold").
			with("Condition", "Bucket POST must be of the enclosure-type multipart/form-data")
	}
	f := &form{fields: map[string]string{}, body: &preamble{r: r.Body, left: maxPreamble}}
	parts := multipart.NewReader(f.body, params["boundary"])
	size := 0
	for range maxFormParts {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil, invalidArgument("POST requires exactly one file upload per request.", "file", "0")
		}
		if err != nil {
			return nil, badForm(err)
		}
		if strings.EqualFold(part.FormName(), "file") {
			f.file, f.body.open = part, true
			return f, f.prepare()
		}
		n, err := f.add(part)
		if err != nil {
			return nil, err
		}
		if size += n; size > maxFields {
			return nil, fieldsTooLarge()
		}
	}
	return nil, fieldsTooLarge()
}

// add takes a field in, and returns its size.
func (f *form) add(part *multipart.Part) (int, error) {
	name := strings.ToLower(part.FormName())
	value, err := io.ReadAll(io.LimitReader(part, maxFields+1))
	if err != nil {
		return 0, badForm(err)
	}
	if _, twice := f.fields[name]; twice || name == "" {
		return 0, invalidArgument("Each field of a POST form has a name and may stand only once.", "field", name)
	}
	f.fields[name] = string(value)
	return len(name) + len(value), nil
}

// prepare fills the file's name into the key and makes ready to hash the file.
func (f *form) prepare() error {
	f.rawKey = f.fields["key"]
	if f.rawKey == "" {
		return invalidArgument("Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.", "key", "")
	}
	name := f.file.FileName()
	if len(f.rawKey)+strings.Count(f.rawKey, fileName)*len(name) > maxFields {
		return fieldsTooLarge() // a key of many names is larger than the form that it came in
	}
	f.fields["key"] = strings.ReplaceAll(f.rawKey, fileName, name)
	h := http.Header{}
	for name, value := range f.fields {
		if name == "content-md5" || strings.HasPrefix(name, checksumPrefix) {
			h.Set(name, value)
		}
	}
	var err error
	f.witness, err = newWitness(h, payload{}, false)
	return err
}

// hasCredentials reports whether a form is signed, in whatever way.
func (f *form) hasCredentials() bool {
	for _, name := range []string{"policy", "x-amz-signature", "x-amz-credential", "signature", "awsaccesskeyid"} {
		if _, ok := f.fields[name]; ok {
			return true
		}
	}
	return false
}

// claim reads the fields that sign the policy.
func (f *form) claim(o Options) (claim, error) {
	c := claim{
		form: PostForm, stamp: f.fields["x-amz-date"], token: f.fields["x-amz-security-token"],
		signature: f.fields["x-amz-signature"],
	}
	_, v2 := f.fields["awsaccesskeyid"]
	method := f.fields["x-amz-algorithm"]
	switch {
	case v2 && method == "":
		return c, signatureV2()
	case method == algorithmA:
		return c, signatureV4A()
	}
	for _, name := range []string{"policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"} {
		if f.fields[name] == "" {
			return c, invalidArgument("Bucket POST must contain a field named '"+name+
				"'.  If it is specified, please check the order of the fields.", name, "")
		}
	}
	if method != algorithm {
		return c, invalidArgument(`X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"`, "x-amz-algorithm", method)
	}
	at, err := time.Parse(longDate, c.stamp)
	if err != nil {
		return c, invalidArgument(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`, "x-amz-date", c.stamp)
	}
	c.at = at
	return c, c.check(f.fields["x-amz-credential"], "x-amz-credential", o)
}

// prove checks the signature: what is signed is the policy, in base64.
func (f *form) prove(r *http.Request, c *claim, keys KeyLookup) (*Credential, error) {
	cred, key, err := c.find(r.Context(), keys)
	if err != nil {
		return nil, err
	}
	ok := key.signed([]byte(f.fields["policy"]), c.signature)
	if cred == nil {
		return nil, unknownKey(c.accessKeyID)
	}
	if !ok {
		return nil, mismatch(c.accessKeyID, f.fields["policy"], c.signature, "")
	}
	return cred, nil
}

// open returns the form with a file that is held to the policy.
func (f *form) open(p policy, o Options) *PostedForm {
	file := &postedFile{form: f, from: p.from, to: p.to}
	if o.MaxBody > 0 && (file.to == nil || *file.to > o.MaxBody) {
		file.to = &o.MaxBody
	}
	return &PostedForm{Fields: maps.Clone(f.fields), FileName: f.file.FileName(), File: file}
}

// postedFile is the content of a posted file.
type postedFile struct {
	form *form
	from int64
	to   *int64 // nil for no limit
	size int64
	err  error
}

func (f *postedFile) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.form.file.Read(p)
	f.size += int64(n)
	switch {
	case f.to != nil && f.size > *f.to:
		n, err = 0, tooLarge(-1, *f.to)
	case errors.Is(err, io.EOF):
		f.form.witness.write(p[:n])
		err = f.end()
	case err != nil:
		n, err = 0, broken(err)
	default:
		f.form.witness.write(p[:n])
	}
	f.err = err
	return n, err
}

// end proves the whole.
func (f *postedFile) end() error {
	if f.size < f.from {
		return tooSmall(f.size, f.from)
	}
	if _, err := f.form.witness.prove(); err != nil {
		return err
	}
	return io.EOF
}
