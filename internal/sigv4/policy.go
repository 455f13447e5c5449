package sigv4

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A policy says which form its signer allows.
type policy struct {
	expiration time.Time
	conditions []condition
	from       int64
	to         *int64 // nil for no limit
}

// A condition holds a field, in lower case, to a value.
type condition struct {
	prefix bool // starts-with; else eq
	field  string
	value  string
	text   string // as it stands in the policy
}

func badPolicy(why string) error {
	return refuse(http.StatusBadRequest, "InvalidPolicyDocument", "Invalid Policy: "+why)
}

func againstPolicy(why string) error {
	return denied("Invalid according to Policy: " + why)
}

// parsePolicy reads a policy in base64. What it does not understand is refused: a
// condition that was skipped would allow what its signer did not.
func parsePolicy(text string) (policy, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return policy{}, badPolicy("Invalid Base64.")
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(data, &doc); err != nil {
		return policy{}, badPolicy("Invalid JSON.")
	}
	var expiration string
	var conditions []json.RawMessage
	for name, value := range doc {
		switch name {
		case "expiration":
			err = json.Unmarshal(value, &expiration)
		case "conditions":
			err = json.Unmarshal(value, &conditions)
		default:
			return policy{}, badPolicy("Unexpected: '" + name + "'")
		}
		if err != nil {
			return policy{}, badPolicy("Invalid '" + name + "'.")
		}
	}
	p := policy{}
	if p.expiration, err = time.Parse(time.RFC3339, expiration); err != nil {
		return p, badPolicy("Invalid 'expiration' value: '" + expiration + "'")
	}
	if conditions == nil {
		return p, badPolicy("Policy missing conditions.")
	}
	for _, c := range conditions {
		if err := p.add(c); err != nil {
			return p, err
		}
	}
	return p, nil
}

// add takes a condition in: {"field": "value"} or [operator, "$field", "value"].
func (p *policy) add(text json.RawMessage) error {
	var object map[string]string
	if err := json.Unmarshal(text, &object); err == nil {
		if len(object) != 1 {
			return badPolicy("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
		}
		for field, value := range object {
			p.conditions = append(p.conditions, condition{field: strings.ToLower(field), value: value, text: string(text)})
		}
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil || len(list) != 3 {
		return badPolicy("Invalid Condition: it must be an object with one property or a list of three.")
	}
	var operator string
	if err := json.Unmarshal(list[0], &operator); err != nil {
		return badPolicy("Invalid Condition: its operator is not a string.")
	}
	switch operator = strings.ToLower(operator); operator {
	case "content-length-range":
		return p.addRange(list[1], list[2])
	case "eq", "starts-with":
		return p.addMatch(operator, list[1], list[2], string(text))
	}
	return badPolicy("Invalid Condition: unknown operation '" + operator + "'.")
}

func (p *policy) addMatch(operator string, name, value json.RawMessage, text string) error {
	c := condition{prefix: operator == "starts-with", text: text}
	var field string
	if json.Unmarshal(name, &field) != nil || json.Unmarshal(value, &c.value) != nil {
		return badPolicy("Invalid Condition: field and value must be strings.")
	}
	field, dollar := strings.CutPrefix(field, "$")
	if !dollar || field == "" {
		return badPolicy("Invalid Condition: the field must begin with $.")
	}
	c.field = strings.ToLower(field)
	p.conditions = append(p.conditions, c)
	return nil
}

// addRange takes a content-length-range in; of several, all hold.
func (p *policy) addRange(from, to json.RawMessage) error {
	least, ok1 := size(from)
	most, ok2 := size(to)
	if !ok1 || !ok2 {
		return badPolicy("Invalid content-length-range: it must have two numbers of bytes.")
	}
	p.from = max(p.from, least)
	if p.to == nil || most < *p.to {
		p.to = &most
	}
	return nil
}

// size reads a number, which some clients write as a string.
func size(text json.RawMessage) (int64, bool) {
	n, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64)
	return n, err == nil && n >= 0
}

// judge holds a form to the policy: each condition must hold, and each field must have
// one, so that nobody adds what the signer did not allow.
func (p policy) judge(fields map[string]string, rawKey, bucket string, now time.Time) error {
	if !now.Before(p.expiration) {
		return againstPolicy("Policy expired.")
	}
	covered := map[string]bool{}
	for _, c := range p.conditions {
		covered[c.field] = true
		got := fields[c.field]
		if c.field == "bucket" {
			got = bucket
		}
		if !c.holds(got) && (c.field != "key" || c.prefix || rawKey != c.value) {
			return againstPolicy("Policy Condition failed: " + c.text)
		}
	}
	if bucket != "" && !covered["bucket"] {
		return againstPolicy("Extra input fields: bucket")
	}
	for name := range fields {
		if !covered[name] && !exempt(name) {
			return againstPolicy("Extra input fields: " + name)
		}
	}
	return nil
}

// exempt says which fields need no condition.
func exempt(name string) bool {
	switch name {
	case "x-amz-signature", "file", "policy", "bucket":
		return true
	}
	return strings.HasPrefix(name, "x-ignore-")
}

// holds reports whether a field is as the condition wants it. Of a list of content types
// each must begin as the condition says.
func (c condition) holds(got string) bool {
	if !c.prefix {
		return got == c.value
	}
	if c.field != "content-type" {
		return strings.HasPrefix(got, c.value)
	}
	for part := range strings.SplitSeq(got, ",") {
		if !strings.HasPrefix(strings.TrimLeft(part, " "), c.value) {
			return false
		}
	}
	return true
}
