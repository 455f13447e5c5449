package objects_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/objectstest"
	"signet/internal/ticket"
)

// Who asks in the matrix, by the letters of its rows.
var askers = map[byte]string{
	'O': "owner", 'S': "owner's temporary key", 'L': "owner's key that is limited to read",
	'R': "granted read", 'W': "granted write", 'A': "granted admin",
	'P': "granted write on home/, asking there", 'p': "granted write on home/, asking elsewhere",
	'Y': "allowed s3:GetObject* by policy", 'D': "owner whom the policy denies everything", 'd': "granted admin whom the policy denies everything",
	'U': "anybody, of a public bucket", 'N': "nobody", 'E': "user of another account", 'B': "user of the account",
}

// whoMay lists, for each operation, who may. Those of - are not asked of Access.
var whoMay = map[string]string{
	"ListBuckets":          "-",
	"CreateBucket":         "-",
	"HeadBucket":           "OSLRWAP",
	"DeleteBucket":         "OSA",
	"GetBucketLocation":    "OSLRWA",
	"ListObjects":          "OSLRWAP",
	"ListObjectsV2":        "OSLRWAP",
	"ListObjectVersions":   "OSLRWAP",
	"ListMultipartUploads": "OSLRWAP",
	"GetBucketPolicy":      "OSAD",
	"PutBucketPolicy":      "OSAD",
	"DeleteBucketPolicy":   "OSAD",
	"GetBucketAcl":         "OSA",
	"PutBucketAcl":         "OSA",
	"GetBucketVersioning":  "OSLRWA",
	"PutBucketVersioning":  "OSA",
	"GetBucketCors":        "OSA",
	"PutBucketCors":        "OSA",
	"DeleteBucketCors":     "OSA",

	"PutObject":                        "OSWAP",
	"PostObject":                       "OSWAP",
	"GetObject":                        "OSLRWAPYU",
	"GetObject of a version":           "OSLRWAPYU",
	"HeadObject":                       "OSLRWAPYU",
	"HeadObject of a version":          "OSLRWAPYU",
	"DeleteObject":                     "OSWAP",
	"DeleteObject of a version":        "OSWAP",
	"DeleteObjects":                    "OSWAP",
	"CopyObject":                       "OSWAP",
	"GetObjectTagging":                 "OSLRWAPY",
	"GetObjectTagging of a version":    "OSLRWAPY",
	"PutObjectTagging":                 "OSWAP",
	"PutObjectTagging of a version":    "OSWAP",
	"DeleteObjectTagging":              "OSWAP",
	"DeleteObjectTagging of a version": "OSWAP",
	"CreateMultipartUpload":            "OSWAP",
	"UploadPart":                       "OSWAP",
	"UploadPartCopy":                   "OSWAP",
	"ListParts":                        "OSWAP",
	"CompleteMultipartUpload":          "OSWAP",
	"AbortMultipartUpload":             "OSWAP",
}

// matrix is a caller for each letter, and the bucket that they ask about.
type matrix struct {
	*office

	bucket  objects.Bucket
	callers map[byte]objects.Caller
}

func newMatrix(t *testing.T, d *db.DB) *matrix {
	t.Helper()
	o := newOffice(t, d)
	m := &matrix{office: o, bucket: objects.Bucket{Name: "files", Account: o.acme, Owner: "user:" + o.ann}, callers: map[byte]objects.Caller{}}
	owner, _ := o.key(o.as(o.ann, o.acme), objects.NewKey{User: o.ann})
	limited, _ := o.key(o.as(o.ann, o.acme), objects.NewKey{User: o.ann, Grants: []objects.Allowance{{Bucket: "files", Role: objects.Read}}})
	bob, _ := o.key(o.as(o.bob, o.acme), objects.NewKey{User: o.bob})
	eve, _ := o.key(o.as(o.eve, o.other), objects.NewKey{User: o.eve})
	for letter, k := range map[byte]objects.Key{'O': owner, 'D': owner, 'L': limited, 'B': bob, 'E': eve} {
		m.callers[letter] = o.caller(k.AccessKeyID)
	}
	m.callers['S'] = m.callers['O']
	session := m.callers['S']
	session.Key, session.Temporary = "ses_1", true
	m.callers['S'] = session
	for letter, allows := range map[byte]string{'R': "files:read", 'W': "fil*:write", 'A': "files:admin", 'd': "files:admin", 'P': "files/home/*:write", 'p': "files/home/*:write", 'Y': ""} {
		k, _ := o.key(o.operator(), objects.NewKey{Account: "acme"})
		m.callers[letter] = o.caller(k.AccessKeyID)
		if allows != "" {
			m.grant(o.as(o.ann, o.acme), k.AccessKeyID, allows)
		}
	}
	return m
}

func (o *office) grant(ctx context.Context, accessKeyID, allows string) objects.Grant {
	o.t.Helper()
	what, err := objects.ParseAllowance(allows)
	if err != nil {
		o.t.Fatal(err)
	}
	g, err := o.access.Grant(ctx, objects.NewGrant{AccessKeyID: accessKeyID, Allowance: what})
	if err != nil {
		o.t.Fatal(err)
	}
	return g
}

// question is what a letter asks of an operation.
func (m *matrix) question(letter byte, op objects.Operation) objects.Question {
	where := "home/"
	if letter == 'p' {
		where = "else/"
	}
	q := objects.Question{Action: op.Action, Needs: op.Needs, Bucket: m.bucket, Values: map[string][]string{"s3:prefix": {where + "x"}}}
	if op.OfObject {
		q.Key, q.Values = where+"key", nil
	}
	switch letter {
	case 'D', 'd':
		q.Bucket.Policy = `{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::files","arn:aws:s3:::files/*"]}}`
	case 'Y':
		q.Bucket.Policy = `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + m.acme + `:key/` + m.callers['Y'].AccessKeyID + `"},"Action":"s3:GetObject*","Resource":"arn:aws:s3:::files/*"}}`
	case 'U':
		q.Bucket.PublicRead = true
	}
	return q
}

func TestEveryOperationIsForThoseWhoMay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		m := newMatrix(t, d)
		seen := map[string]bool{}
		for _, op := range objects.Operations() {
			seen[op.Name] = true
			row, listed := whoMay[op.Name]
			if !listed {
				t.Errorf("%s has no row: who may?", op.Name)
			}
			if row == "-" {
				continue
			}
			for letter, who := range askers {
				err := m.access.Allow(t.Context(), m.callers[letter], m.question(letter, op))
				if err != nil && !errors.Is(err, objects.ErrAccessDenied) {
					t.Fatal(err)
				}
				if may := strings.IndexByte(row, letter) >= 0; may != (err == nil) {
					t.Errorf("%s by %s (%c): got %v", op.Name, who, letter, err)
				}
			}
		}
		for name := range whoMay {
			if !seen[name] {
				t.Errorf("there is no operation %s", name)
			}
		}
	})
}

func TestGrantReachesAsFarAsWhoGaveIt(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		k, _ := o.key(o.operator(), objects.NewKey{Account: "acme"})
		caller := o.caller(k.AccessKeyID)
		may := func(account, owner string) bool {
			q := objects.Question{Action: "s3:GetObject", Needs: objects.Read, Bucket: objects.Bucket{Name: "files", Account: account, Owner: owner}, Key: "k"}
			return o.access.Allow(t.Context(), caller, q) == nil
		}
		g := o.grant(o.as(o.bob, o.acme), k.AccessKeyID, "*:read")
		if !may(o.acme, "user:"+o.bob) || may(o.acme, "user:"+o.ann) || may(o.other, "user:"+o.bob) {
			t.Error("what a user grants is not of that user's buckets in that account")
		}
		if err := o.access.RevokeGrant(o.as(o.ann, o.acme), g.ID); !errors.Is(err, objects.ErrNoGrant) {
			t.Errorf("another user takes it back: got %v", err)
		}
		if err := o.access.RevokeGrant(o.as(o.bob, o.acme), g.ID); err != nil || may(o.acme, "user:"+o.bob) {
			t.Errorf("taken back: it still counts, or %v", err)
		}
		o.grant(o.as(o.bob, o.acme, "objects:write"), k.AccessKeyID, "*:read")
		if !may(o.acme, "user:"+o.ann) || may(o.other, "user:"+o.eve) {
			t.Error("what an administrator grants is not of all buckets of the account")
		}
		o.grant(o.as(o.eve, o.other), k.AccessKeyID, "files:read")
		if !may(o.other, "user:"+o.eve) {
			t.Error("an owner cannot share with a key of another account")
		}
	})
}

func TestOwnLimitedKeyReachesNoFartherThanItsUser(t *testing.T) {
	o := newOffice(t, dbtest.SQLite(t))
	k, _ := o.key(o.as(o.bob, o.acme), objects.NewKey{User: o.bob, Grants: []objects.Allowance{{Bucket: "*", Role: objects.Admin}}})
	caller := o.caller(k.AccessKeyID)
	q := objects.Question{Action: "s3:GetObject", Needs: objects.Read, Key: "k", Bucket: objects.Bucket{Name: "files", Account: o.acme, Owner: "user:" + o.ann}}
	if err := o.access.Allow(t.Context(), caller, q); !errors.Is(err, objects.ErrAccessDenied) {
		t.Fatalf("a key that Bob limited opens Ann's bucket: %v", err)
	}
	g, err := o.access.Grant(o.as(o.ann, o.acme), objects.NewGrant{User: "bob@acme.test", Allowance: objects.Allowance{Bucket: "files", Role: objects.Read}})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.access.Allow(t.Context(), caller, q); err != nil {
		t.Errorf("it does not open what Bob may: %v", err)
	}
	q.Action, q.Needs = "s3:PutObject", objects.Write
	if err := o.access.Allow(t.Context(), caller, q); err == nil {
		t.Error("it writes where Bob may read")
	}
	if err := o.access.RevokeGrant(o.as(o.ann, o.acme), g.ID); err != nil {
		t.Fatal(err)
	}
	if list, err := o.access.Grants(o.operator(), objects.GrantFilter{Bucket: "files"}); err != nil || len(list) != 1 {
		t.Errorf("grants about the bucket: got %v, %v, want Bob's own alone", list, err)
	}
}

func TestLimitedKeyHasNothingOfItsUser(t *testing.T) {
	o := newOffice(t, dbtest.SQLite(t))
	whole, _ := o.key(o.as(o.bob, o.acme), objects.NewKey{User: o.bob})
	limited, _ := o.key(o.as(o.bob, o.acme), objects.NewKey{User: o.bob, Grants: []objects.Allowance{{Bucket: "elsewhere", Role: objects.Read}}})
	_, err := o.access.Grant(o.as(o.ann, o.acme), objects.NewGrant{User: o.bob, Allowance: objects.Allowance{Bucket: "granted", Role: objects.Read}})
	if err != nil {
		t.Fatal(err)
	}
	policy := func(effect string) string {
		return `{"Statement":{"Effect":"` + effect + `","Principal":{"AWS":"arn:aws:iam::` + o.acme + `:user/` + o.bob + `"},"Action":"s3:*","Resource":"arn:aws:s3:::allowed/*"}}`
	}
	for name, b := range map[string]objects.Bucket{
		"its user's own bucket":          {Name: "own", Account: o.acme, Owner: "user:" + o.bob},
		"a bucket granted to its user":   {Name: "granted", Account: o.acme, Owner: "user:" + o.ann},
		"a bucket whose policy says so":  {Name: "allowed", Account: o.acme, Owner: "user:" + o.ann, Policy: policy("Allow")},
		"nothing, as the key may itself": {Name: "elsewhere", Account: o.acme, Owner: "user:" + o.bob},
	} {
		q := objects.Question{Action: "s3:GetObject", Needs: objects.Read, Bucket: b, Key: "k"}
		if err := o.access.Allow(t.Context(), o.caller(whole.AccessKeyID), q); err != nil {
			t.Errorf("%s: the user may not: %v", name, err)
		}
		if may := o.access.Allow(t.Context(), o.caller(limited.AccessKeyID), q) == nil; may != (b.Name == "elsewhere") {
			t.Errorf("%s: the limited key may: %t", name, may)
		}
	}
	denied := objects.Bucket{Name: "allowed", Account: o.acme, Owner: "user:" + o.bob, Policy: policy("Deny")}
	o.grant(o.as(o.bob, o.acme), limited.AccessKeyID, "allowed:read")
	if o.access.Allow(t.Context(), o.caller(limited.AccessKeyID), objects.Question{Action: "s3:GetObject", Needs: objects.Read, Bucket: denied, Key: "k"}) == nil {
		t.Error("what is denied to its user, the limited key may")
	}
}

func TestWhoGrants(t *testing.T) {
	o := newOffice(t, dbtest.SQLite(t))
	k, _ := o.key(o.operator(), objects.NewKey{Account: "other"})
	read := objects.Allowance{Bucket: "files", Role: objects.Read}
	for name, c := range map[string]struct {
		ctx  context.Context
		n    objects.NewGrant
		want error
	}{
		"nobody":                      {t.Context(), objects.NewGrant{AccessKeyID: k.AccessKeyID, Allowance: read}, ticket.ErrNone},
		"to nobody":                   {o.operator(), objects.NewGrant{Allowance: read}, objects.ErrGrantSubject},
		"to a key that is not there":  {o.operator(), objects.NewGrant{AccessKeyID: "AKIANOBODYNOBODY2222", Allowance: read}, objects.ErrNoAccessKey},
		"to somebody by address":      {o.as(o.ann, o.acme), objects.NewGrant{User: "eve@other.test", Allowance: read}, objects.ErrNoGrantUser},
		"to somebody elsewhere by id": {o.as(o.ann, o.acme), objects.NewGrant{User: o.eve, Allowance: read}, nil},
		"no role":                     {o.as(o.ann, o.acme), objects.NewGrant{User: o.bob, Allowance: objects.Allowance{Bucket: "files"}}, objects.ErrAllowance},
		"no bucket":                   {o.as(o.ann, o.acme), objects.NewGrant{User: o.bob, Allowance: objects.Allowance{Bucket: "a*b", Role: objects.Read}}, objects.ErrAllowance},
		"a service key":               {ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.Key, Account: o.acme}), objects.NewGrant{User: o.bob, Allowance: read}, ticket.ErrForbidden},
	} {
		if _, err := o.access.Grant(c.ctx, c.n); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if _, err := o.access.Grants(t.Context(), objects.GrantFilter{}); !errors.Is(err, ticket.ErrNone) {
		t.Errorf("nobody lists: got %v", err)
	}
	if list, err := o.access.Grants(o.as(o.bob, o.acme), objects.GrantFilter{}); err != nil || len(list) != 0 {
		t.Errorf("Bob sees what Ann gave: %v, %v", list, err)
	}
}

func TestAllowanceIsReadAsItIsWritten(t *testing.T) {
	for _, text := range []string{"files:read", "logs-*:admin", "files/a/b:c*:write", "*:read"} {
		a, err := objects.ParseAllowance(text)
		if err != nil || a.String() != text {
			t.Errorf("%s: got %s, %v", text, a, err)
		}
	}
	for _, text := range []string{"", "files", "files:", "files:own", "FILES:read", "files/a:read", "files/*:read", ":read", "a**:read", "fi*les:read"} {
		if a, err := objects.ParseAllowance(text); !errors.Is(err, objects.ErrAllowance) {
			t.Errorf("%q: got %+v, %v", text, a, err)
		}
	}
}

func TestListShowsOwnAndGrantedBuckets(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		ann, _ := o.key(o.as(o.ann, o.acme), objects.NewKey{User: o.ann})
		eve, _ := o.key(o.as(o.eve, o.other), objects.NewKey{User: o.eve})
		for name, k := range map[string]objects.Key{"anns": ann, "anns-too": ann, "eves": eve} {
			if _, err := o.buckets.Claim(t.Context(), o.caller(k.AccessKeyID), name); err != nil {
				t.Fatal(err)
			}
		}
		o.grant(o.as(o.ann, o.acme), eve.AccessKeyID, "anns-*:read")
		o.grant(o.as(o.ann, o.acme), eve.AccessKeyID, "eves:read") // Ann has no say in it
		sees := func(c objects.Caller) (names []string) {
			list, err := o.access.Visible(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range list {
				names = append(names, b.Name)
			}
			return names
		}
		for who, c := range map[string]struct {
			caller objects.Caller
			want   []string
		}{
			"Ann":     {o.caller(ann.AccessKeyID), []string{"anns", "anns-too"}},
			"Eve":     {o.caller(eve.AccessKeyID), []string{"anns-too", "eves"}},
			"nobody":  {objects.Caller{}, nil},
			"anybody": {objects.Caller{Open: true}, []string{"anns", "anns-too", "eves"}},
		} {
			if got := sees(c.caller); !slices.Equal(got, c.want) {
				t.Errorf("%s sees %v, want %v", who, got, c.want)
			}
		}
	})
}

func TestPolicyThatCannotBeReadAnyMoreDenies(t *testing.T) {
	m := newMatrix(t, dbtest.SQLite(t))
	m.bucket.Policy = `{"of":"a later version"}`
	q := objects.Question{Action: "s3:GetObject", Needs: objects.Read, Bucket: m.bucket, Key: "k"}
	if err := m.access.Allow(t.Context(), m.callers['O'], q); !errors.Is(err, objects.ErrAccessDenied) {
		t.Errorf("got %v", err)
	}
	q.Action, q.Needs, q.Key = "s3:DeleteBucketPolicy", objects.Admin, ""
	if err := m.access.Allow(t.Context(), m.callers['O'], q); err != nil {
		t.Errorf("the owner cannot mend it: %v", err)
	}
}

func TestPolicyIsCheckedBeforeItIsKept(t *testing.T) {
	public, err := objects.CheckPolicy("files", []byte(`{"Statement":{"Effect":"Allow","Principal":"*","Action":["s3:GetObjectVersion","s3:List*"],"Resource":"arn:aws:s3:::files/*"}}`))
	if err != nil || !public {
		t.Errorf("got %t, %v", public, err)
	}
	_, err = objects.CheckPolicy("files", []byte(`{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:PutObjectLegalHold","Resource":"arn:aws:s3:::files/*"}}`))
	if !errors.Is(err, objects.ErrMalformedPolicy) || !strings.Contains(err.Error(), "s3:PutObjectLegalHold") {
		t.Errorf("got %v, want it to name the action", err)
	}
}

// realHouse is a door with real keys, which asks Access.
func realHouse(t *testing.T, d *db.DB) (*objectstest.House, *office) {
	t.Helper()
	o := newOffice(t, d)
	o.clock.at = time.Now()
	h := objectstest.OnDisk(t, d, func(do *objects.DoorOptions) {
		do.Lookup, do.Admit, do.Allow, do.Visible, do.CheckPolicy = o.keys.Lookup, o.keys.Admit, o.access.Allow, o.access.Visible, objects.CheckPolicy
	})
	return h, o
}

func TestKeysOpenTheDoor(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, o := realHouse(t, d)
		k, secret := o.key(o.as(o.ann, o.acme), objects.NewKey{User: o.ann})
		reader, readerSecret := o.key(o.operator(), objects.NewKey{Account: "acme"})
		o.grant(o.as(o.ann, o.acme), reader.AccessKeyID, "files/shared/*:write")
		owner, other := h.SDK(k.AccessKeyID, secret), h.SDK(reader.AccessKeyID, readerSecret)
		if _, err := owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: files}); err != nil {
			t.Fatal(err)
		}
		put(t, owner, "secret")
		put(t, owner, "shared/a")

		if _, err := other.GetObject(t.Context(), &s3.GetObjectInput{Bucket: files, Key: aws.String("shared/a")}); err != nil {
			t.Errorf("get what was granted: %v", err)
		}
		_, err := other.GetObject(t.Context(), &s3.GetObjectInput{Bucket: files, Key: aws.String("secret")})
		wantsCode(t, "get what was not", err, "AccessDenied")
		_, err = other.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: files, Key: aws.String("shared/copy"), CopySource: aws.String("files/secret")})
		wantsCode(t, "copy of what may not be read", err, "AccessDenied")
		_, err = other.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: files, Key: aws.String("copy"), CopySource: aws.String("files/shared/a")})
		wantsCode(t, "copy to where it may not write", err, "AccessDenied")
		out, err := other.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: files, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
			{Key: aws.String("shared/a")}, {Key: aws.String("secret")},
		}}})
		if err != nil || len(out.Deleted) != 1 || len(out.Errors) != 1 || *out.Errors[0].Code != "AccessDenied" {
			t.Errorf("delete both: got %+v, %v", out, err)
		}
		_, err = other.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: files})
		wantsCode(t, "list all", err, "AccessDenied")
		if _, err := other.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: files, Prefix: aws.String("shared/")}); err != nil {
			t.Errorf("list what was granted: %v", err)
		}
		if err := o.keys.Revoke(o.operator(), reader.AccessKeyID); err != nil {
			t.Fatal(err)
		}
		_, err = other.GetObject(t.Context(), &s3.GetObjectInput{Bucket: files, Key: aws.String("shared/a")})
		wantsCode(t, "revoked", err, "InvalidAccessKeyId")
	})
}

func put(t *testing.T, c *s3.Client, key string) {
	t.Helper()
	if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: files, Key: &key, Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
}

// wantsCode fails where an SDK's error is another than this S3 code.
func wantsCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	coded, ok := errors.AsType[interface {
		error
		ErrorCode() string
	}](err)
	if !ok || coded.ErrorCode() != code {
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

func TestPolicyOpensAndClosesTheDoor(t *testing.T) {
	h, o := realHouse(t, dbtest.SQLite(t))
	k, secret := o.key(o.as(o.ann, o.acme), objects.NewKey{User: o.ann})
	owner, nobody := h.SDK(k.AccessKeyID, secret), h.SDK("", "")
	if _, err := owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: files}); err != nil {
		t.Fatal(err)
	}
	put(t, owner, "open/a")
	put(t, owner, "closed/a")
	_, err := nobody.GetObject(t.Context(), &s3.GetObjectInput{Bucket: files, Key: aws.String("open/a")})
	wantsCode(t, "before", err, "AccessDenied")
	_, err = owner.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: files, Policy: aws.String(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::files/open/*","Condition":{"IpAddress":{"aws:SourceIp":["127.0.0.1/32","::1"]}}},
		{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::files/*"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nobody.GetObject(t.Context(), &s3.GetObjectInput{Bucket: files, Key: aws.String("open/a")}); err != nil {
		t.Errorf("what is open: %v", err)
	}
	_, err = nobody.GetObject(t.Context(), &s3.GetObjectInput{Bucket: files, Key: aws.String("closed/a")})
	wantsCode(t, "what is not", err, "AccessDenied")
	_, err = owner.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: files, Key: aws.String("closed/a")})
	wantsCode(t, "what is denied even the owner", err, "AccessDenied")
	_, err = owner.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: files, Policy: aws.String(`{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:Nonsense","Resource":"arn:aws:s3:::files"}}`)})
	wantsCode(t, "policy that is not understood", err, "MalformedPolicy")
	if _, err = owner.DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: files}); err != nil {
		t.Fatal(err)
	}
	if _, err = owner.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: files, Key: aws.String("closed/a")}); err != nil {
		t.Errorf("after the policy is gone: %v", err)
	}
	_, err = nobody.GetObject(t.Context(), &s3.GetObjectInput{Bucket: files, Key: aws.String("open/a")})
	wantsCode(t, "what was open", err, "AccessDenied")
}
