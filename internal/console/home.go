package console

import (
	"context"
	"fmt"
	"time"

	"signet/internal/account"
	"signet/internal/audit"
	"signet/internal/authroute"
)

// homePage is the state of what the reader may see. Parts that they may not are nil.
type homePage struct {
	Account  string
	People   *account.Overview
	Mail     *mailState
	Modes    []modeCount // of domains; nil where the reader may not see them
	Files    *filesState
	Refusals []audit.Entry
	Todo     []todo
	Log      bool // the reader may see the audit log
	Nothing  bool // the reader may see nothing at all
}

// mailState is that of authenticated routing.
type mailState struct {
	Keys, Owners int // Keys is not counted
	Adoption     int // percent; -1 where it is not known
	Day          []resultCount
	Total        int
}

type resultCount struct {
	Result authroute.Result
	N      int
}

type modeCount struct {
	Mode authroute.Mode
	N    int
}

// todo is something that needs a person.
type todo struct{ Text, Href, Link string }

func (c *Console) home(q *request) error {
	p := homePage{Account: c.o.Person(q.Request).Account, Nothing: len(q.who.Permissions) == 0}
	for _, part := range []struct {
		permission string
		fill       func(q *request, p *homePage) error
	}{
		{readUsers, c.homePeople}, {readMail, c.homeMail}, {adminMail, c.homeDomains}, {readObjects, c.homeFiles}, {readAudit, c.homeAudit},
	} {
		if !q.who.May(part.permission) {
			continue
		}
		if err := part.fill(q, &p); err != nil {
			return err
		}
	}
	return q.show("home", p, "")
}

func (c *Console) homePeople(q *request, p *homePage) error {
	o, err := c.Users.Overview(q.Context())
	if err != nil {
		return err
	}
	p.People = &o
	add := func(n int, id, href string) {
		if n > 0 {
			p.Todo = append(p.Todo, todo{q.texts.N(id, n), href, q.t("console.todo.look")})
		}
	}
	add(o.NoWayIn, "console.todo.noWayIn", "/console/users")
	add(o.BareAdmins, "console.todo.bareAdmins", "/console/users")
	if o.Administrators == 1 {
		p.Todo = append(p.Todo, todo{q.t("console.todo.oneAdmin"), "/console/users/new", q.t("console.todo.invite")})
	}
	if o.Account.System && !c.o.MailServer {
		p.Todo = append(p.Todo, todo{Text: q.t("console.todo.mailServer")})
	}
	return nil
}

// results is the order in which results are shown.
var results = []authroute.Result{authroute.Pass, authroute.Fail, authroute.None, authroute.TempError}

func (c *Console) homeMail(q *request, p *homePage) error {
	now := c.o.Now()
	counts, err := c.Verdicts.Count(q.Context(), now.Add(-24*time.Hour), time.Time{})
	if err != nil {
		return err
	}
	m := &mailState{Owners: c.Keyset.Owners(), Total: counts.Total()}
	if m.Adoption, err = c.adoption(q.Context(), m.Owners); err != nil {
		return err
	}
	for _, r := range results {
		m.Day = append(m.Day, resultCount{r, counts[r]})
	}
	p.Mail = m
	if _, on := c.Bypass.State(); on {
		p.Todo = append([]todo{{q.t("console.todo.bypass"), "/console/bypass", q.t("console.todo.look")}}, p.Todo...)
	}
	return nil
}

func (c *Console) adoption(ctx context.Context, owners int) (int, error) {
	users, err := c.Users.CountUsers(ctx)
	if err != nil || users == 0 {
		return 0, err
	}
	return owners * 100 / users, nil
}

func (c *Console) homeDomains(q *request, p *homePage) error {
	all, err := c.Domains.List(q.Context())
	if err != nil {
		return err
	}
	count := map[authroute.Mode]int{}
	for _, d := range all {
		count[d.Mode]++
	}
	for _, m := range modes {
		p.Modes = append(p.Modes, modeCount{m, count[m]})
	}
	return nil
}

func (c *Console) homeAudit(q *request, p *homePage) (err error) {
	p.Log = true
	p.Refusals, _, err = c.Audit.List(q.Context(), audit.Filter{Outcome: audit.Refused, Limit: 5}, "")
	if err != nil {
		return fmt.Errorf("last refusals: %w", err)
	}
	return nil
}
