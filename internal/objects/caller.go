package objects

import "time"

// Caller is who sent a request, as far as its key proved it. The zero Caller is
// nobody: an anonymous request.
type Caller struct {
	Key         string // id of the key; of temporary keys, the id of their row
	AccessKeyID string
	Name        string // of the key, for people
	Account     string // that the key belongs to
	User        string // whom the key acts for; empty: a key of the account itself
	Owner       string // whom a bucket that it makes belongs to: user:ID, or key:ID of the first key of its rotations
	Limited     bool   // only what the key itself was granted; its user's buckets and grants do not count
	Temporary   bool   // made by STS
	Open        bool   // authentication is off: everybody may everything
}

// Anonymous reports whether nothing was proven.
func (c Caller) Anonymous() bool { return c.Key == "" && !c.Open }

// Role is what a grant allows on what it names.
type Role string

// The roles; each has what those before it have.
const (
	Read  Role = "read"  // list and get
	Write Role = "write" // put, copy to, delete, multipart uploads
	Admin Role = "admin" // versioning, policies, ACLs, CORS, deleting the bucket
)

// Bucket is what the door keeps of a bucket in its own tables, whatever the store.
type Bucket struct {
	Name       string
	Account    string
	Owner      string // as Caller.Owner
	Created    time.Time
	PublicRead bool   // everybody may read its objects (canned ACL public-read)
	Policy     string // JSON; empty: none
	CORS       string // JSON array of rules; empty: none
}

// Question asks whether a caller may do something.
type Question struct {
	Action string // S3's, such as s3:GetObject
	Needs  Role   // the least grant that allows it
	Bucket Bucket
	Key    string              // empty: the bucket itself
	Values map[string][]string // condition keys of policies in lower case, such as aws:sourceip, aws:securetransport, s3:prefix
}
