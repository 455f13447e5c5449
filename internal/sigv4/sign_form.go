package sigv4

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"time"
)

// FormPolicy is what a browser's form may upload.
type FormPolicy struct {
	Bucket   string
	Prefix   string // of the key, which goes on with the name of the file
	Redirect string // where the browser goes afterwards; empty: nowhere
	MaxBytes int64
	Expires  time.Duration
}

// FormField is a field of a form. The file comes after all of them, and is called file.
type FormField struct{ Name, Value string }

// SignForm returns the fields of a form that uploads what p allows ("POST policy"), in
// their order.
func SignForm(c *Credential, p FormPolicy, o Options) ([]FormField, error) {
	stamp, scope := o.Now.UTC().Format(longDate), o.scope()
	fields := []FormField{
		{"key", p.Prefix + "${filename}"},
		{"x-amz-algorithm", algorithm},
		{"x-amz-credential", c.accessKeyID + "/" + scope},
		{"x-amz-date", stamp},
	}
	if p.Redirect != "" {
		fields = append(fields, FormField{"success_action_redirect", p.Redirect})
	}
	if c.token != "" {
		fields = append(fields, FormField{"x-amz-security-token", c.token})
	}
	conditions := []any{
		map[string]string{"bucket": p.Bucket},
		[]any{"starts-with", "$key", p.Prefix},
		[]any{"content-length-range", 0, p.MaxBytes},
	}
	for _, f := range fields[1:] {
		conditions = append(conditions, map[string]string{f.Name: f.Value})
	}
	doc, err := json.Marshal(map[string]any{
		"expiration": o.Now.Add(p.Expires).UTC().Format("2006-01-02T15:04:05.000Z"), "conditions": conditions,
	})
	if err != nil {
		return nil, err
	}
	policy := base64.StdEncoding.EncodeToString(doc)
	sum := c.keyFor(scope).mac([]byte(policy))
	return append(fields, FormField{"policy", policy}, FormField{"x-amz-signature", hex.EncodeToString(sum[:])}), nil
}
