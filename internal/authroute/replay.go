package authroute

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"signet/internal/once"
)

// maxRetries is how often one proof may come again from the same client.
const maxRetries = 20

// replayMargin is how much longer than it can be valid a proof is remembered: the
// clocks of two instances may differ.
const replayMargin = time.Minute

// ReplaySpace is the name of the space of proofs that were used.
const ReplaySpace = "authroute.proof"

// maxUses bounds the uses that one instance remembers itself.
const maxUses = 65_536

// taker keeps values that may be used one time.
type taker interface {
	// TakeUse returns who used the value first.
	TakeUse(ctx context.Context, u once.Use) (holder string, err error)
}

// Replay tells the first use of a proof from a second one.
type Replay struct {
	once   taker
	window time.Duration
	known  *memory[string, string] // holders of values; they never change
}

// NewReplay returns a guard of proofs that are valid for window before and after
// their timestamp. What was taken is kept in once.
func NewReplay(once taker, window time.Duration, now func() time.Time) *Replay {
	return &Replay{once: once, window: window, known: newMemory[string, string](maxUses, 2*window+replayMargin, now)}
}

// Use is one use of a proof: the proof, and the delivery that it came with.
type Use struct {
	KeyID     string
	Timestamp int64
	MessageID string
	Sender    string

	Host          string // that runs the Postfix which asks
	Instance      string // Postfix's instance attribute
	QueueID       string
	ClientAddress string
}

// Outcome says what a use is.
type Outcome int

// The outcomes.
const (
	FirstUse  Outcome = iota
	SameUse           // the delivery that used the proof first asks again, for another recipient
	RetryUse          // the same client tries again: nobody can tell that its first attempt came to nothing
	ReplayUse         // another client, or too many attempts
)

// Check takes the proof for the delivery that came with it. Any error means that
// nothing is known of earlier uses, and that the proof must not count.
func (r *Replay) Check(ctx context.Context, u Use) (Outcome, error) {
	issued := time.Unix(u.Timestamp, 0)
	first := once.Use{
		Space: ReplaySpace, Value: u.value(), By: u.by(), Subject: u.KeyID,
		Issued: issued, Until: issued.Add(r.window + replayMargin),
	}
	by := first.By
	for attempt := range 1 + maxRetries {
		holder, fresh, err := r.take(ctx, first, attempt)
		switch {
		case err != nil:
			return ReplayUse, err
		case holder == by && fresh && attempt == 0:
			return FirstUse, nil
		case holder == by && fresh:
			return RetryUse, nil
		case sameDelivery(holder, by):
			return SameUse, nil
		case client(holder) != client(by):
			return ReplayUse, nil
		}
	}
	return ReplayUse, nil
}

// take returns who holds the value for an attempt. fresh is true where that was
// not known here before.
func (r *Replay) take(ctx context.Context, use once.Use, attempt int) (holder string, fresh bool, err error) {
	if attempt > 0 {
		use.Value += "/" + strconv.Itoa(attempt)
	}
	if holder, ok := r.known.get(use.Value); ok {
		return holder, false, nil
	}
	holder, err = r.once.TakeUse(ctx, use)
	if err != nil {
		return "", false, fmt.Errorf("take proof: %w", err)
	}
	r.known.put(use.Value, holder)
	return holder, true, nil
}

// value names the proof, shortly: it is looked up in several places.
func (u Use) value() string {
	room := make([]byte, 0, 512) // on the stack, unless the proof is long
	for _, part := range []string{u.KeyID, u.MessageID, u.Sender} {
		room = append(append(room, part...), '\n')
	}
	sum := sha256.Sum256(strconv.AppendInt(room, u.Timestamp, 10))
	return string(sum[:])
}

// by names the delivery. Postfix's attributes have no line breaks.
func (u Use) by() string {
	parts := []string{u.ClientAddress, u.Host, u.Instance, u.QueueID}
	for i, p := range parts {
		parts[i] = short(p)
	}
	return strings.Join(parts, "\n")
}

// short keeps a name within what a holder may have, and different ones different.
func short(s string) string {
	if len(s) <= 64 && utf8.ValidString(s) {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func client(by string) string {
	address, _, _ := strings.Cut(by, "\n")
	return address
}

// sameDelivery reports whether two names are of one delivery: on the same host,
// with the same instance or queue id. The queue id is not there at the first recipient.
func sameDelivery(a, b string) bool {
	if a == b {
		return true
	}
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	if len(x) != 4 || len(y) != 4 || x[1] != y[1] {
		return false
	}
	return x[2] != "" && x[2] == y[2] || x[3] != "" && x[3] == y[3]
}
