package bucketpolicy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// condition is one condition key of one operator. It holds where any of its tests does
// or, of an operator that negates, where none does.
type condition struct {
	key      string // in lower case
	kind     kind
	negate   bool
	ifExists bool // it holds where the request has no such key
	absent   bool // of Null: the request must not have the key
	tests    []test
	patterns []string // of texts, as they were written
}

// test reports whether a value of the request is as the policy says.
type test func(value string, values map[string][]string) bool

// kind is what an operator compares.
type kind int

const (
	plainText kind = iota // as text
	numbers
	dates
	flags
	addresses
	presence
)

// operator makes tests of what a policy says.
type operator struct {
	kind   kind
	negate bool
	read   func(s scope, value string) (test, error)
}

// keys are the condition keys, and what their values are besides text.
var keys = map[string]kind{
	"aws:sourceip": addresses, "aws:securetransport": flags, "aws:useragent": plainText, "aws:referer": plainText,
	"aws:principalarn": plainText, "aws:username": plainText, "aws:userid": plainText, "aws:currenttime": dates,
	"s3:prefix": plainText, "s3:delimiter": plainText, "s3:max-keys": numbers, "s3:versionid": plainText,
}

// operators are the condition operators, without IfExists.
var operators = map[string]operator{
	"StringEquals":              {read: equal},
	"StringNotEquals":           {read: equal, negate: true},
	"StringEqualsIgnoreCase":    {read: equalFold},
	"StringNotEqualsIgnoreCase": {read: equalFold, negate: true},
	"StringLike":                {read: like},
	"StringNotLike":             {read: like, negate: true},
	"ArnEquals":                 {read: like},
	"ArnNotEquals":              {read: like, negate: true},
	"ArnLike":                   {read: like},
	"ArnNotLike":                {read: like, negate: true},

	"NumericEquals":            {kind: numbers, read: number(func(c int) bool { return c == 0 })},
	"NumericNotEquals":         {kind: numbers, read: number(func(c int) bool { return c == 0 }), negate: true},
	"NumericLessThan":          {kind: numbers, read: number(func(c int) bool { return c < 0 })},
	"NumericLessThanEquals":    {kind: numbers, read: number(func(c int) bool { return c <= 0 })},
	"NumericGreaterThan":       {kind: numbers, read: number(func(c int) bool { return c > 0 })},
	"NumericGreaterThanEquals": {kind: numbers, read: number(func(c int) bool { return c >= 0 })},

	"DateEquals":            {kind: dates, read: date(func(c int) bool { return c == 0 })},
	"DateNotEquals":         {kind: dates, read: date(func(c int) bool { return c == 0 }), negate: true},
	"DateLessThan":          {kind: dates, read: date(func(c int) bool { return c < 0 })},
	"DateLessThanEquals":    {kind: dates, read: date(func(c int) bool { return c <= 0 })},
	"DateGreaterThan":       {kind: dates, read: date(func(c int) bool { return c > 0 })},
	"DateGreaterThanEquals": {kind: dates, read: date(func(c int) bool { return c >= 0 })},

	"Bool":         {kind: flags, read: flag},
	"IpAddress":    {kind: addresses, read: within},
	"NotIpAddress": {kind: addresses, read: within, negate: true},
	"Null":         {kind: presence},
}

func (s scope) conditions(raw json.RawMessage) (all []condition, err error) {
	byOperator, err := members("Condition", raw)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(byOperator)) {
		byKey, err := members("the condition "+name, byOperator[name])
		if err != nil {
			return nil, err
		}
		if len(byKey) == 0 {
			return nil, fmt.Errorf("the condition %s is empty", name)
		}
		for _, key := range slices.Sorted(maps.Keys(byKey)) {
			c, err := s.condition(name, key, byKey[key])
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

func (s scope) condition(name, key string, raw json.RawMessage) (condition, error) {
	base, ifExists := strings.CutSuffix(name, "IfExists")
	op, known := operators[base]
	if !known || ifExists && op.kind == presence {
		return condition{}, fmt.Errorf("the condition operator %q is not supported", name)
	}
	c := condition{key: strings.ToLower(key), kind: op.kind, negate: op.negate, ifExists: ifExists}
	of, known := keys[c.key]
	if !known {
		return condition{}, fmt.Errorf("the condition key %q is not supported", key)
	}
	if op.kind != plainText && op.kind != presence && op.kind != of {
		return condition{}, fmt.Errorf("%s does not fit the condition key %q", name, key)
	}
	what := name + " of " + key
	words, err := values(what, raw)
	if err != nil {
		return condition{}, err
	}
	if op.kind == presence {
		return c.presence(what, words)
	}
	for _, word := range words {
		t, err := op.read(s, word)
		if err != nil {
			return condition{}, fmt.Errorf("%s: %q: %w", what, word, err)
		}
		c.tests = append(c.tests, t)
	}
	c.patterns = words
	return c, nil
}

func (c condition) presence(what string, words []string) (condition, error) {
	if len(words) != 1 || words[0] != "true" && words[0] != "false" {
		return c, fmt.Errorf("%s must be true or false", what)
	}
	c.absent = words[0] == "true"
	return c, nil
}

// holds reports whether the condition holds. A key that the request does not have equals
// nothing: so operators that negate hold.
func (c condition) holds(values map[string][]string) bool {
	given := values[c.key]
	if c.kind == presence {
		return (len(given) == 0) == c.absent
	}
	if len(given) == 0 {
		return c.negate || c.ifExists
	}
	found := slices.ContainsFunc(c.tests, func(t test) bool {
		return slices.ContainsFunc(given, func(v string) bool { return t(v, values) })
	})
	return found != c.negate
}

// narrows reports whether the condition keeps a statement to certain callers, or to
// addresses that are not most of a network.
func (c condition) narrows() bool {
	if c.negate || c.ifExists || c.kind == presence {
		return false
	}
	switch c.key {
	case "aws:principalarn", "aws:username", "aws:userid":
		return !slices.ContainsFunc(c.patterns, func(p string) bool { return strings.Trim(p, "*?") == "" })
	case "aws:sourceip":
		return c.kind == addresses && !slices.ContainsFunc(c.patterns, vast)
	}
	return false
}

// vast reports whether a network is wider than /8, or /32 of IPv6.
func vast(text string) bool {
	n, err := network(text)
	return err != nil || n.Addr().Is4() && n.Bits() < 8 || n.Addr().Is6() && n.Bits() < 32
}

func equal(s scope, value string) (test, error) {
	return same(s, value, func(a, b string) bool { return a == b })
}

func equalFold(s scope, value string) (test, error) { return same(s, value, strings.EqualFold) }

// same compares with text in which there may be variables, and no wildcards.
func same(s scope, value string, equal func(a, b string) bool) (test, error) {
	p, err := s.pattern(value)
	return func(v string, values map[string][]string) bool {
		want, ok := p.resolve(values)
		return ok && equal(v, want.text())
	}, err
}

func like(s scope, value string) (test, error) {
	p, err := s.pattern(value)
	return p.match, err
}

func number(holds func(compared int) bool) func(scope, string) (test, error) {
	return func(_ scope, value string) (test, error) {
		want, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("it is not a whole number")
		}
		return func(v string, _ map[string][]string) bool {
			got, err := strconv.ParseInt(v, 10, 64)
			return err == nil && holds(compare(got, want))
		}, nil
	}
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func date(holds func(compared int) bool) func(scope, string) (test, error) {
	return func(_ scope, value string) (test, error) {
		want, err := moment(value)
		if err != nil {
			return nil, err
		}
		return func(v string, _ map[string][]string) bool {
			got, err := moment(v)
			return err == nil && holds(got.Compare(want))
		}, nil
	}
}

// moment reads a date of ISO 8601 as W3C profiles it, or seconds since 1970.
func moment(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return time.Time{}, fmt.Errorf("it is not a date such as 2026-01-31T12:00:00Z")
	}
	return time.Unix(n, 0), nil
}

func flag(_ scope, value string) (test, error) {
	if v := strings.ToLower(value); v != "true" && v != "false" {
		return nil, fmt.Errorf("it is not true or false")
	}
	return func(v string, _ map[string][]string) bool { return strings.EqualFold(v, value) }, nil
}

func within(_ scope, value string) (test, error) {
	n, err := network(value)
	if err != nil {
		return nil, fmt.Errorf("it is not an address or a network such as 192.0.2.0/24")
	}
	return func(v string, _ map[string][]string) bool {
		a, err := netip.ParseAddr(v)
		return err == nil && n.Contains(a.Unmap().WithZone(""))
	}, nil
}

// network reads an address or a network.
func network(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("address %q is not one", text)
		}
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	n, err := netip.ParsePrefix(text)
	if err == nil && n.Addr().Is4In6() {
		return n, fmt.Errorf("network %q is one of IPv4: write it so", text)
	}
	return n, err
}
