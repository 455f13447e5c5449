package app

import (
	"fmt"
	"slices"
	"strings"
)

// Role is a part of the product that an instance can run by itself.
type Role string

// The roles. What every instance does beside them: audit, health and metrics.
const (
	AccountRole Role = "account" // users and mail keys: /api/v1, and /auth/* of the internal listener
	LoginRole   Role = "login"   // pages: sign-in and account home
	TokenRole   Role = "token"   // relying apps: /jwks, /handoff/redeem
	PolicyRole  Role = "policy"  // Postfix
	ObjectsRole Role = "objects" // the S3 API
	ConsoleRole Role = "console" // pages: administration; they need the role login beside them
)

var allRoles = []Role{AccountRole, LoginRole, TokenRole, PolicyRole, ObjectsRole, ConsoleRole}

// Roles are what one instance runs.
type Roles []Role

// AllRoles is the whole product.
func AllRoles() Roles { return slices.Clone(allRoles) }

// ParseRoles reads "all", or roles with commas between them.
func ParseRoles(text string) (Roles, error) {
	if text == "all" {
		return AllRoles(), nil
	}
	var roles Roles
	for name := range strings.SplitSeq(text, ",") {
		r := Role(strings.TrimSpace(name))
		if !slices.Contains(allRoles, r) {
			return nil, fmt.Errorf("--roles: %q is no role: want all, or some of %s", r, allRoles)
		}
		roles = append(roles, r)
	}
	if roles.has(ConsoleRole) && !roles.has(LoginRole) {
		return nil, fmt.Errorf("--roles: %s needs %s beside it: people sign in there", ConsoleRole, LoginRole)
	}
	return roles, nil
}

func (r Roles) has(any ...Role) bool {
	return slices.ContainsFunc(any, func(one Role) bool { return slices.Contains(r, one) })
}
