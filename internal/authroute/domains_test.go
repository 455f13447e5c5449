package authroute_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"signet/internal/audit"
	"signet/internal/authroute"
	"signet/internal/fault"
	"signet/internal/ticket"
)

// audited returns the audit rows about mail, oldest first, as "action target detail".
func (in *instance) audited(t *testing.T) (all []string) {
	t.Helper()
	ctx := ticket.With(t.Context(), ticket.Operator([]string{"audit:read"}))
	list, _, err := in.audit.List(ctx, audit.Filter{Area: "authroute"}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		all = append([]string{fmt.Sprintf("%s %s %s by %s", e.Action, e.Target, e.Detail, e.Actor.ID)}, all...)
	}
	return all
}

func (in *instance) expectMode(t *testing.T, domain string, want authroute.Mode) {
	t.Helper()
	if got := in.domains.Of(domain); got.Mode != want || got.Name != domain {
		t.Errorf("%s: got %s %s, want %s", domain, got.Name, got.Mode, want)
	}
}

func TestModeThatIsSetWinsOverTheConfiguration(t *testing.T) {
	eachInstance(t, func(t *testing.T, in *instance) {
		ctx := operator(t.Context())
		in.expectMode(t, "example.org", authroute.Enforce)
		in.expectMode(t, "elsewhere.example", authroute.Monitor)

		for domain, m := range map[string]authroute.Mode{"example.org": authroute.Require, "elsewhere.example": authroute.Quarantine} {
			if err := in.domains.SetMode(ctx, domain, m); err != nil {
				t.Fatal(err)
			}
			in.expectMode(t, domain, m)
		}
		if !in.domains.Hosted("example.org") || in.domains.Hosted("elsewhere.example") {
			t.Error("setting a mode changed who hosts the keys")
		}
		in.domains.Reload(authroute.DomainsConfig{
			Domains: map[string]authroute.Domain{"example.org": {Mode: authroute.Monitor, RefuseV1: true}, "new.example": {Mode: authroute.Enforce}},
			Default: authroute.Quarantine,
		})
		in.expectMode(t, "example.org", authroute.Require)
		in.expectMode(t, "new.example", authroute.Enforce)
		in.expectMode(t, "unlisted.example", authroute.Quarantine)
		if !in.domains.Of("example.org").RefuseV1 {
			t.Error("the reloaded configuration does not hold for the rest")
		}

		if err := in.domains.SetMode(ctx, "example.org", authroute.Quarantine); err != nil {
			t.Fatal(err)
		}
		in.expectMode(t, "example.org", authroute.Quarantine)
		if err := in.domains.Unset(ctx, "example.org"); err != nil {
			t.Fatal(err)
		}
		in.expectMode(t, "example.org", authroute.Monitor)
		if err := in.domains.Unset(ctx, "example.org"); !errors.Is(err, authroute.ErrNotSet) {
			t.Errorf("unset again: got %v, want ErrNotSet", err)
		}
	})
}

func TestListTellsWhatWasSetByWhom(t *testing.T) {
	eachInstance(t, func(t *testing.T, in *instance) {
		ctx := operator(t.Context())
		if err := in.domains.SetMode(ctx, "aa.example", authroute.Require); err != nil {
			t.Fatal(err)
		}
		list, err := in.domains.List(ctx)
		if err != nil || len(list) != 2 {
			t.Fatalf("got %v, %v, want two domains", list, err)
		}
		if d := list[0]; d.Name != "aa.example" || !d.Set || d.By != "cli" || d.Updated.Sub(in.Now()).Abs() > time.Second || d.Hosted {
			t.Errorf("the one set: got %+v", d)
		}
		if d := list[1]; d.Name != "example.org" || d.Set || !d.Hosted || d.Mode != authroute.Enforce {
			t.Errorf("the configured one: got %+v", d)
		}
	})
}

func TestEveryChangeOfTreatmentIsAudited(t *testing.T) {
	eachInstance(t, func(t *testing.T, in *instance) {
		ctx := operator(t.Context())
		err := errors.Join(
			in.domains.SetMode(ctx, "example.org", authroute.Require), in.domains.Unset(ctx, "example.org"),
			in.bypass.Start(ctx, time.Hour, " DNS is down "), in.bypass.Stop(ctx),
		)
		if err != nil {
			t.Fatal(err)
		}
		until := in.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		want := []string{
			`authroute.domain_set example.org {"mode":"require"} by cli`,
			"authroute.domain_unset example.org {} by cli",
			`authroute.bypass_start  {"reason":"DNS is down","until":"` + until + `"} by cli`,
			"authroute.bypass_stop  {} by cli",
		}
		if got := in.audited(t); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

func TestTreatmentIsChangedByAdministratorsOnly(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	reader := ticket.With(t.Context(), ticket.Operator([]string{"authroute:read", "authroute:keys"}))
	for name, c := range map[string]struct {
		ctx  context.Context
		want error
	}{"nobody": {t.Context(), ticket.ErrNone}, "user": {as(t, "alice"), ticket.ErrForbidden}, "reader": {reader, ticket.ErrForbidden}} {
		_, listed := in.domains.List(c.ctx)
		for call, err := range map[string]error{
			"list": listed, "set": in.domains.SetMode(c.ctx, "example.org", authroute.Monitor), "unset": in.domains.Unset(c.ctx, "example.org"),
			"start": in.bypass.Start(c.ctx, time.Hour, "x"), "stop": in.bypass.Stop(c.ctx),
		} {
			if !errors.Is(err, c.want) {
				t.Errorf("%s by %s: got %v, want %v", call, name, err, c.want)
			}
		}
	}
	if got := in.audited(t); len(got) != 0 {
		t.Errorf("audited: %q", got)
	}
}

func TestSetModeRefusesNonsense(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	ctx := operator(t.Context())
	for _, domain := range []string{"", "Example.org", "example.org.", "exa mple.org", "a@b.org", "[192.0.2.1]", "bücher.example", "-a.example"} {
		err := in.domains.SetMode(ctx, domain, authroute.Enforce)
		if f, ok := fault.As(err); !errors.Is(err, authroute.ErrDomainName) || !ok || f.Field != "domain" {
			t.Errorf("%q: got %v, want ErrDomainName", domain, err)
		}
	}
	for _, m := range []authroute.Mode{"", "strict", "Enforce"} {
		if err := in.domains.SetMode(ctx, "example.org", m); !errors.Is(err, authroute.ErrMode) {
			t.Errorf("mode %q: got %v, want ErrMode", m, err)
		}
	}
}

func TestBypassHasAnEndAndAReason(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	ctx := operator(t.Context())
	for name, c := range map[string]struct {
		lasting time.Duration
		reason  string
		want    error
	}{
		"no end": {0, "x", authroute.ErrBypassEnd}, "past": {-time.Second, "x", authroute.ErrBypassEnd},
		"over a day": {24*time.Hour + 1, "x", authroute.ErrBypassEnd}, "no reason": {time.Hour, " ", authroute.ErrReason}, "two lines": {time.Hour, "x\ny", authroute.ErrReason},
		"novel": {time.Hour, strings.Repeat("x", 501), authroute.ErrReason},
	} {
		if err := in.bypass.Start(ctx, c.lasting, c.reason); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if err := in.bypass.Start(ctx, time.Hour, "\xff"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("reason that is no text: got %v", err)
	}
	if in.bypass.On() {
		t.Error("a refused bypass is on")
	}
	if err := in.bypass.Start(ctx, 24*time.Hour, "x"); err != nil {
		t.Errorf("a day: %v", err)
	}
}

func TestBypassEndsByItselfOrEarlier(t *testing.T) {
	eachInstance(t, func(t *testing.T, in *instance) {
		ctx := operator(t.Context())
		if err := in.bypass.Stop(ctx); !errors.Is(err, authroute.ErrNoBypass) {
			t.Errorf("stop what is not on: got %v, want ErrNoBypass", err)
		}
		if err := in.bypass.Start(ctx, time.Hour, "first"); err != nil {
			t.Fatal(err)
		}
		if until, on := in.bypass.Until(); !on || until.Sub(in.Now()).Round(time.Second) != time.Hour {
			t.Errorf("got until %s, %v, want in an hour", until, on)
		}
		if metricOf(t, in.reg, "authroute_bypass_active") != 1 {
			t.Error("the metric does not show it")
		}
		in.advance(59 * time.Minute)
		if !in.bypass.On() {
			t.Error("it ends too early")
		}
		if err := in.bypass.Start(ctx, 2*time.Hour, "longer"); err != nil {
			t.Fatal(err)
		}
		in.advance(119 * time.Minute)
		if !in.bypass.On() {
			t.Error("it was not prolonged")
		}
		in.advance(time.Minute)
		if _, on := in.bypass.Until(); on || in.bypass.On() || metricOf(t, in.reg, "authroute_bypass_active") != 0 {
			t.Error("it does not end")
		}
		if err := in.bypass.Stop(ctx); !errors.Is(err, authroute.ErrNoBypass) {
			t.Errorf("stop what is over: got %v, want ErrNoBypass", err)
		}
		if err := errors.Join(in.bypass.Start(ctx, time.Hour, "again"), in.bypass.Stop(ctx)); err != nil || in.bypass.On() {
			t.Errorf("stop: %v, still on: %v", err, in.bypass.On())
		}
	})
}

func TestEveryInstanceFollowsWithinASecond(t *testing.T) {
	eachInstance(t, func(t *testing.T, in *instance) {
		other := newInstance(t, in.db, authroute.VerifierConfig{})
		for _, worker := range []func(context.Context) error{in.bus.Run, other.bus.Run, other.domains.Run, other.bypass.Run} {
			run(t, worker)
		}
		ctx := operator(t.Context())
		for _, step := range []struct {
			name   string
			change func() error
			seen   func() bool
		}{
			{"mode", func() error { return in.domains.SetMode(ctx, "example.org", authroute.Require) }, func() bool { return other.domains.Of("example.org").Mode == authroute.Require }},
			{"no mode", func() error { return in.domains.Unset(ctx, "example.org") }, func() bool { return other.domains.Of("example.org").Mode == authroute.Enforce }},
			{"bypass", func() error { return in.bypass.Start(ctx, time.Hour, "x") }, other.bypass.On},
			{"no bypass", func() error { return in.bypass.Stop(ctx) }, func() bool { return !other.bypass.On() }},
		} {
			if err := step.change(); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			eventually(t, step.name, step.seen)
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s: it took %s", step.name, took)
			}
		}
	})
}

func TestChangeOutsideIsSeenByThePoll(t *testing.T) {
	eachInstance(t, func(t *testing.T, in *instance) {
		run(t, in.bus.Run)
		run(t, in.domains.Run)
		_, err := in.db.SQL().ExecContext(t.Context(), `
			INSERT INTO authroute_domains (domain, mode, updated_at, updated_by) VALUES ('example.org', 'quarantine', $1, 'cli')`, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the change", func() bool { return in.domains.Of("example.org").Mode == authroute.Quarantine })
	})
}

func TestLastKnownSettingsHoldWhileTheStoreIsAway(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	ctx := operator(t.Context())
	if err := errors.Join(in.domains.SetMode(ctx, "example.org", authroute.Require), in.bypass.Start(ctx, time.Minute, "x")); err != nil {
		t.Fatal(err)
	}
	hide(t, in.db, "authroute_domains", "gone_domains")
	hide(t, in.db, "authroute_bypass", "gone_bypass")
	if in.domains.Load(ctx) == nil || in.bypass.Load(ctx) == nil {
		t.Error("loading from nothing: got no error")
	}
	in.expectMode(t, "example.org", authroute.Require)
	if !in.bypass.On() {
		t.Error("the bypass ended before its time")
	}
	in.advance(time.Minute)
	if in.bypass.On() {
		t.Error("the bypass does not end without the store")
	}
}
