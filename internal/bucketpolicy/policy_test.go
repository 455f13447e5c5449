package bucketpolicy_test

import (
	"strings"
	"testing"

	"signet/internal/bucketpolicy"
)

var actions = []string{
	"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:GetBucketPolicy", "s3:PutBucketPolicy",
}

// ann is a user of the account acme, by one of her keys; nobody is an anonymous caller.
var ann = []string{bucketpolicy.KeyARN("acme", "AKIAANN"), bucketpolicy.UserARN("acme", "usr_ann"), bucketpolicy.AccountARN("acme")}

func get(names ...string) bucketpolicy.Request {
	return bucketpolicy.Request{Action: "s3:GetObject", Resource: "files/home/usr_ann/a", Names: names, Allowed: names, Values: map[string][]string{
		"aws:sourceip": {"192.0.2.7"}, "aws:securetransport": {"true"}, "aws:useragent": {"Agent/1.0"},
		"aws:currenttime": {"2026-08-01T12:00:00Z"}, "aws:username": {"usr_ann"}, "s3:max-keys": {"50"}, "s3:prefix": {"home/usr_ann/"},
	}}
}

// policy is a policy of one statement: Allow to everybody on all keys, but for what is given.
func policy(members string) string {
	all := map[string]string{
		"Effect": `"Allow"`, "Principal": `"*"`, "Action": `"s3:GetObject"`, "Resource": `"arn:aws:s3:::files/*"`,
	}
	var text []string
	for _, name := range []string{"Effect", "Principal", "Action", "Resource"} {
		if !strings.Contains(members, `"`+name+`":`) && (name != "Action" || !strings.Contains(members, `"NotAction":`)) {
			text = append(text, `"`+name+`":`+all[name])
		}
	}
	if members != "" {
		text = append(text, members)
	}
	return `{"Version":"2012-10-17","Statement":[{` + strings.Join(text, ",") + `}]}`
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		what, policy string
		request      bucketpolicy.Request
		want         bucketpolicy.Verdict
	}{
		{"everybody", policy(``), get(), bucketpolicy.Allow},
		{"another action", policy(`"Action":"s3:PutObject"`), get(), bucketpolicy.None},
		{"action in other case", policy(`"Action":"S3:getobject"`), get(), bucketpolicy.Allow},
		{"actions with a star", policy(`"Action":["s3:Put*","s3:Get*"]`), get(), bucketpolicy.Allow},
		{"any action", policy(`"Action":"*"`), get(), bucketpolicy.Allow},
		{"any action but this", policy(`"NotAction":"s3:GetObject"`), get(), bucketpolicy.None},
		{"any action but another", policy(`"NotAction":"s3:PutObject"`), get(), bucketpolicy.Allow},
		{"the bucket alone", policy(`"Resource":"arn:aws:s3:::files"`), get(), bucketpolicy.None},
		{"keys that begin so", policy(`"Resource":"arn:aws:s3:::files/home/*"`), get(), bucketpolicy.Allow},
		{"keys that begin otherwise", policy(`"Resource":["arn:aws:s3:::files/x","arn:aws:s3:::files/homes/*"]`), get(), bucketpolicy.None},
		{"one character", policy(`"Resource":"arn:aws:s3:::files/home/usr_ann/?"`), get(), bucketpolicy.Allow},
		{"one character too many", policy(`"Resource":"arn:aws:s3:::files/home/usr_ann/??"`), get(), bucketpolicy.None},
		{"stars within", policy(`"Resource":"arn:aws:s3:::files/*/usr*/a"`), get(), bucketpolicy.Allow},
		{"a variable", policy(`"Resource":"arn:aws:s3:::files/home/${aws:username}/*"`), get(), bucketpolicy.Allow},
		{"a variable with a star for a value", policy(`"Resource":"arn:aws:s3:::files/home/${aws:username}/*"`), with(get(), "aws:username", "*"), bucketpolicy.None},
		{"a variable without value", policy(`"Resource":"arn:aws:s3:::files/*${aws:userid}"`), get(), bucketpolicy.None},
		{"a star as a character", policy(`"Resource":"arn:aws:s3:::files/${*}"`), get(), bucketpolicy.None},

		{"a user", policy(`"Principal":{"AWS":"arn:aws:iam::acme:user/usr_ann"}`), get(ann...), bucketpolicy.Allow},
		{"another user", policy(`"Principal":{"AWS":["arn:aws:iam::acme:user/usr_bob"]}`), get(ann...), bucketpolicy.None},
		{"nobody where a user is named", policy(`"Principal":{"AWS":"arn:aws:iam::acme:user/usr_ann"}`), get(), bucketpolicy.None},
		{"an account", policy(`"Principal":{"AWS":"acme"}`), get(ann...), bucketpolicy.Allow},
		{"an account by ARN", policy(`"Principal":{"AWS":"arn:aws:iam::acme:root"}`), get(ann...), bucketpolicy.Allow},
		{"a key", policy(`"Principal":{"AWS":"arn:aws:iam::acme:key/AKIAANN"}`), get(ann...), bucketpolicy.Allow},
		{"a key that may only as itself", policy(`"Principal":{"AWS":"acme"}`), narrowed(get(ann...), 1), bucketpolicy.None},
		{"a Deny of what a key is besides itself", policy(`"Effect":"Deny","Principal":{"AWS":"acme"}`), narrowed(get(ann...), 1), bucketpolicy.Deny},
		{"everybody, as a list", policy(`"Principal":{"AWS":["*"]}`), get(), bucketpolicy.Allow},

		{"an address", policy(cond("IpAddress", "aws:SourceIp", `"192.0.2.7"`)), get(), bucketpolicy.Allow},
		{"a network", policy(cond("IpAddress", "aws:SourceIp", `["198.51.100.0/24","192.0.2.0/24"]`)), get(), bucketpolicy.Allow},
		{"another network", policy(cond("IpAddress", "aws:SourceIp", `"198.51.100.0/24"`)), get(), bucketpolicy.None},
		{"an address of IPv4 in IPv6", policy(cond("IpAddress", "aws:SourceIp", `"192.0.2.0/24"`)), with(get(), "aws:sourceip", "::ffff:192.0.2.7"), bucketpolicy.Allow},
		{"not in a network", policy(`"Effect":"Deny",` + cond("NotIpAddress", "aws:SourceIp", `["198.51.100.0/24","192.0.2.0/24"]`)), get(), bucketpolicy.None},
		{"not in these networks", policy(`"Effect":"Deny",` + cond("NotIpAddress", "aws:SourceIp", `["198.51.100.0/24"]`)), get(), bucketpolicy.Deny},
		{"an address that is none", policy(`"Effect":"Deny",` + cond("NotIpAddress", "aws:SourceIp", `"192.0.2.0/24"`)), with(get(), "aws:sourceip", "?"), bucketpolicy.Deny},
		{"TLS", policy(`"Effect":"Deny",` + cond("Bool", "aws:SecureTransport", `"false"`)), get(), bucketpolicy.None},
		{"no TLS", policy(`"Effect":"Deny",` + cond("Bool", "aws:SecureTransport", `false`)), with(get(), "aws:securetransport", "false"), bucketpolicy.Deny},
		{"text", policy(cond("StringEquals", "s3:prefix", `["x","home/usr_ann/"]`)), get(), bucketpolicy.Allow},
		{"text in other case", policy(cond("StringEquals", "s3:prefix", `"HOME/usr_ann/"`)), get(), bucketpolicy.None},
		{"text in any case", policy(cond("StringEqualsIgnoreCase", "s3:prefix", `"HOME/${aws:UserName}/"`)), get(), bucketpolicy.Allow},
		{"text with a star that is one", policy(cond("StringEquals", "s3:prefix", `"home/*"`)), get(), bucketpolicy.None},
		{"text like", policy(cond("StringLike", "s3:prefix", `"home/${aws:username}/*"`)), get(), bucketpolicy.Allow},
		{"text not like", policy(cond("StringNotLike", "s3:prefix", `"home/*"`)), get(), bucketpolicy.None},
		{"another text", policy(cond("StringNotEquals", "s3:prefix", `["home/usr_bob/","x"]`)), get(), bucketpolicy.Allow},
		{"none of these texts", policy(cond("StringNotEquals", "s3:prefix", `["home/usr_ann/","x"]`)), get(), bucketpolicy.None},
		{"a number", policy(cond("NumericLessThanEquals", "s3:max-keys", `50`)), get(), bucketpolicy.Allow},
		{"a number too great", policy(cond("NumericLessThan", "s3:max-keys", `"50"`)), get(), bucketpolicy.None},
		{"no number", policy(cond("NumericLessThan", "s3:max-keys", `"50"`)), with(get(), "s3:max-keys", "x"), bucketpolicy.None},
		{"before", policy(cond("DateLessThan", "aws:CurrentTime", `"2026-08-01T12:00:01Z"`)), get(), bucketpolicy.Allow},
		{"no longer before", policy(cond("DateLessThan", "aws:CurrentTime", `"2026-08-01T12:00:00Z"`)), get(), bucketpolicy.None},
		{"after", policy(cond("DateGreaterThan", "aws:CurrentTime", `"2026-07-31"`)), get(), bucketpolicy.Allow},
		{"after seconds since 1970", policy(cond("DateGreaterThan", "aws:CurrentTime", `1785585600`)), get(), bucketpolicy.None},

		{"missing key of a positive operator", policy(cond("StringEquals", "aws:Referer", `"x"`)), get(), bucketpolicy.None},
		{"missing key of a negative operator", policy(cond("StringNotEquals", "aws:Referer", `"x"`)), get(), bucketpolicy.Allow},
		{"missing key, if it exists", policy(cond("StringEqualsIfExists", "aws:Referer", `"x"`)), get(), bucketpolicy.Allow},
		{"key that exists, if it does", policy(cond("StringEqualsIfExists", "s3:prefix", `"x"`)), get(), bucketpolicy.None},
		{"key that must be missing", policy(cond("Null", "aws:Referer", `"true"`)), get(), bucketpolicy.Allow},
		{"key that must be there", policy(cond("Null", "aws:Referer", `false`)), get(), bucketpolicy.None},
		{"two keys that must both hold", policy(`"Condition":{"StringLike":{"s3:prefix":"home/*","aws:UserAgent":"Other/*"}}`), get(), bucketpolicy.None},
		{"two operators that must both hold", policy(`"Condition":{"StringLike":{"s3:prefix":"home/*"},"Bool":{"aws:SecureTransport":"true"}}`), get(), bucketpolicy.Allow},

		{"a Deny after an Allow", `{"Statement":[` + statementOf("Allow") + `,` + statementOf("Deny") + `]}`, get(), bucketpolicy.Deny},
		{"a Deny before an Allow", `{"Statement":[` + statementOf("Deny") + `,` + statementOf("Allow") + `]}`, get(), bucketpolicy.Deny},
		{"one statement without a list", `{"Version":"2008-10-17","Id":"x","Statement":` + statementOf("Allow") + `}`, get(), bucketpolicy.Allow},
	} {
		p, err := bucketpolicy.Parse([]byte(c.policy), "files", actions)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if got := p.Judge(c.request); got != c.want {
			t.Errorf("%s: got %d, want %d", c.what, got, c.want)
		}
	}
}

func with(r bucketpolicy.Request, key, value string) bucketpolicy.Request {
	r.Values[key] = []string{value}
	return r
}

func narrowed(r bucketpolicy.Request, n int) bucketpolicy.Request {
	r.Allowed = r.Allowed[:n]
	return r
}

func cond(operator, key, values string) string {
	return `"Condition":{"` + operator + `":{"` + key + `":` + values + `}}`
}

func statementOf(effect string) string {
	return `{"Sid":"one","Effect":"` + effect + `","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::files/*"}`
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	for _, c := range []struct{ what, policy, names string }{
		{"no JSON", `{`, "JSON"},
		{"member named twice", `{"Statement":[` + strings.Replace(statementOf("Allow"), `"Sid":"one"`, `"Effect":"Deny"`, 1) + `]}`, "named once"},
		{"list", `[]`, "JSON object"},
		{"too long", `{"Id":"` + strings.Repeat("x", bucketpolicy.MaxSize) + `"}`, "20480"},
		{"no statement", `{"Version":"2012-10-17"}`, "Statement"},
		{"no statements", `{"Statement":[]}`, "Statement"},
		{"statement that is none", `{"Statement":["x"]}`, "statement 1"},
		{"version", `{"Version":"2026-01-01","Statement":[` + statementOf("Allow") + `]}`, "2012-10-17"},
		{"element of the policy", `{"Statements":[],"Statement":[` + statementOf("Allow") + `]}`, "Statements"},
		{"element of a statement", policy(`"Efect":"Deny"`), "Efect"},
		{"NotPrincipal", policy(`"NotPrincipal":{"AWS":"acme"}`), "NotPrincipal"},
		{"NotResource", policy(`"NotResource":"arn:aws:s3:::files/x"`), "NotResource"},
		{"effect", policy(`"Effect":"deny"`), "Effect"},
		{"action", policy(`"Action":["s3:GetObject","s3:GetObjct"]`), "s3:GetObjct"},
		{"action that a star finds none of", policy(`"Action":"s3:Frob*"`), "s3:Frob*"},
		{"action of another service", policy(`"Action":"sqs:*"`), "sqs:*"},
		{"both action and not", policy(`"Action":"s3:GetObject","NotAction":"s3:PutObject"`), "NotAction"},
		{"action that is no text", policy(`"Action":7`), "Action"},
		{"no actions", policy(`"Action":[]`), "Action"},
		{"resource of another bucket", policy(`"Resource":"arn:aws:s3:::filesystem/*"`), "filesystem"},
		{"resource of any bucket", policy(`"Resource":"*"`), "Resource"},
		{"resource of buckets that begin so", policy(`"Resource":"arn:aws:s3:::files*"`), "files*"},
		{"variable", policy(`"Resource":"arn:aws:s3:::files/${aws:FederatedProvider}"`), "aws:FederatedProvider"},
		{"variable without end", policy(`"Resource":"arn:aws:s3:::files/${aws:username"`), "end"},
		{"variable of the old version", `{"Statement":[` + strings.Replace(statementOf("Allow"), "files/*", "files/${aws:username}", 1) + `]}`, "2012-10-17"},
		{"no principal", `{"Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::files/*"}]}`, "Principal"},
		{"principal that is text", policy(`"Principal":"acme"`), "Principal"},
		{"principal of another kind", policy(`"Principal":{"Service":"x"}`), "Service"},
		{"principal with a star within", policy(`"Principal":{"AWS":"arn:aws:iam::acme:user/*"}`), "user/*"},
		{"empty principal", policy(`"Principal":{}`), "Principal"},
		{"operator", policy(cond("StringEqual", "s3:prefix", `"x"`)), "StringEqual"},
		{"operator of sets", policy(cond("ForAnyValue:StringEquals", "s3:prefix", `"x"`)), "ForAnyValue"},
		{"condition key", policy(`"Effect":"Deny",` + cond("StringEquals", "aws:SourceVpce", `"x"`)), "aws:SourceVpce"},
		{"operator that does not fit its key", policy(cond("NumericEquals", "s3:prefix", `"1"`)), "s3:prefix"},
		{"network", policy(cond("IpAddress", "aws:SourceIp", `"192.0.2.0/33"`)), "192.0.2.0/33"},
		{"network of IPv4 in IPv6", policy(cond("IpAddress", "aws:SourceIp", `"::ffff:192.0.2.0/120"`)), "::ffff"},
		{"flag", policy(cond("Bool", "aws:SecureTransport", `"yes"`)), "yes"},
		{"number", policy(cond("NumericEquals", "s3:max-keys", `"many"`)), "many"},
		{"date", policy(cond("DateEquals", "aws:CurrentTime", `"tomorrow"`)), "tomorrow"},
		{"no values", policy(cond("StringEquals", "s3:prefix", `[]`)), "no value"},
		{"value that is an object", policy(cond("StringEquals", "s3:prefix", `{}`)), "strings"},
		{"null", policy(cond("StringEquals", "s3:prefix", `null`)), "strings"},
		{"no keys", policy(`"Condition":{"StringEquals":{}}`), "empty"},
		{"presence that is none", policy(cond("Null", "s3:prefix", `"x"`)), "true or false"},
		{"presence if it exists", policy(cond("NullIfExists", "s3:prefix", `"true"`)), "NullIfExists"},
	} {
		_, err := bucketpolicy.Parse([]byte(c.policy), "files", actions)
		if err == nil || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%s: got %v, want it to name %s", c.what, err, c.names)
		}
	}
}

func TestPublicIsWhatEverybodyMay(t *testing.T) {
	for policyText, want := range map[string]bool{
		policy(``):                                                                true,
		policy(`"Effect":"Deny"`):                                                 false,
		policy(`"Principal":{"AWS":"acme"}`):                                      false,
		policy(`"Principal":{"AWS":["acme","*"]}`):                                true,
		policy(cond("Bool", "aws:SecureTransport", `"true"`)):                     true,
		policy(cond("IpAddress", "aws:SourceIp", `"192.0.2.0/24"`)):               false,
		policy(cond("IpAddressIfExists", "aws:SourceIp", `"192.0.2.0/24"`)):       true,
		policy(cond("IpAddress", "aws:SourceIp", `["192.0.2.0/24","0.0.0.0/0"]`)): true,
		policy(cond("IpAddress", "aws:SourceIp", `"::/0"`)):                       true,
		policy(cond("NotIpAddress", "aws:SourceIp", `"192.0.2.0/24"`)):            true,
		policy(cond("StringLike", "aws:PrincipalArn", `"arn:aws:iam::acme:*"`)):   false,
		policy(cond("StringLike", "aws:PrincipalArn", `"*"`)):                     true,
		policy(cond("StringNotEquals", "aws:username", `"usr_bob"`)):              true,
		policy(cond("Null", "aws:username", `"true"`)):                            true,
	} {
		p, err := bucketpolicy.Parse([]byte(policyText), "files", actions)
		if err != nil {
			t.Fatal(err)
		}
		if p.Public() != want {
			t.Errorf("%s: got %t", policyText, !want)
		}
	}
}

// FuzzParse holds that no document ends the process, and that what is denied to all is
// never allowed to somebody.
func FuzzParse(f *testing.F) {
	f.Add(policy(``))
	f.Add(policy(`"Effect":"Deny",` + cond("NotIpAddress", "aws:SourceIp", `["192.0.2.0/24"]`)))
	f.Add(policy(`"Resource":"arn:aws:s3:::files/home/${aws:username}/*?*",` + cond("StringLikeIfExists", "s3:prefix", `["a*","${*}"]`)))
	f.Add(`{"Statement":[` + statementOf("Deny") + `,` + statementOf("Allow") + `]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		p, err := bucketpolicy.Parse([]byte(doc), "files", actions)
		if err != nil {
			return
		}
		for _, names := range [][]string{nil, ann} {
			r := get(names...)
			all := p.Judge(r)
			r.Allowed = nil
			fewer := p.Judge(r)
			if (all == bucketpolicy.Deny) != (fewer == bucketpolicy.Deny) {
				t.Errorf("who may be allowed changes who is denied: %d and %d", all, fewer)
			}
		}
	})
}
