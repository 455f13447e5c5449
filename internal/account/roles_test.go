package account_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"signet/internal/account"
	"signet/internal/db"
	"signet/internal/ticket"
)

// refused is what somebody tried, and what they were to get.
type refused struct {
	err, want error
}

func checkRefusals(t *testing.T, all map[string]refused) {
	t.Helper()
	for name, c := range all {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: got %v, want %v", name, c.err, c.want)
		}
	}
}

func TestRolesOfAnAccountAreListedWithWhatTheyGive(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		op := f.operator(t.Context())
		f.tenants(t)
		f.person(t, "boss@acme.example", "acme", account.Administrator)
		boss := f.as(t, "boss@acme.example")
		if err := f.CreateRole(boss, "", "helpdesk", []string{"users:write", "users:read"}); err != nil {
			t.Fatal(err)
		}
		if err := f.UpdateRole(boss, "", "helpdesk", nil, new(true)); err != nil {
			t.Fatal(err)
		}
		roles, err := f.ListRoles(boss, "")
		if err != nil {
			t.Fatal(err)
		}
		if len(roles) != 2 || roles[0].Name != account.Administrator || roles[0].Members != 1 || slices.Contains(roles[0].Permissions, "audit:read") {
			t.Errorf("administrator: got %+v", roles)
		}
		if h := roles[1]; h.Name != "helpdesk" || !h.MFA || h.Members != 0 || !slices.Equal(h.Permissions, []string{"users:read", "users:write"}) {
			t.Errorf("helpdesk: got %+v", h)
		}
		if _, err := f.ListRoles(boss, "other"); !errors.Is(err, account.ErrNoAccount) {
			t.Errorf("roles of another account: got %v, want ErrNoAccount", err)
		}
		if all, err := f.ListRoles(op, "acme"); err != nil || len(all) != 2 {
			t.Errorf("the operator: got %v, %v", all, err)
		}
	})
}

func TestNobodyChangesARoleOrAUserStrongerThanThemselves(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		op := f.operator(t.Context())
		f.tenants(t)
		for name, permissions := range map[string][]string{"helpdesk": {"users:read", "users:write"}, "sender": {"mail:send"}, "reader": {"users:read"}} {
			if err := f.CreateRole(op, "acme", name, permissions); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.CreateRole(op, "other", "reader", []string{"users:read"}); err != nil {
			t.Fatal(err)
		}
		boss := f.person(t, "boss@acme.example", "acme", account.Administrator)
		bob := f.person(t, "bob@acme.example", "acme")
		eve := f.person(t, "eve@other.example", "other", "reader")
		f.person(t, "help@acme.example", "acme", "helpdesk")
		help := f.as(t, "help@acme.example")
		asBob := f.as(t, bob.ID)
		asBoss := f.as(t, boss.ID)
		late := *ticket.From(asBoss)
		late.Session = "ses_late"
		bossToken, eveToken := f.firstToken(t, boss.ID), f.newToken(t, eve.ID)
		strong, _, err := f.CreateKey(op, account.NewKey{Name: "k", Account: "acme", Permissions: []string{"mail:send"}})
		if err != nil {
			t.Fatal(err)
		}
		foreign, _, err := f.CreateKey(op, account.NewKey{Name: "k", Account: "other"})
		if err != nil {
			t.Fatal(err)
		}
		checkRefusals(t, map[string]refused{
			"gives what they lack":               {f.GiveRole(help, bob.ID, "", "sender"), ticket.ErrForbidden},
			"gives administrator":                {f.GiveRole(help, bob.ID, "", account.Administrator), ticket.ErrForbidden},
			"gives themselves more":              {f.GiveRole(help, "help@acme.example", "", "sender"), ticket.ErrForbidden},
			"gives a role elsewhere":             {f.GiveRole(help, bob.ID, "other", "reader"), account.ErrNoAccount},
			"gives to a user elsewhere":          {f.GiveRole(help, eve.ID, "", "reader"), account.ErrNoUser},
			"gives long after they signed in":    {f.GiveRole(ticket.With(t.Context(), &late), bob.ID, "", "sender"), account.ErrStepUp},
			"gives no role":                      {f.GiveRole(help, bob.ID, "", "nope"), account.ErrNoRole},
			"takes from who is stronger":         {f.TakeRole(help, boss.ID, "", account.Administrator), ticket.ErrForbidden},
			"takes what is not there":            {f.TakeRole(help, bob.ID, "", "reader"), account.ErrNoRole},
			"renames who is stronger":            {f.UpdateUser(help, boss.ID, "x"), ticket.ErrForbidden},
			"renames a user elsewhere":           {f.UpdateUser(help, eve.ID, "x"), account.ErrNoUser},
			"renames to nothing":                 {f.UpdateUser(help, bob.ID, ""), account.ErrName},
			"adds to a role":                     {f.UpdateRole(help, "", "reader", []string{"mail:send"}, new(false)), ticket.ErrForbidden},
			"weakens a stronger role":            {f.UpdateRole(help, "", "sender", []string{}, new(false)), ticket.ErrForbidden},
			"switches off a stronger role's MFA": {f.UpdateRole(help, "", account.Administrator, nil, new(false)), ticket.ErrForbidden},
			"deletes a stronger role":            {f.DeleteRole(help, "", "sender"), ticket.ErrForbidden},
			"edits a role elsewhere":             {f.UpdateRole(help, "other", "reader", []string{}, new(false)), account.ErrNoAccount},
			"edits without permission":           {f.UpdateRole(asBob, "", "reader", []string{}, new(false)), ticket.ErrForbidden},
			"gives without permission":           {f.GiveRole(asBob, bob.ID, "", "reader"), ticket.ErrForbidden},
			"lists without permission":           {second(f.ListUsers(asBob, account.ListUsers{})), ticket.ErrForbidden},
			"lists roles without permission":     {second(f.ListRoles(asBob, "")), ticket.ErrForbidden},
			"lists keys without permission":      {second(f.ListKeys(asBob, "")), ticket.ErrForbidden},
			"ends the token of who is stronger":  {f.RevokeToken(help, bossToken), ticket.ErrForbidden},
			"ends a token elsewhere":             {f.RevokeToken(help, eveToken), account.ErrNoToken},
			"ends another's token unpermitted":   {f.RevokeToken(asBob, bossToken), account.ErrNoToken},
			"ends a stronger key":                {f.RevokeKey(help, strong), ticket.ErrForbidden},
			"ends a key elsewhere":               {f.RevokeKey(help, foreign), account.ErrNoKey},
			"ends a key without permission":      {f.RevokeKey(asBob, strong), ticket.ErrForbidden},
			"lists accounts":                     {second(f.ListAccounts(help)), ticket.ErrForbidden},
			"disables an account":                {f.DisableAccount(help, "other"), ticket.ErrForbidden},
			"sets the tenant's MFA":              {f.SetAccountMFA(help, "", true), ticket.ErrForbidden},
			"sets another tenant's MFA":          {f.SetAccountMFA(asBoss, "other", true), account.ErrNoAccount},
			"adds node permissions":              {f.UpdateRole(asBoss, "", "reader", []string{"audit:read"}, new(false)), account.ErrNodeOnly},
			"changes the administrator":          {f.UpdateRole(op, "acme", account.Administrator, []string{}, new(false)), account.ErrRoleFixed},
			"deletes the administrator":          {f.DeleteRole(op, "acme", account.Administrator), account.ErrRoleFixed},
			"nobody":                             {f.SetAccountMFA(t.Context(), "acme", true), ticket.ErrNone},
		})

		for name, err := range map[string]error{
			"gives what they have":         f.GiveRole(help, bob.ID, "", "reader"),
			"ends a token":                 f.RevokeToken(help, f.firstToken(t, bob.ID)),
			"renames a member":             f.UpdateUser(help, bob.ID, "Robert"),
			"the boss sets MFA":            f.SetAccountMFA(asBoss, "", true),
			"the operator gives elsewhere": f.GiveRole(op, eve.ID, "", "reader"),
		} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := f.DeleteRole(help, "", "reader"); !errors.Is(err, account.ErrRoleInUse) {
			t.Errorf("a role that somebody has: got %v, want ErrRoleInUse", err)
		}
		if err := f.TakeRole(help, bob.ID, "acme", "reader"); err != nil {
			t.Error(err)
		}
		if err := f.DeleteRole(help, "", "reader"); err != nil {
			t.Error(err)
		}
	})
}

func (f *fixture) newToken(t *testing.T, user string) string {
	t.Helper()
	k, _, err := f.CreateToken(f.operator(t.Context()), account.NewToken{User: user, Name: "new"})
	if err != nil {
		t.Fatal(err)
	}
	return k.ID
}

func (f *fixture) firstToken(t *testing.T, user string) string {
	t.Helper()
	tokens, err := f.ListTokens(f.operator(t.Context()), user)
	if err != nil || len(tokens) == 0 {
		t.Fatalf("tokens of %s: %v, %v", user, tokens, err)
	}
	return tokens[0].ID
}

// Whoever belongs to two accounts is what they are in both.
func TestRoleInAnotherAccountMakesStronger(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fixture, d *db.DB) {
		op := f.operator(t.Context())
		f.tenants(t)
		f.person(t, "boss@acme.example", "acme", account.Administrator)
		eve := f.person(t, "eve@other.example", "other", account.Administrator)
		accounts, err := f.ListAccounts(op)
		if err != nil {
			t.Fatal(err)
		}
		acme := accounts[slices.IndexFunc(accounts, func(a account.TenantInfo) bool { return a.Name == "acme" })]
		err = d.Update(t.Context(), func(tx *db.Tx) error {
			_, err := tx.ExecContext(t.Context(), `INSERT INTO memberships (account_id, user_id, created_at) VALUES ($1, $2, $3)`, acme.ID, eve.ID, f.clock)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		boss := f.as(t, "boss@acme.example")
		if err := f.AddAddress(boss, eve.ID, "mine@acme.example"); !errors.Is(err, ticket.ErrForbidden) {
			t.Errorf("got %v, want ErrForbidden", err)
		}
		info, err := f.GetUser(boss, eve.ID)
		if err != nil || len(info.Memberships) != 1 || info.Memberships[0].Name != "acme" {
			t.Errorf("memberships that the boss sees: got %+v, %v", info.Memberships, err)
		}
		if info, err := f.GetUser(op, eve.ID); err != nil || len(info.Memberships) != 2 {
			t.Errorf("memberships that the operator sees: got %+v, %v", info.Memberships, err)
		}
	})
}

func TestSystemAccountKeepsAnAdministrator(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		op := f.operator(t.Context())
		root, err := f.BootstrapAdmin(op, "root@example.org")
		if err != nil {
			t.Fatal(err)
		}
		asRoot := f.as(t, root.ID)
		checkRefusals(t, map[string]refused{
			"the operator takes the role":    {f.TakeRole(op, root.ID, "", account.Administrator), account.ErrLastAdministrator},
			"they give it up":                {f.TakeRole(asRoot, root.ID, "", account.Administrator), account.ErrLastAdministrator},
			"they disable themselves":        {f.Disable(asRoot, root.ID), account.ErrLastAdministrator},
			"the system account is disabled": {f.DisableAccount(op, "system"), account.ErrSystemAccount},
		})
		if _, err := f.FindUser(asRoot, root.ID); err != nil {
			t.Errorf("something was half-written: %v", err)
		}
		f.person(t, "second@example.org", "", account.Administrator)
		var taken, kept atomic.Int32
		var wg sync.WaitGroup
		for _, user := range []string{root.ID, "second@example.org"} {
			wg.Go(func() {
				switch err := f.TakeRole(op, user, "", account.Administrator); {
				case err == nil:
					taken.Add(1)
				case errors.Is(err, account.ErrLastAdministrator):
					kept.Add(1)
				default:
					t.Errorf("take from %s: %v", user, err)
				}
			})
		}
		wg.Wait()
		if taken.Load() != 1 || kept.Load() != 1 {
			t.Errorf("two give up at once: %d did and %d did not, want one each", taken.Load(), kept.Load())
		}
	})
}

func TestDisabledAccountOpensNothing(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		op := f.operator(t.Context())
		f.tenants(t)
		bob := f.person(t, "bob@acme.example", "acme")
		_, secret, err := f.CreateToken(op, account.NewToken{User: bob.ID, Name: "t"})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.DisableAccount(op, "acme"); err != nil {
			t.Fatal(err)
		}
		if got, err := f.authenticate(t, "Authorization", "Bearer "+secret); err == nil {
			t.Errorf("a member's token: got %+v", got)
		}
		all, err := f.ListAccounts(op)
		if err != nil || len(all) != 2 || all[0].Name != "acme" || all[0].Disabled.IsZero() || all[0].Members != 1 || !all[1].Disabled.IsZero() {
			t.Errorf("accounts: got %+v, %v", all, err)
		}
		if err := f.EnableAccount(op, all[0].ID); err != nil {
			t.Fatal(err)
		}
		if _, err := f.authenticate(t, "Authorization", "Bearer "+secret); err != nil {
			t.Errorf("enabled again: %v", err)
		}
		if f.switched != 2 {
			t.Errorf("others were told %d times, want 2", f.switched)
		}
		if err := f.DisableAccount(op, "nope"); !errors.Is(err, account.ErrNoAccount) {
			t.Errorf("no such account: got %v, want ErrNoAccount", err)
		}
	})
}

func TestServiceKeysAreListedUntilTheyEnd(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		op := f.operator(t.Context())
		f.tenants(t)
		f.person(t, "boss@acme.example", "acme", account.Administrator)
		boss := f.as(t, "boss@acme.example")
		id, secret, err := f.CreateKey(boss, account.NewKey{Name: "bot", Permissions: []string{"mail:send"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.CreateKey(op, account.NewKey{Name: "elsewhere", Account: "other", Providers: []string{"*"}}); err != nil {
			t.Fatal(err)
		}
		keys, err := f.ListKeys(boss, "")
		if err != nil || len(keys) != 1 || keys[0].ID != id || !slices.Equal(keys[0].Permissions, []string{"mail:send"}) {
			t.Errorf("got %+v, %v", keys, err)
		}
		if keys, err := f.ListKeys(op, ""); err != nil || len(keys) != 2 {
			t.Errorf("the operator: got %+v, %v", keys, err)
		}
		if err := f.RevokeKey(boss, id); err != nil {
			t.Fatal(err)
		}
		if _, err := f.authenticate(t, "X-Api-Key", secret); err == nil {
			t.Error("a revoked key is good")
		}
		if keys, err := f.ListKeys(boss, ""); err != nil || len(keys) != 0 {
			t.Errorf("got %+v, %v", keys, err)
		}
		if err := f.RevokeKey(boss, id); !errors.Is(err, account.ErrNoKey) {
			t.Errorf("again: got %v, want ErrNoKey", err)
		}
	})
}
