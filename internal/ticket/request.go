package ticket

import "context"

// Request says which request work is done for, for logs and the audit log. It
// proves nothing about the caller.
type Request struct {
	ID      string // unique, made by this installation or its trusted proxy
	Address string // the client's IP address, as far as trusted proxies tell
}

type requestKey struct{}

// WithRequest returns a context that carries r.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestFrom returns the request that ctx belongs to; it is empty for background work.
func RequestFrom(ctx context.Context) Request {
	r, _ := ctx.Value(requestKey{}).(Request)
	return r
}
