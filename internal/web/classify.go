package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"signet/internal/db"
	"signet/internal/fault"
)

// What errors from below mean to a client.
var (
	errInternal   = fault.New(fault.Internal, internalText)
	errClientGone = fault.New(fault.Timeout, "the client went away")
	errStopping   = fault.New(fault.Unavailable, "the server is stopping; try again").After(time.Second)
	errDeadline   = fault.New(fault.Timeout, "the request took longer than the server allows; try again").After(time.Second)
	errNoSpace    = fault.New(fault.NoSpace, "the server's storage is full; nothing was stored")
	errAway       = fault.New(fault.Unavailable, "something that this server needs is away; try again").After(time.Second)
	errBusy       = fault.New(fault.Unavailable, "the database is busy; try again").After(time.Second)
	errBodyCap    = fault.New(fault.TooLarge, "request body is too large")
	errBodyCut    = fault.New(fault.Malformed, "request body ended before its declared length")
)

// classify returns the fault that err means to a client.
func classify(ctx context.Context, err error) *fault.Error {
	if e, ok := fault.As(err); ok {
		if e.Kind == fault.Internal {
			return errInternal
		}
		return e
	}
	if e := classifyRead(err); e != nil {
		return e
	}
	switch {
	case db.IsFull(err):
		return errNoSpace
	case errors.Is(ctx.Err(), context.Canceled):
		return errClientGone
	case errors.Is(err, context.DeadlineExceeded), db.IsTimeout(err):
		return errDeadline
	case errors.Is(err, context.Canceled):
		return errStopping
	case db.IsAway(err):
		return errAway
	case db.IsBusy(err):
		return errBusy
	}
	return errInternal
}

// classifyRead knows the errors of reading a request's body.
func classifyRead(err error) *fault.Error {
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errBodyCap.Because("the limit is %d bytes", e.Limit)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errBodyCut
	}
	return nil
}

// slowBody reports whether err is a read deadline that passed under the body.
func slowBody(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout() && !errors.Is(err, context.DeadlineExceeded)
}
