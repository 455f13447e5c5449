package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"signet/internal/fault"
)

var errTaken = fault.New(fault.Conflict, "name is taken")

func TestDerivedErrorsRemainTheirOrigin(t *testing.T) {
	err := fmt.Errorf("create user: %w", errTaken.At("email").Because("choose another").After(time.Second))

	if !errors.Is(err, errTaken) {
		t.Errorf("errors.Is(%v, errTaken) = false, want true", err)
	}
	if errors.Is(err, fault.New(fault.Conflict, "name is taken")) {
		t.Error("an error with the same text counts as the same error")
	}
	got, _ := fault.As(err)
	if got.Field != "email" || got.Retry != time.Second || got.Error() != "email: name is taken: choose another" {
		t.Errorf("got %+v (%q)", got, got.Error())
	}
	if errTaken.Field != "" || errTaken.Retry != 0 {
		t.Error("deriving changed the origin")
	}
}

func TestOtherErrorsAreInternal(t *testing.T) {
	if k := fault.KindOf(errors.New("disk on fire")); k != fault.Internal {
		t.Errorf("got %v, want internal", k)
	}
	if k := fault.KindOf(fmt.Errorf("x: %w", errTaken)); k != fault.Conflict {
		t.Errorf("got %v, want conflict", k)
	}
}

func TestNamedErrorIsItsOwnOrigin(t *testing.T) {
	named := fault.New(fault.Forbidden, "prove it is you").Named("step-up-required")

	if err := named.At("session"); !errors.Is(err, named) || err.Word != "step-up-required" {
		t.Errorf("got %+v, want an error that is %v and keeps its word", err, named)
	}
}
