package objects

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signet/internal/fault"
	"signet/internal/sigv4"
	"signet/internal/ticket"
)

// What people at the console are refused.
var (
	ErrNoOwnKey = fault.New(fault.Conflict, "you have no access key that links could be signed with: make one in your account").Named("no-own-key")
	ErrLinkLife = fault.New(fault.Invalid, "must be from 1 minute to 7 days").At("expires")
	ErrNobody   = fault.New(fault.Forbidden, "only people look into buckets here")
)

// maxUpload is how much a form of the console uploads, in bytes.
const maxUpload = 5 << 30

// Browser shows people what is in buckets. It acts for the person who asks, as their own
// keys would, and signs links and forms with one of these: what is in the objects goes
// between the browser and the S3 listener alone.
type Browser struct {
	store   Store
	buckets *Buckets
	access  *Access
	keys    *Keys
	origin  string // of the S3 listener, without a slash at its end
	region  string
	now     func() time.Time
}

// NewBrowser returns a browser of what s keeps, whose listener is reached at origin.
func NewBrowser(s Store, b *Buckets, a *Access, k *Keys, origin, region string, now func() time.Time) *Browser {
	return &Browser{store: s, buckets: b, access: a, keys: k, origin: origin, region: region, now: now}
}

// Origin is that of the S3 listener.
func (w *Browser) Origin() string { return w.origin }

// person is the caller that the keys of a signed-in person are.
func person(ctx context.Context) (Caller, error) {
	t := ticket.From(ctx)
	if t == nil {
		return Caller{}, ticket.ErrNone
	}
	if t.Kind != ticket.User || t.Account == "" {
		return Caller{}, ErrNobody
	}
	return Caller{Key: "console:" + t.Subject, Name: t.Subject, Account: t.Account, User: t.Subject, Owner: "user:" + t.Subject}, nil
}

// may returns the bucket where the person may do the action.
func (w *Browser) may(ctx context.Context, name, key, action string, needs Role, values map[string][]string) (Bucket, error) {
	c, err := person(ctx)
	if err != nil {
		return Bucket{}, err
	}
	if !goodBucketName(name) {
		return Bucket{}, ErrNoSuchBucket
	}
	for _, k := range append([]string{key}, values["s3:prefix"]...) {
		if k == "" {
			continue
		}
		if err := checkKey(k); err != nil {
			return Bucket{}, err
		}
	}
	b, err := w.buckets.Get(ctx, name)
	if err != nil {
		return b, err
	}
	return b, w.access.Allow(ctx, c, Question{Action: action, Needs: needs, Bucket: b, Key: key, Values: values})
}

// Mine returns the buckets that the person owns or was granted.
func (w *Browser) Mine(ctx context.Context) ([]Bucket, error) {
	c, err := person(ctx)
	if err != nil {
		return nil, err
	}
	return w.access.Visible(ctx, c)
}

// Make makes a bucket that belongs to the person.
func (w *Browser) Make(ctx context.Context, name string) (Bucket, error) {
	c, err := person(ctx)
	if err != nil {
		return Bucket{}, err
	}
	b, err := claim(ctx, w.store, w.buckets, c, name)
	if err != nil {
		return b, err
	}
	return b, w.store.CreateBucket(ctx, name)
}

// Look returns a bucket and a page of what is below a prefix: objects, and the prefixes of
// the next level.
func (w *Browser) Look(ctx context.Context, bucket, prefix, after string) (b Bucket, page Listing, err error) {
	b, err = w.may(ctx, bucket, "", "s3:ListBucket", Read, map[string][]string{"s3:prefix": {prefix}, "s3:delimiter": {"/"}})
	if err != nil {
		return b, page, err
	}
	page, err = w.store.List(ctx, List{Bucket: bucket, Prefix: prefix, Delimiter: "/", After: after, Max: 100})
	return b, page, err
}

// Versioning returns what the bucket does with versions.
func (w *Browser) Versioning(ctx context.Context, bucket string) (Versioning, error) {
	if _, err := w.may(ctx, bucket, "", "s3:GetBucketVersioning", Read, nil); err != nil {
		return "", err
	}
	return w.store.Versioning(ctx, bucket)
}

// Remove deletes an object; of a bucket with versions, it hides it.
func (w *Browser) Remove(ctx context.Context, bucket, key string) error {
	if _, err := w.may(ctx, bucket, key, "s3:DeleteObject", Write, nil); err != nil {
		return err
	}
	_, err := w.store.Delete(ctx, Ref{Bucket: bucket, Key: key}, Conditions{})
	return err
}

// RemoveBucket deletes a bucket that is empty.
func (w *Browser) RemoveBucket(ctx context.Context, bucket string) error {
	if _, err := w.may(ctx, bucket, "", "s3:DeleteBucket", Admin, nil); err != nil {
		return err
	}
	c, err := person(ctx)
	if err != nil {
		return err
	}
	if err := w.store.DeleteBucket(ctx, bucket); err != nil {
		return err
	}
	return w.buckets.Remove(ctx, c, bucket)
}

// Link returns a link that gets an object for so long. Whoever has it can.
func (w *Browser) Link(ctx context.Context, bucket, key string, life time.Duration) (string, error) {
	if life < time.Minute || life > sigv4.MaxExpires {
		return "", ErrLinkLife
	}
	if _, err := w.may(ctx, bucket, key, "s3:GetObject", Read, nil); err != nil {
		return "", err
	}
	own, err := w.own(ctx)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(w.origin)
	if err != nil {
		return "", err
	}
	u.Path, u.RawPath = "/"+bucket+"/"+key, "/"+bucket+"/"+encodeKey(key)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return "", err
	}
	r.URL = u
	link, err := sigv4.Presign(r, own, life, w.signing())
	if err != nil {
		return "", err
	}
	return link.String(), nil
}

// Form is a form that uploads a file below a prefix: where it is sent, and its fields.
type Form struct {
	Action string
	Fields []sigv4.FormField
}

// UploadForm returns a form for one hour. The browser comes back to an address of the
// console.
func (w *Browser) UploadForm(ctx context.Context, bucket, prefix, back string) (f Form, err error) {
	if _, err := w.may(ctx, bucket, cmp.Or(prefix, "x"), "s3:PutObject", Write, nil); err != nil {
		return f, err
	}
	own, err := w.own(ctx)
	if err != nil {
		return f, err
	}
	f.Action = w.origin + "/" + bucket
	f.Fields, err = sigv4.SignForm(own, sigv4.FormPolicy{
		Bucket: bucket, Prefix: prefix, Redirect: back, MaxBytes: maxUpload, Expires: time.Hour,
	}, w.signing())
	return f, err
}

func (w *Browser) signing() sigv4.Options {
	return sigv4.Options{Now: w.now(), Region: w.region, Service: "s3", Host: strings.TrimPrefix(strings.TrimPrefix(w.origin, "https://"), "http://")}
}

// own returns a key of the person that is good for all that they may.
func (w *Browser) own(ctx context.Context) (*sigv4.Credential, error) {
	all, err := w.keys.List(ctx, KeyFilter{Own: true})
	if err != nil {
		return nil, err
	}
	for _, k := range all {
		if k.Limited {
			continue
		}
		if c, err := w.keys.Lookup(ctx, k.AccessKeyID, ""); err != nil || c != nil {
			return c, err
		}
	}
	return nil, ErrNoOwnKey
}
