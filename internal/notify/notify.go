// Package notify mails to users: what somebody did at their account, and links that
// only the reader of an address may have.
//
// [Post.Send] puts a mail into a queue in memory and returns at once; [Post.Run]
// sends, and tries again while the next hop has trouble. A mail that waits is lost
// when the process is killed: whoever needs a link asks for another.
//
// Links hold codes. No log line has a link, an address, or words of the mail server,
// which may repeat either.
package notify

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"signet/internal/locale"
)

// Message is one mail, composed in the language of its reader.
type Message struct {
	To     []string       // addresses; each gets a mail of its own
	Locale string         // language tag; may be empty, which is English
	What   string         // which text, such as [SignUp]: mail.WHAT.subject and mail.WHAT.text
	Link   string         // a path here, or an address below the origin, on a line after the text; may be empty
	Values map[string]any // for {{.Name}} in the texts; Host and Origin are always there
}

// Sender hands one composed message (RFC 5322, lines ended by CRLF) to whom it is for.
// It bounds its own time. Its errors are logged, so they hold no addresses and no text
// of the message; those that no further attempt mends wrap [ErrRefused].
type Sender interface {
	Send(ctx context.Context, from, to string, mail []byte) error
}

// ErrRefused says that a mail was refused for good.
var ErrRefused = errors.New("refused for good")

// Options say who mails.
type Options struct {
	From    string // mailbox (RFC 5322, section 3.4), such as "Signet <signet@example.org>"
	Origin  string // where links lead: https://auth.example.org
	Now     func() time.Time
	Metrics prometheus.Registerer // nil for none
}

// maxWaiting bounds the mails that wait in memory.
const maxWaiting = 1000

// Post sends mails to users. It is safe for concurrent use.
type Post struct {
	texts   *locale.Bundle
	out     Sender
	o       Options
	counted map[outcome]prometheus.Counter

	mu      sync.Mutex
	waiting []*letter     // and the one that is being sent
	more    chan struct{} // has an element when waiting grew
}

// letter is one mail to one address.
type letter struct {
	message   Message
	to        string
	mail      []byte // nil until the first attempt
	attempts  int
	due, late time.Time // of the next attempt; of giving up
}

// New returns a post that sends through out.
func New(texts *locale.Bundle, out Sender, o Options) *Post {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Post{texts: texts, out: out, o: o, counted: counters(o.Metrics), more: make(chan struct{}, 1)}
}

// Send queues a mail to each address of m. It never waits and never fails: what the
// queue has no room for is logged and counted.
func (p *Post) Send(ctx context.Context, m Message) {
	m.Values = maps.Clone(m.Values)
	now := p.o.Now()
	dropped := 0
	p.mu.Lock()
	for _, to := range m.To {
		if len(p.waiting) >= maxWaiting {
			dropped++
			continue
		}
		p.waiting = append(p.waiting, &letter{message: m, to: to, due: now, late: now.Add(tryFor)})
	}
	p.mu.Unlock()
	if dropped > 0 {
		p.count(queueFull, dropped)
		slog.ErrorContext(ctx, "mail dropped: too many wait", "what", m.What, "mails", dropped)
	}
	select {
	case p.more <- struct{}{}:
	default:
	}
}
