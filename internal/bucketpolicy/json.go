package bucketpolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// members returns the members of an object. That none is named twice, Parse has seen.
func members(what string, raw json.RawMessage) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil || m == nil {
		return nil, fmt.Errorf("%s must be an object", what)
	}
	return m, nil
}

// only refuses members of other names.
func only(what string, m map[string]json.RawMessage, names ...string) error {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%s has the element %q, which is not supported", what, name)
		}
	}
	return nil
}

func optionalText(m map[string]json.RawMessage, name, missing string) (string, error) {
	raw, ok := m[name]
	if !ok {
		return missing, nil
	}
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil || text == nil {
		return "", fmt.Errorf("%s must be a string", name)
	}
	return *text, nil
}

// texts returns a string, or a list of them.
func texts(what string, raw json.RawMessage) ([]string, error) {
	list := []json.RawMessage{raw}
	if raw[0] == '[' {
		list = nil
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, err
		}
	}
	var all []string
	for _, one := range list {
		var text *string
		if err := json.Unmarshal(one, &text); err != nil || text == nil || *text == "" {
			return nil, fmt.Errorf("%s must be a string or a list of strings", what)
		}
		all = append(all, *text)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s is empty", what)
	}
	return all, nil
}

// values returns the values of a condition, in which true and 10 may stand for "true" and "10".
func values(what string, raw json.RawMessage) ([]string, error) {
	list := []json.RawMessage{raw}
	if raw[0] == '[' {
		list = nil
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, err
		}
	}
	var all []string
	for _, one := range list {
		text := string(one)
		switch {
		case one[0] == '"':
			if err := json.Unmarshal(one, &text); err != nil {
				return nil, err
			}
		case strings.ContainsRune("{[n", rune(one[0])): // an object, a list, null
			return nil, fmt.Errorf("%s must have strings as values", what)
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return nil, errors.New(what + " has no value")
	}
	return all, nil
}
