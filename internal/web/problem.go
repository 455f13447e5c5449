package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"signet/internal/fault"
	"signet/internal/ticket"
)

const (
	typePrefix   = "urn:signet:problem:"
	internalText = "internal error; the server's log has it under this request_id"

	// statusClientGone is what the access log says where nobody waits for the answer.
	statusClientGone = 499
)

// statuses is the one table from fault kinds to HTTP.
var statuses = map[fault.Kind]int{
	fault.Internal:     http.StatusInternalServerError,
	fault.Malformed:    http.StatusBadRequest,
	fault.Invalid:      http.StatusUnprocessableEntity,
	fault.Unauthorized: http.StatusUnauthorized,
	fault.Forbidden:    http.StatusForbidden,
	fault.NotFound:     http.StatusNotFound,
	fault.Conflict:     http.StatusConflict,
	fault.Gone:         http.StatusGone,
	fault.TooLarge:     http.StatusRequestEntityTooLarge,
	fault.TooMany:      http.StatusTooManyRequests,
	fault.Unavailable:  http.StatusServiceUnavailable,
	fault.Timeout:      http.StatusGatewayTimeout,
	fault.NoSpace:      http.StatusInsufficientStorage,
}

// Problem is an RFC 9457 problem. It holds nothing that a client may not see.
type Problem struct {
	Type      string `json:"type" doc:"urn:signet:problem: and a stable word" example:"urn:signet:problem:not-found"`
	Title     string `json:"title" doc:"The HTTP status in words"`
	Status    int    `json:"status" doc:"The HTTP status"`
	Detail    string `json:"detail" doc:"What was wrong and what would be right"`
	Field     string `json:"field,omitempty" doc:"The member or parameter that was wrong"`
	RequestID string `json:"request_id,omitempty" doc:"Names this request in the server's log and audit log"`

	Kind   fault.Kind    `json:"-"`
	Retry  time.Duration `json:"-"` // when trying again may help; zero says nothing
	Header http.Header   `json:"-"` // more headers of the answer, such as WWW-Authenticate
}

// ProblemOf returns what a client may know of err: the fault in its tree, or else
// an internal error of constant text.
func ProblemOf(ctx context.Context, err error) *Problem {
	e := classify(ctx, err)
	p := &Problem{
		Kind: e.Kind, Status: statuses[e.Kind], Detail: e.Text, Field: e.Field, Retry: e.Retry,
		RequestID: ticket.RequestFrom(ctx).ID,
	}
	word := e.Kind.String()
	if e.Word != "" {
		word = e.Word
	}
	if s, ok := errors.AsType[*statusError](err); ok {
		p.Status, word = s.status, s.word
	}
	if e == errClientGone {
		p.Status = statusClientGone
	}
	p.Type = typePrefix + word
	p.Title = http.StatusText(p.Status)
	if h, ok := errors.AsType[*headerError](err); ok {
		p.Header = maps.Clone(h.header)
	}
	return p
}

// Word is the last part of the problem's type: what clients tell it from others by.
func (p *Problem) Word() string { return strings.TrimPrefix(p.Type, typePrefix) }

// setHeaders sets what belongs to the problem beside its body.
func (p *Problem) setHeaders(h http.Header) {
	maps.Copy(h, p.Header)
	if p.Retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.Retry.Seconds()))))
	}
	if p.Word() == "insufficient-user-authentication" && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", `Bearer error="insufficient_user_authentication", max_age="300", acr_values="urn:signet:2"`) // RFC 9470, section 3
	}
	// RFC 9110, section 15.5.2: a 401 names at least one way to prove oneself.
	if p.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", `Bearer realm="signet"`)
	}
	h.Del("Content-Length") // of the answer that was meant
}

// WriteProblem answers with p as application/problem+json.
func WriteProblem(w http.ResponseWriter, _ *http.Request, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone
}

// log logs what the client is not told: internal errors, where an operator has to
// act, and dependencies that were away.
func (p *Problem) log(ctx context.Context, route string, err error) {
	if p.Status < http.StatusInternalServerError {
		return
	}
	level := slog.LevelWarn
	if p.Kind == fault.Internal {
		level = slog.LevelError
	}
	slog.Log(ctx, level, "request failed", "request", p.RequestID, "route", route, "status", p.Status, "error", err)
}

// Error, GetStatus and ContentType make a problem an error that huma can answer with.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the media type of a problem.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// WithHeader returns err with a header for the answer to it, such as
// WWW-Authenticate or DPoP-Nonce. It still is err for [errors.Is].
func WithHeader(err error, name, value string) error {
	h := http.Header{}
	if inner, ok := errors.AsType[*headerError](err); ok {
		h = maps.Clone(inner.header)
	}
	h.Set(name, value)
	return &headerError{error: err, header: h}
}

type headerError struct {
	error
	header http.Header
}

func (e *headerError) Unwrap() error { return e.error }

// statusError is a refusal by HTTP itself that no fault kind stands for.
type statusError struct {
	status int
	word   string
	fault  *fault.Error // a kind near it, and the text
}

func (e *statusError) Error() string { return e.fault.Error() }
func (e *statusError) Unwrap() error { return e.fault }

// What HTTP itself refuses.
var (
	errMethod      = &statusError{http.StatusMethodNotAllowed, "method-not-allowed", fault.New(fault.Malformed, "method is not allowed here; the Allow header lists those that are")}
	errMisdirected = &statusError{http.StatusMisdirectedRequest, "misdirected", fault.New(fault.Malformed, "Host is not a name of this server")}
	errMediaType   = &statusError{http.StatusUnsupportedMediaType, "unsupported-media-type", fault.New(fault.Malformed, "Content-Type must be application/json")}
	errSlowBody    = &statusError{http.StatusRequestTimeout, "request-timeout", fault.New(fault.Malformed, "request body did not arrive in time")}
	errNoRoute     = fault.New(fault.NotFound, "there is nothing at this path")
)
