package objects

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

func (d *Door) getObject(q *request) error {
	g, err := readGet(q)
	if err != nil {
		return err
	}
	c, err := d.store.Get(q.Context(), g)
	if c != nil && c.Body != nil {
		defer c.Body.Close()
	}
	if err := q.begin(g, c, err); err != nil {
		return err
	}
	return q.send(c)
}

func (d *Door) headObject(q *request) error {
	g, err := readGet(q)
	if err != nil {
		return err
	}
	c, err := d.store.Head(q.Context(), g)
	return q.begin(g, c, err)
}

func readGet(q *request) (Get, error) {
	g := Get{
		Ref:        Ref{q.target.bucket, q.key, q.query.Get("versionId")},
		Conditions: readConditions(q.r.Header, ""), Range: readRange(q.r.Header.Get("Range")),
	}
	if !q.query.Has("partNumber") {
		return g, nil
	}
	var err error
	if g.Part, err = partNumber(q.query.Get("partNumber")); err == nil && g.Range != nil {
		err = ErrRequest.Saying("Cannot specify both Range header and partNumber query parameter")
	}
	return g, err
}

// begin writes the header of what a store found, or returns why there is nothing to send.
func (q *request) begin(g Get, c *Content, err error) error {
	switch {
	case errors.Is(err, ErrNotModified) && c != nil:
		if err := q.writeAttributes(c.Object); err != nil {
			return err
		}
		return ErrNotModified
	case err != nil:
		return err
	case c.DeleteMarker:
		q.w.Header()["X-Amz-Delete-Marker"] = []string{"true"}
		q.writeVersion(c.VersionID)
		if g.VersionID != "" {
			q.w.Header().Set("Allow", "DELETE")
			return ErrMethod
		}
		return ErrNoSuchKey
	}
	if err := q.writeAttributes(c.Object); err != nil {
		return err
	}
	h, status := q.w.Header(), http.StatusOK
	h["Content-Length"] = []string{strconv.FormatInt(c.Length, 10)}
	if c.Partial {
		status = http.StatusPartialContent
		if c.Length > 0 {
			h["Content-Range"] = []string{fmt.Sprintf("bytes %d-%d/%d", c.First, c.First+c.Length-1, c.Size)}
		}
	}
	if c.Length == c.Size && q.r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" {
		q.writeChecksum(c.Checksum)
	}
	if g.Part > 0 && c.Parts > 0 {
		h["X-Amz-Mp-Parts-Count"] = []string{strconv.Itoa(c.Parts)}
	}
	q.w.WriteHeader(status)
	return nil
}

// A client must take piece bytes within pieceTime, or it is cut: slow ones hold files
// and memory.
const (
	piece     = 8 << 20
	pieceTime = 2 * time.Minute
)

// send sends the body. Where it fails the connection is cut, so that the client does
// not take a part for the whole.
func (q *request) send(c *Content) error {
	deadlines := http.NewResponseController(q.w)
	for left := c.Length; left > 0; {
		if c.Length > piece {
			_ = deadlines.SetWriteDeadline(time.Now().Add(pieceTime)) // real time: the connection's
		}
		n, err := io.CopyN(q.w, c.Body, min(left, piece))
		q.given += n
		if left -= n; err != nil && left > 0 {
			panic(http.ErrAbortHandler)
		}
	}
	return nil
}
