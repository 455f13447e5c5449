package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"signet/internal/db"
)

// ErrTampered means that the log is not what was signed before. Nothing more is
// signed or pruned then: run the verification, and keep the database as it is.
var ErrTampered = errors.New("the audit log is not what its signed heads say")

// Head says where all chains stood, and up to where rows were pruned.
type Head struct {
	Number   int64      `json:"number"` // from 1
	At       time.Time  `json:"at"`
	Previous string     `json:"previous"` // SHA-256 of the payload of the head before it, hex; empty for the first
	First    int64      `json:"first"`    // the oldest head that is kept
	Chains   []Position `json:"chains"`
}

// Position is where one chain stood.
type Position struct {
	chainEnd
	Cut    int64  `json:"cut,omitempty"`     // rows up to this sequence were pruned
	CutMAC string `json:"cut_mac,omitempty"` // of the last of them: what the next row is chained to
}

// signedHead is a head as it was signed.
type signedHead struct {
	Head
	payload   string
	signature string
}

const headDomain = "signet audit head v1\n"

func (h *signedHead) digest() string {
	sum := sha256.Sum256([]byte(h.payload))
	return hex.EncodeToString(sum[:])
}

// openHead checks the signature and reads the payload.
func openHead(payload, signature string, key ed25519.PublicKey) (*signedHead, error) {
	sig, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || !ed25519.Verify(key, []byte(headDomain+payload), sig) {
		return nil, errors.New("signature does not verify")
	}
	h := &signedHead{payload: payload, signature: signature}
	if err := json.Unmarshal([]byte(payload), &h.Head); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	return h, nil
}

func (l *Log) seal(h Head) (*signedHead, error) {
	payload, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	sig := l.signer.SignHead([]byte(headDomain + string(payload)))
	return &signedHead{Head: h, payload: string(payload), signature: base64.StdEncoding.EncodeToString(sig)}, nil
}

// position returns where the head says that a chain stood.
func (h *Head) position(chain int) (Position, bool) {
	i := slices.IndexFunc(h.Chains, func(p Position) bool { return p.Chain == chain })
	if i < 0 {
		return Position{}, false
	}
	return h.Chains[i], true
}

// next returns the head after h. What was pruned is taken from h, for it is
// signed and the tables are not. It fails where a chain is behind what h says.
func (h *signedHead) next(ends []chainEnd, at time.Time) (Head, error) {
	n := Head{Number: h.Number + 1, At: db.Now(at), First: max(h.First, 1)}
	if h.Number > 0 {
		n.Previous = h.digest()
	}
	for _, end := range ends {
		p, _ := h.position(end.Chain)
		if end.Sequence < p.Sequence || end.Sequence == p.Sequence && p.Sequence > 0 && end.MAC != p.MAC {
			return n, fmt.Errorf("%w: chain %d ends at row %d, head %d has %d", ErrTampered, end.Chain, end.Sequence, h.Number, p.Sequence)
		}
		p.chainEnd = end
		n.Chains = append(n.Chains, p)
	}
	for _, p := range h.Chains {
		if _, ok := n.position(p.Chain); !ok {
			return n, fmt.Errorf("%w: chain %d is gone", ErrTampered, p.Chain)
		}
	}
	return n, nil
}

// lastHead returns the newest head, and an empty one where there is none.
func (l *Log) lastHead(ctx context.Context, tx *db.Tx) (*signedHead, error) {
	var number int64
	var payload, signature string
	err := tx.QueryRowContext(ctx, `SELECT number, payload, signature FROM audit_heads ORDER BY number DESC LIMIT 1`).
		Scan(&number, &payload, &signature)
	if errors.Is(err, sql.ErrNoRows) {
		return &signedHead{}, nil
	}
	if err != nil {
		return nil, err
	}
	h, err := openHead(payload, signature, l.signer.HeadPublic())
	if err == nil && h.Number != number {
		err = fmt.Errorf("its payload is head %d", h.Number)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: head %d: %w", ErrTampered, number, err)
	}
	return h, nil
}

// prepare returns the newest head and the one that would follow it now.
func (l *Log) prepare(ctx context.Context) (last *signedHead, next Head, err error) {
	err = l.db.View(ctx, func(tx *db.Tx) error {
		if last, err = l.lastHead(ctx, tx); err != nil {
			return err
		}
		ends, err := chainEnds(ctx, tx)
		if err != nil {
			return err
		}
		next, err = last.next(ends, l.now())
		return err
	})
	return last, next, err
}

// sign signs a head where the last one is older than age and rows were linked
// since, which it reports, and brings the file up to date.
func (l *Log) sign(ctx context.Context, age time.Duration) (signed bool, err error) {
	last, next, err := l.prepare(ctx)
	if err != nil {
		return false, err
	}
	if next.At.Sub(last.At) >= age && !slices.Equal(next.Chains, last.Chains) {
		if err := l.stands(ctx, last); err != nil {
			return false, err
		}
		if signed, err = l.store(ctx, next); err != nil {
			return false, err
		}
	}
	return signed, l.file.catchUp(ctx, l)
}

// stands checks that the rows which the last head names are still there: a chain
// that was cut short and has grown again ends no sooner than before.
func (l *Log) stands(ctx context.Context, last *signedHead) error {
	for _, p := range last.Chains {
		mac, err := l.storedMAC(ctx, p.Chain, p.Sequence)
		if err != nil {
			return err
		}
		if p.Sequence > p.Cut && mac != p.MAC {
			return fmt.Errorf("%w: chain %d has another row %d than head %d", ErrTampered, p.Chain, p.Sequence, last.Number)
		}
	}
	return nil
}

// store signs and stores a head, and reports whether it was the first of its
// number: of instances that sign at the same time, one does.
func (l *Log) store(ctx context.Context, h Head) (first bool, err error) {
	s, err := l.seal(h)
	if err != nil {
		return false, err
	}
	err = l.db.Update(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `
			INSERT INTO audit_heads (number, at, payload, signature) VALUES ($1, $2, $3, $4)
			ON CONFLICT (number) DO NOTHING`, h.Number, h.At, s.payload, s.signature)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		first = n == 1
		return err
	})
	if err == nil && first {
		// The system's log is one more place that a forger must reach.
		slog.InfoContext(ctx, "audit head signed", "number", h.Number, "sha256", s.digest())
	}
	return first, err
}

// heads returns up to n heads from a number on, as they stand in the store.
func (l *Log) heads(ctx context.Context, from int64, n int) (list []storedHead, err error) {
	err = l.db.View(ctx, func(tx *db.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT number, payload, signature FROM audit_heads WHERE number >= $1 ORDER BY number LIMIT $2`, from, n)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var h storedHead
			if err := rows.Scan(&h.number, &h.payload, &h.signature); err != nil {
				return err
			}
			list = append(list, h)
		}
		return rows.Err()
	})
	return list, err
}

type storedHead struct {
	number             int64
	payload, signature string
}
