package console

import (
	"slices"
	"strings"

	"signet/internal/fault"
	"signet/internal/objects"
)

// bucketsPage lists buckets.
type bucketsPage struct {
	Buckets []bucketRow
	Whole   bool // those of the whole account
	Off     bool // there is no S3 API
}

type bucketRow struct {
	objects.Bucket
	Whose owner
	Path  string
}

func (c *Console) buckets(q *request) error {
	if c.Files.Browser == nil {
		return q.show("buckets", bucketsPage{Off: true}, "")
	}
	all, err := c.seenBuckets(q)
	if err != nil {
		return err
	}
	keys, err := c.Files.Keys.List(q.Context(), objects.KeyFilter{Ended: true})
	if err != nil {
		return err
	}
	p := bucketsPage{Whole: q.who.May(readObjects)}
	word := strings.ToLower(clean(q.param("q")))
	for _, b := range all {
		if strings.Contains(b.Name, word) {
			p.Buckets = append(p.Buckets, bucketRow{b, q.ownerOf(b.Owner, keys), bucketPath(b.Name)})
		}
	}
	return q.show("buckets", p, "")
}

// seenBuckets are the reader's, those that something was granted in, and with the
// permission those of the account.
func (c *Console) seenBuckets(q *request) ([]objects.Bucket, error) {
	all, err := c.Files.Browser.Mine(q.Context())
	if err != nil || !q.who.May(readObjects) {
		return all, err
	}
	rest, err := c.Files.Access.List(q.Context(), "")
	all = append(all, rest...)
	byName := func(a, b objects.Bucket) int { return strings.Compare(a.Name, b.Name) }
	slices.SortStableFunc(all, byName)
	return slices.CompactFunc(all, func(a, b objects.Bucket) bool { return a.Name == b.Name }), err
}

// bucketActions are what changes buckets, and who may what in them. No bucket is called
// _new.
func (c *Console) bucketActions() map[string]action {
	return map[string]action{
		"/console/buckets/_new":                 {name: "bucketNew", form: c.withFiles(c.askNewBucket), do: c.newBucket},
		"/console/buckets/{bucket}/delete":      {name: "bucketDelete", danger: true, form: c.withFiles(c.askDeleteBucket), do: c.deleteBucket},
		"/console/buckets/{bucket}/grants/new":  {name: "grantNew", fresh: true, form: c.withFiles(c.askGrant), do: c.grant},
		"/console/buckets/{bucket}/grants/{id}": {name: "grantRevoke", fresh: true, danger: true, form: c.withFiles(c.askRevokeGrant), do: c.revokeGrant},
	}
}

func (c *Console) askNewBucket(q *request) (form, error) {
	return form{
		Object: q.field("name"), Back: "/console/buckets", Command: c.aws("s3api create-bucket").flag("bucket", "photos"),
		Fields: []input{{Name: "name", Label: q.t("console.field.name"), Hint: q.t("console.bucketNew.nameHint"), Kind: "text", Required: true}},
	}, nil
}

func (c *Console) newBucket(q *request) (outcome, error) {
	b, err := c.Files.Browser.Make(q.Context(), q.field("name"))
	return outcome{to: bucketPath(b.Name)}, err
}

func (c *Console) askDeleteBucket(q *request) (form, error) {
	b, _, err := c.Files.Browser.Look(q.Context(), q.PathValue("bucket"), "", "")
	return form{
		Object: b.Name, Back: bucketPath(b.Name), Command: c.aws("s3api delete-bucket").flag("bucket", b.Name),
	}, err
}

func (c *Console) deleteBucket(q *request) (outcome, error) {
	return outcome{to: "/console/buckets"}, c.Files.Browser.RemoveBucket(q.Context(), q.PathValue("bucket"))
}

// objectRoles are the roles in the order of what they allow.
var objectRoles = []objects.Role{objects.Read, objects.Write, objects.Admin}

func (c *Console) askGrant(q *request) (form, error) {
	b, err := c.Files.Access.Bucket(q.Context(), q.PathValue("bucket"))
	if err != nil {
		return form{}, err
	}
	var roles []option
	for _, r := range objectRoles {
		roles = append(roles, option{Value: string(r), Text: q.t("console.role." + string(r))})
	}
	return form{
		Object: b.Name, Back: bucketPath(b.Name), API: "POST /api/v1/objects/grants",
		Command: cli("admin grant").flag("user", "alice@example.org").flag("bucket", b.Name).flag("role", string(objects.Read)),
		Fields: []input{
			{Name: "whom", Label: q.t("console.grantNew.whom"), Hint: q.t("console.grantNew.whomHint"), Kind: "text", Required: true},
			{Name: "role", Label: q.t("console.grantNew.role"), Kind: "select", Options: roles},
			{Name: "prefix", Label: q.t("console.grantNew.prefix"), Hint: q.t("console.grantNew.prefixHint"), Kind: "text"},
		},
	}, nil
}

func (c *Console) grant(q *request) (outcome, error) {
	name, whom := q.PathValue("bucket"), q.field("whom")
	n := objects.NewGrant{Allowance: objects.Allowance{Bucket: name, Prefix: q.PostFormValue("prefix"), Role: objects.Role(q.field("role"))}}
	if strings.Contains(whom, "@") || strings.HasPrefix(whom, "usr_") {
		n.User = whom
	} else {
		n.AccessKeyID = whom
	}
	_, err := c.Files.Access.Grant(q.Context(), n)
	return outcome{to: bucketPath(name)}, unknown(err)
}

var errWhom = fault.New(fault.Invalid, "is no access key or user").At("whom").Named("grant-whom")

// unknown keeps the form where it named somebody who is not there.
func unknown(err error) error {
	if fault.KindOf(err) == fault.NotFound {
		return errWhom
	}
	return err
}

func (c *Console) askRevokeGrant(q *request) (form, error) {
	g, err := c.oneGrant(q)
	if err != nil {
		return form{}, err
	}
	return form{
		Object: g.String(), Back: bucketPath(q.PathValue("bucket")), API: "DELETE /api/v1/objects/grants/" + g.ID,
		Command: cli("admin revoke-grant").arg(g.ID), Facts: []fact{{q.t("console.grantNew.whom"), granteeText(g)}},
	}, nil
}

// oneGrant returns the grant that the address names.
func (c *Console) oneGrant(q *request) (objects.Grant, error) {
	all, err := c.Files.Access.Grants(q.Context(), objects.GrantFilter{Bucket: q.PathValue("bucket")})
	if err != nil {
		return objects.Grant{}, err
	}
	i := slices.IndexFunc(all, func(g objects.Grant) bool { return g.ID == q.PathValue("id") })
	if i < 0 {
		return objects.Grant{}, objects.ErrNoGrant
	}
	return all[i], nil
}

// granteeText names whom something was granted.
func granteeText(g objects.Grant) string {
	if g.AccessKeyID != "" {
		return g.KeyName + " (" + g.AccessKeyID + ")"
	}
	_, id, _ := strings.Cut(g.Subject, ":")
	return id
}

func (c *Console) revokeGrant(q *request) (outcome, error) {
	if _, err := c.oneGrant(q); err != nil {
		return outcome{}, err
	}
	return outcome{to: bucketPath(q.PathValue("bucket"))}, c.Files.Access.RevokeGrant(q.Context(), q.PathValue("id"))
}
