package console

import (
	"signet/internal/authapi"
	"signet/internal/fault"
	"signet/internal/ticket"
)

var (
	errForm   = fault.New(fault.Malformed, "the form is not whole")
	errNumber = fault.New(fault.Invalid, "is not one of the choices")
)

// refusal reports an error that the form's own page can show. Those that lead to
// another page, and those that hide the page, are not.
func refusal(err error) bool {
	f, ok := fault.As(err)
	if !ok || f.Kind == fault.Unauthorized || f.Kind == fault.NotFound || f.Kind == fault.Internal {
		return false
	}
	word := authapi.Word(err)
	return word != authapi.WordStepUp && word != authapi.WordSession && word != authapi.Word(ticket.ErrNone)
}
