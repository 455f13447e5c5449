package objects

import (
	"encoding/xml"
	"net/http"
)

const (
	everybody   = "http://acs.amazonaws.com/groups/global/AllUsers"
	schemaSpace = "http://www.w3.org/2001/XMLSchema-instance"
)

type aclResult struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ AccessControlPolicy"`
	Owner   *ownerElement
	Grants  []grantElement `xml:"AccessControlList>Grant"`
}

type grantElement struct {
	Grantee    granteeElement
	Permission string
}

type granteeElement struct {
	Space       string `xml:"xmlns:xsi,attr"`
	Type        string `xml:"xsi:type,attr"`
	ID          string `xml:",omitempty"`
	DisplayName string `xml:",omitempty"`
	URI         string `xml:",omitempty"`
}

// getACL shows what a bucket is open to in S3's words: its owner, and everybody.
func (d *Door) getACL(q *request) error {
	owner := ownerOf(q.bucket)
	out := aclResult{Owner: owner, Grants: []grantElement{
		{granteeElement{Space: schemaSpace, Type: "CanonicalUser", ID: owner.ID, DisplayName: owner.DisplayName}, "FULL_CONTROL"},
	}}
	if q.bucket.PublicRead {
		out.Grants = append(out.Grants, grantElement{granteeElement{Space: schemaSpace, Type: "Group", URI: everybody}, "READ"})
	}
	return q.answerXML(out)
}

// putACL takes canned ACLs alone: who else may do what, grants and policies say.
func (d *Door) putACL(q *request) error {
	for _, name := range grants {
		if q.r.Header.Get(name) != "" {
			return ErrNoACL
		}
	}
	canned := q.r.Header.Get("X-Amz-Acl")
	if canned == "" {
		return ErrNoACL.Because("send a canned ACL in x-amz-acl: private or public-read")
	}
	public, err := d.readACL(canned)
	if err != nil {
		return err
	}
	if err := d.setPublic(q, public); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// readACL reads a canned ACL of a bucket: whether everybody may read its objects.
func (d *Door) readACL(canned string) (public bool, err error) {
	switch canned {
	case "", "private":
		return false, nil
	case "public-read":
		if !d.o.AllowPublic {
			return false, ErrPublic
		}
		return true, nil
	case "public-read-write", "authenticated-read":
		return false, ErrNoACL.Because("%s is not possible here", canned)
	}
	return false, ErrArgument.Because("is not a canned ACL").At("x-amz-acl")
}

func (d *Door) setPublic(q *request, public bool) error {
	return d.buckets.Set(q.Context(), q.caller, q.target.bucket, Setting{
		Action: "objects.put_acl", Detail: map[string]any{"public_read": public}, Apply: func(b *Bucket) { b.PublicRead = public },
	})
}
