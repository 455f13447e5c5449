package bucketpolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// statement is one rule. What it does not match, it says nothing of.
type statement struct {
	effect     Verdict
	principals principals
	actions    []pattern
	except     bool // all actions but these (NotAction)
	resources  []pattern
	conditions []condition
}

func (s statement) matches(r Request) bool {
	return s.matchesPrincipal(r) && s.matchesAction(r.Action) && s.matchesResource(r) &&
		!slices.ContainsFunc(s.conditions, func(c condition) bool { return !c.holds(r.Values) })
}

func (s statement) matchesPrincipal(r Request) bool {
	if s.effect == Deny {
		return s.principals.match(r.Names)
	}
	return s.principals.match(r.Allowed)
}

func (s statement) matchesAction(action string) bool {
	action = strings.ToLower(action)
	named := slices.ContainsFunc(s.actions, func(p pattern) bool { return p.match(action, nil) })
	return named != s.except
}

func (s statement) matchesResource(r Request) bool {
	return slices.ContainsFunc(s.resources, func(p pattern) bool { return p.match(r.Resource, r.Values) })
}

// scope is what a policy is read for.
type scope struct {
	bucket    string
	actions   []string
	variables bool // the version of the policy has them
	spent     *int // see maxLoose
}

func (s scope) statement(raw json.RawMessage) (one statement, err error) {
	m, err := members("it", raw)
	if err != nil {
		return one, err
	}
	if err := only("it", m, "Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "Condition"); err != nil {
		return one, err
	}
	if _, err := optionalText(m, "Sid", ""); err != nil {
		return one, err
	}
	if one.effect, err = effect(m); err != nil {
		return one, err
	}
	if one.principals, err = readPrincipals(m["Principal"]); err != nil {
		return one, err
	}
	if err := s.readActions(&one, m); err != nil {
		return one, err
	}
	if one.resources, err = s.resources(m["Resource"]); err != nil {
		return one, err
	}
	if raw, ok := m["Condition"]; ok {
		one.conditions, err = s.conditions(raw)
	}
	return one, err
}

func effect(m map[string]json.RawMessage) (Verdict, error) {
	word, err := optionalText(m, "Effect", "")
	switch {
	case err != nil:
		return None, err
	case word == "Allow":
		return Allow, nil
	case word == "Deny":
		return Deny, nil
	}
	return None, errors.New("its Effect must be Allow or Deny")
}

func (s scope) readActions(one *statement, m map[string]json.RawMessage) error {
	name := "Action"
	if _, not := m["NotAction"]; not {
		name, one.except = "NotAction", true
	}
	raw, ok := m[name]
	if _, both := m["Action"]; !ok || both && one.except {
		return errors.New("it must have either Action or NotAction")
	}
	words, err := texts(name, raw)
	if err != nil {
		return err
	}
	for _, word := range words {
		p := literalPattern(strings.ToLower(word)) // IAM compares actions without regard to case
		if !slices.ContainsFunc(s.actions, func(a string) bool { return p.match(strings.ToLower(a), nil) }) {
			return fmt.Errorf("%s %q is none that is supported", name, word)
		}
		one.actions = append(one.actions, p)
	}
	return nil
}

// arnPrefix begins the ARN of a bucket or an object.
const arnPrefix = "arn:aws:s3:::"

func (s scope) resources(raw json.RawMessage) (all []pattern, err error) {
	if raw == nil {
		return nil, errors.New("it has no Resource")
	}
	words, err := texts("Resource", raw)
	if err != nil {
		return nil, err
	}
	for _, word := range words {
		rest, ok := strings.CutPrefix(word, arnPrefix)
		if name, _, _ := strings.Cut(rest, "/"); !ok || name != s.bucket {
			return nil, fmt.Errorf("its Resource %q is not of this bucket: want %s%s or %[2]s%[3]s/ and a pattern of keys", word, arnPrefix, s.bucket)
		}
		p, err := s.pattern(rest)
		if err != nil {
			return nil, fmt.Errorf("its Resource %q: %w", word, err)
		}
		all = append(all, p)
	}
	return all, nil
}
