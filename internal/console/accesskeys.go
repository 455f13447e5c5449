package console

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"signet/internal/fault"
	"signet/internal/objects"
)

// accessKeysPage lists the access keys of the S3 API.
type accessKeysPage struct {
	Keys  []accessKeyRow
	Whole bool // those of the whole account
	Write bool // the reader may change keys of the account
}

type accessKeyRow struct {
	objects.Key
	Whose   owner
	Grants  []string // what it was granted itself
	Live    bool
	Ends    bool // the reader may revoke it
	Rotates bool // and rotate it
	Path    string
}

var errSort = fault.New(fault.Invalid, "is not a column that the list is sorted by").At("sort")

func (c *Console) accessKeys(q *request) error {
	all, err := c.Files.Keys.List(q.Context(), objects.KeyFilter{Ended: q.param("ended") != ""})
	if err != nil {
		return err
	}
	grants, err := c.Files.Access.Grants(q.Context(), objects.GrantFilter{})
	if err != nil {
		return err
	}
	if err := sortKeys(all, cmp.Or(q.param("sort"), "-created")); err != nil {
		return err
	}
	p := accessKeysPage{Whole: q.who.May(readObjects), Write: q.who.May(writeObjects)}
	word := strings.ToLower(clean(q.param("q")))
	for _, k := range all {
		if strings.Contains(strings.ToLower(k.Name), word) || strings.Contains(strings.ToLower(k.AccessKeyID), word) {
			p.Keys = append(p.Keys, q.accessKeyRow(k, grants))
		}
	}
	return q.show("keys", p, "")
}

func (q *request) accessKeyRow(k objects.Key, grants []objects.Grant) accessKeyRow {
	own, write := k.User == q.who.Subject, q.who.May(writeObjects)
	r := accessKeyRow{Key: k, Live: k.Live(q.c.o.Now()), Path: "/console/keys/" + url.PathEscape(k.AccessKeyID)}
	r.Ends = r.Live && (own || write)
	r.Rotates = r.Live && (own || write && k.User == "")
	if k.User == "" {
		r.Whose = owner{Text: q.t("console.files.account")}
	} else {
		r.Whose = q.ownerOf("user:"+k.User, nil)
	}
	for _, g := range grants {
		if k.Limited && g.Subject == "key:"+k.Family {
			r.Grants = append(r.Grants, g.String())
		}
	}
	return r
}

// sortKeys orders keys by a column.
func sortKeys(all []objects.Key, by string) error {
	column, down := strings.CutPrefix(by, "-")
	var compare func(a, b objects.Key) int
	switch column {
	case "name":
		compare = func(a, b objects.Key) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) }
	case "created":
		compare = func(a, b objects.Key) int { return a.Created.Compare(b.Created) }
	case "used":
		compare = func(a, b objects.Key) int { return a.LastUsed.Compare(b.LastUsed) }
	default:
		return errSort
	}
	slices.SortStableFunc(all, func(a, b objects.Key) int {
		if down {
			a, b = b, a
		}
		return compare(a, b)
	})
	return nil
}

func (c *Console) accessKeyActions() map[string]action {
	return map[string]action{
		"/console/keys/new":          {name: "accessKeyNew", fresh: true, form: c.withFiles(c.askNewAccessKey), do: c.newAccessKey},
		"/console/keys/{key}/rotate": {name: "accessKeyRotate", fresh: true, form: c.withFiles(c.askRotateAccessKey), do: c.rotateAccessKey},
		"/console/keys/{key}/revoke": {name: "accessKeyRevoke", fresh: true, danger: true, form: c.withFiles(c.askRevokeAccessKey), do: c.revokeAccessKey},
	}
}

func (c *Console) askNewAccessKey(q *request) (form, error) {
	lives := make([]option, len(keyLives))
	for i, days := range keyLives {
		lives[i] = option{Value: strconv.Itoa(days), Text: q.texts.N("console.days", days), On: days == 90}
		if days == 0 {
			lives[i].Text = q.t("console.forever")
		}
	}
	fields := []input{
		{Name: "name", Label: q.t("console.field.name"), Hint: q.t("console.accessKeyNew.nameHint"), Kind: "text", Required: true},
		{Name: "days", Label: q.t("console.keyNew.life"), Kind: "select", Options: lives},
	}
	if q.who.May(writeObjects) {
		fields = append(fields, input{Name: "whose", Label: q.t("console.accessKeyNew.whose"), Hint: q.t("console.accessKeyNew.whoseHint"), Kind: "select", Options: []option{
			{Value: "me", Text: q.t("console.accessKeyNew.me")}, {Value: "account", Text: q.t("console.files.account")},
		}})
	}
	return form{
		Object: q.field("name"), Back: "/console/keys", API: "POST /api/v1/objects/keys",
		Command: q.inAccount(cli("admin create-key").flag("name", "backup").flag("user", q.who.Subject).flag("expires", "90d")),
		Fields: append(fields, input{
			Name: "grants", Label: q.t("console.accessKeyNew.grants"), Hint: q.t("console.accessKeyNew.grantsHint"), Kind: "lines",
		}),
	}, nil
}

func (c *Console) newAccessKey(q *request) (outcome, error) {
	days, err := strconv.Atoi(q.field("days"))
	if err != nil || !slices.Contains(keyLives, days) {
		return outcome{}, errNumber.At("days")
	}
	n := objects.NewKey{Name: q.field("name"), User: q.who.Subject}
	if q.field("whose") == "account" {
		n.User = ""
	}
	if days > 0 {
		n.Expires = c.o.Now().AddDate(0, 0, days)
	}
	for line := range strings.Lines(q.field("grants")) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		g, err := objects.ParseAllowance(line)
		if err != nil {
			return outcome{}, err
		}
		n.Grants = append(n.Grants, g)
	}
	k, secret, err := c.Files.Keys.Create(q.Context(), n)
	return outcome{to: "/console/keys", named: q.keyParts(k, secret)}, err
}

// keyParts are what is shown of a new key, once.
func (q *request) keyParts(k objects.Key, secret string) []fact {
	return []fact{{q.t("console.keys.id"), k.AccessKeyID}, {q.t("console.keys.secret"), secret}, {q.t("console.keys.endpoint"), q.c.Files.Browser.Origin()}}
}

// overlaps are how long a rotated key may live on; below 0 is as configured.
var overlaps = []time.Duration{-1, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 0}

func (q *request) overlapText(d time.Duration) string {
	switch {
	case d < 0:
		return q.t("console.accessKeyRotate.usual")
	case d == 0:
		return q.t("console.accessKeyRotate.atOnce")
	case d < 48*time.Hour:
		return q.texts.N("console.bypass.hours", int(d.Hours()))
	}
	return q.texts.N("console.days", int(d.Hours()/24))
}

func (c *Console) askRotateAccessKey(q *request) (form, error) {
	k, err := c.Files.Keys.Get(q.Context(), q.PathValue("key"))
	if err != nil {
		return form{}, err
	}
	var times []option
	for _, d := range overlaps {
		times = append(times, option{Value: d.String(), Text: q.overlapText(d)})
	}
	return form{
		Object: k.Name, Back: "/console/keys", API: "POST /api/v1/objects/keys/" + k.AccessKeyID + "/rotate",
		Command: cli("admin rotate-key").flag("access-key-id", k.AccessKeyID).flag("overlap", "24h"),
		Fields:  []input{{Name: "overlap", Label: q.t("console.accessKeyRotate.overlap"), Kind: "select", Options: times}},
		Facts:   q.keyFacts(k),
	}, nil
}

func (q *request) keyFacts(k objects.Key) []fact {
	used := q.texts.Ago(k.LastUsed, q.c.o.Now())
	return []fact{{q.t("console.keys.id"), k.AccessKeyID}, {q.t("console.user.used"), used}}
}

func (c *Console) rotateAccessKey(q *request) (outcome, error) {
	overlap, err := time.ParseDuration(q.field("overlap"))
	if err != nil || !slices.Contains(overlaps, overlap) {
		return outcome{}, errNumber.At("overlap")
	}
	k, secret, err := c.Files.Keys.Rotate(q.Context(), q.PathValue("key"), overlap)
	return outcome{to: "/console/keys", named: q.keyParts(k, secret)}, err
}

func (c *Console) askRevokeAccessKey(q *request) (form, error) {
	k, err := c.Files.Keys.Get(q.Context(), q.PathValue("key"))
	if err != nil {
		return form{}, err
	}
	return form{
		Object: k.Name, Back: "/console/keys", API: "DELETE /api/v1/objects/keys/" + k.AccessKeyID,
		Command: cli("admin revoke-key").flag("access-key-id", k.AccessKeyID), Facts: q.keyFacts(k),
	}, nil
}

func (c *Console) revokeAccessKey(q *request) (outcome, error) {
	return outcome{to: "/console/keys"}, c.Files.Keys.Revoke(q.Context(), q.PathValue("key"))
}
