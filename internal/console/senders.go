package console

import (
	"context"
	"net/url"
	"slices"
	"time"

	"signet/internal/audit"
	"signet/internal/token"
)

// Senders tells what senders of tokens must prove, and what they do.
type Senders interface {
	SenderHealth(ctx context.Context, since time.Time) ([]token.ClientHealth, error)
	Bypassed() (token.Bypass, bool)
}

// Apps tells and ends what users let apps have.
type Apps interface {
	Apps(ctx context.Context, user string) ([]token.AppAccess, error)
	RemoveApp(ctx context.Context, user, client string) error
}

// sendersPage is what became of proofs. Parts that the reader may not see are nil.
type sendersPage struct {
	Clients  []token.ClientHealth
	Counters *token.Counters
	Since    time.Time // when this instance began to count
	Todo     []todo
	Replays  []audit.Entry
	Log      bool // the reader may see the audit log
}

func (c *Console) senders(q *request) (err error) {
	now := c.o.Now()
	p := sendersPage{Log: q.who.May(readAudit)}
	if p.Clients, err = c.Senders.SenderHealth(q.Context(), now.Add(-24*time.Hour)); err != nil {
		return err
	}
	for _, k := range p.Clients {
		if k.Bare() {
			p.Todo = append(p.Todo, todo{q.texts.T("console.senders.bare", "App", k.Client.Name), clientPath(k.Client.ID), q.t("console.todo.look")})
		}
	}
	if q.who.May(runKeys) { // they are of all accounts
		counters := c.o.Counters()
		p.Counters, p.Since = &counters, c.o.Started
		for _, n := range counters.Certificates {
			if n.N > 0 {
				p.Todo = append(p.Todo, todo{Text: q.texts.N("console.senders.mismatch."+n.Word, n.N)})
			}
		}
	}
	if p.Log {
		if p.Replays, err = c.replaysSince(q, now.Add(-24*time.Hour)); err != nil {
			return err
		}
	}
	return q.show("senders", p, "")
}

// replays are the actions in the audit log of what came twice.
var replays = []string{"authority.dpop.replay", "authority.refresh.replay", "oauth_code.replay"}

// replaysSince are the proofs, codes and refresh tokens that came twice, the youngest first.
func (c *Console) replaysSince(q *request, since time.Time) (all []audit.Entry, err error) {
	for _, action := range replays {
		rows, _, err := c.Audit.List(q.Context(), audit.Filter{Action: action, Since: since, Limit: 10}, "")
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	slices.SortFunc(all, func(a, b audit.Entry) int { return b.Time.Compare(a.Time) })
	return all[:min(len(all), 10)], nil
}

func (c *Console) appActions() map[string]action {
	return map[string]action{
		"/console/users/{user}/apps/{client}": {name: "appRemove", permission: writeUsers, danger: true, form: c.askRemoveApp, do: c.removeApp},
	}
}

// appPath is the page that ends what a user let an app have.
func appPath(user, client string) string { return userPath(user) + "/apps/" + url.PathEscape(client) }

func (c *Console) askRemoveApp(q *request) (form, error) {
	u, err := c.about(q)
	if err != nil {
		return form{}, err
	}
	all, err := c.Apps.Apps(q.Context(), u.ID)
	if err != nil {
		return form{}, err
	}
	i := slices.IndexFunc(all, func(a token.AppAccess) bool { return a.Client.ID == q.PathValue("client") })
	if i < 0 {
		return form{}, token.ErrNoClient
	}
	return form{Object: all[i].Client.Name, Back: userPath(u.ID), Facts: []fact{{q.t("console.user.one"), named(u)}}}, nil
}

func (c *Console) removeApp(q *request) (outcome, error) {
	return back(q), c.Apps.RemoveApp(q.Context(), q.PathValue("user"), q.PathValue("client"))
}
