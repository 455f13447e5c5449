package authroute

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/ticket"
)

const (
	topicDomains = "authroute.domains"
	topicBypass  = "authroute.bypass" //nolint:gosec // not a password
	adminMail    = "authroute:admin"
)

// What changing the treatment of a domain or the bypass can refuse.
var (
	ErrMode       = fault.New(fault.Invalid, "is not one of monitor, quarantine, enforce, require")
	ErrDomainName = fault.New(fault.Invalid, "is not a mail domain in lower case, such as example.org")
	ErrNotSet     = fault.New(fault.NotFound, "no mode was set for this domain: the configuration file decides")
	ErrBypassEnd  = fault.New(fault.Invalid, "must be more than 0 and at most 24h")
	ErrReason     = fault.New(fault.Invalid, "must say why, in 1 to 500 characters on one line")
	ErrNoBypass   = fault.New(fault.NotFound, "verification is not bypassed")
)

// Bus tells other parts of the installation that something changed.
type Bus interface {
	Subscriber
	Publish(topic string)
}

// Domains knows how mail of each sender domain is treated: what the configuration
// says, and over it what operators set at run time. It is safe for concurrent use.
type Domains struct {
	db    *db.DB
	bus   Bus
	audit Auditor
	now   func() time.Time

	mu         sync.Mutex // held to change what follows
	configured DomainsConfig
	set        map[string]Setting
	current    atomic.Pointer[DomainsConfig] // the sum of both
}

// DomainsConfig is how the configuration has sender domains treated.
type DomainsConfig struct {
	Domains map[string]Domain // by name
	Default Mode              // of a domain that nobody names; empty: monitor
}

// Setting is a mode that an operator set at run time.
type Setting struct {
	Domain  string
	Mode    Mode
	Updated time.Time
	By      string
}

// NewDomains returns the domains of the configuration; Load adds what is stored.
func NewDomains(d *db.DB, bus Bus, a Auditor, c DomainsConfig, now func() time.Time) *Domains {
	s := &Domains{db: d, bus: bus, audit: a, now: now, set: map[string]Setting{}}
	s.Reload(c)
	return s
}

// Of returns how mail of a sender domain, in lower case, is treated.
func (s *Domains) Of(domain string) Domain {
	t := s.current.Load()
	if d, ok := t.Domains[domain]; ok {
		return d
	}
	return Domain{Name: domain, Mode: t.Default}
}

// OfSender returns how mail of an envelope sender is treated. Postfix makes an
// address of a sender without a domain only after it has asked, and of which domain
// is its own affair: such mail is treated as that of the strictest domain that is
// hosted here, or it would walk around that one's mode.
func (s *Domains) OfSender(sender string) Domain {
	if sender == "" || strings.Contains(sender, "@") {
		return s.Of(domainOf(sender))
	}
	t := s.current.Load()
	strictest := Domain{Mode: t.Default}
	for _, d := range t.Domains {
		if d.Hosted && strictness(d.Mode) > strictness(strictest.Mode) {
			strictest.Mode = d.Mode
		}
	}
	return strictest
}

// strictness orders the modes.
func strictness(m Mode) int { return slices.Index([]Mode{Monitor, Quarantine, Enforce, Require}, m) }

// Hosted reports whether the registry alone answers for the keys of a domain.
func (s *Domains) Hosted(domain string) bool { return s.Of(domain).Hosted }

// Reload takes a new configuration. What operators set still wins.
func (s *Domains) Reload(c DomainsConfig) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.configured = DomainsConfig{maps.Clone(c.Domains), cmp.Or(c.Default, Monitor)}
	s.merge()
}

// Load reads what is stored.
func (s *Domains) Load(ctx context.Context) error {
	var settings []Setting
	err := s.db.View(ctx, func(tx *db.Tx) (err error) {
		settings, err = domainSettings(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = make(map[string]Setting, len(settings))
	for _, one := range settings {
		s.set[one.Domain] = one
	}
	s.merge()
	return nil
}

// merge is called with the lock held.
func (s *Domains) merge() {
	all := make(map[string]Domain, len(s.configured.Domains)+len(s.set))
	for name, d := range s.configured.Domains {
		d.Name = name
		all[name] = d
	}
	for name, one := range s.set {
		d := all[name]
		d.Name, d.Mode = name, one.Mode
		all[name] = d
	}
	s.current.Store(&DomainsConfig{all, s.configured.Default})
}

// Run keeps the stored part fresh until ctx ends.
func (s *Domains) Run(ctx context.Context) error {
	return follow(ctx, s.bus, topicDomains, s.Load)
}

// Treated is one line of List.
type Treated struct {
	Domain
	Set     bool // by an operator, over the configuration
	Updated time.Time
	By      string
}

// List returns every domain that the configuration or an operator names, by name,
// as the store has it now. The caller needs authroute:admin.
func (s *Domains) List(ctx context.Context) ([]Treated, error) {
	if err := ticket.From(ctx).Demand(adminMail); err != nil {
		return nil, err
	}
	if err := s.Load(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Treated, 0, len(s.configured.Domains))
	for name, d := range s.current.Load().Domains {
		one, set := s.set[name]
		all = append(all, Treated{Domain: d, Set: set, Updated: one.Updated, By: one.By})
	}
	slices.SortFunc(all, func(a, b Treated) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// SetMode sets the mode of a sender domain until Unset, on every instance within a
// second. The caller needs authroute:admin.
func (s *Domains) SetMode(ctx context.Context, domain string, m Mode) error {
	switch m {
	case Monitor, Quarantine, Enforce, Require:
	default:
		return ErrMode.At("mode")
	}
	if ascii, err := asciiDomain(domain); err != nil || ascii != domain {
		return ErrDomainName.At("domain")
	}
	return s.change(ctx, "authroute.domain_set", domain, map[string]any{"mode": m}, func(tx *db.Tx, by string) error {
		return putSetting(ctx, tx, Setting{Domain: domain, Mode: m, Updated: s.now(), By: by})
	})
}

// Unset gives a domain back to the configuration. The caller needs authroute:admin.
func (s *Domains) Unset(ctx context.Context, domain string) error {
	return s.change(ctx, "authroute.domain_unset", domain, nil, func(tx *db.Tx, _ string) error {
		return deleteSetting(ctx, tx, domain)
	})
}

// change runs fn with its audit row, makes it hold here at once, and tells the others.
func (s *Domains) change(ctx context.Context, action, domain string, detail any, fn func(tx *db.Tx, by string) error) error {
	t := ticket.From(ctx)
	if err := t.Demand(adminMail); err != nil {
		return err
	}
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		if err := fn(tx, t.Subject); err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, audit.Event{Action: action, Target: domain, Detail: detail})
	})
	if err != nil {
		return err
	}
	s.bus.Publish(topicDomains)
	if err := s.Load(ctx); err != nil {
		slog.WarnContext(ctx, "a stored change does not hold here yet", "action", action, "error", err)
	}
	return nil
}
