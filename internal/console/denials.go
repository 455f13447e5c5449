package console

import (
	"net/url"
	"slices"

	"signet/internal/fault"
	"signet/internal/objects"
)

// denialsPage lists what the S3 API refused.
type denialsPage struct{ Rows []denialRow }

type denialRow struct {
	objects.Denial
	Path string
	Text string // why, in words, and what to do
}

func (c *Console) denials(q *request) error {
	found, err := c.Files.Denials.List(q.Context(), objects.DenialFilter{
		AccessKeyID: clean(q.param("key")), Bucket: clean(q.param("bucket")), RequestID: clean(q.param("request")), Cursor: q.param("cursor"), Limit: perPage,
	})
	if err != nil {
		return err
	}
	return q.show("denials", denialsPage{q.denialRows(found.Denials)}, found.Next)
}

func (q *request) denialRows(all []objects.Denial) (rows []denialRow) {
	for _, d := range all {
		d.Canonical = plainLines(d.Canonical)
		rows = append(rows, denialRow{d, "/console/denials/" + url.PathEscape(d.RequestID), q.t("console.denial." + denialWord(d.Code))})
	}
	return rows
}

// denialPage is why one request was refused: several objects of one may be.
type denialPage struct {
	Rows    []denialRow
	Command string
}

var errNoDenial = fault.New(fault.NotFound, "no such refused request is kept")

func (c *Console) denial(q *request) error {
	id := q.PathValue("request")
	found, err := c.Files.Denials.List(q.Context(), objects.DenialFilter{RequestID: id})
	if err != nil {
		return err
	}
	if len(found.Denials) == 0 {
		return errNoDenial
	}
	return q.show("denial", denialPage{q.denialRows(found.Denials), cli("admin denials").flag("request-id", id).String()}, "")
}

// denialWords are the codes of S3 that have words of their own, and other for the rest.
var denialWords = []string{
	"AccessDenied", "AccessForbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "InvalidToken", "ExpiredToken",
	"AuthorizationHeaderMalformed", "AuthorizationQueryParametersError", "XAmzContentSHA256Mismatch", "BadDigest", "IncompleteBody",
	"InvalidRequest", "InvalidPolicyDocument", "other",
}

func denialWord(code string) string {
	if slices.Contains(denialWords, code) {
		return code
	}
	return "other"
}
