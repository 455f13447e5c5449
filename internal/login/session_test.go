package login

import (
	"context"
	"testing"
	"time"

	"signet/internal/authapi"
	"signet/internal/ticket"
)

// slowAccounts answers when it is told to.
type slowAccounts struct {
	authapi.Service
	asked  chan struct{}
	answer chan error
}

func (a slowAccounts) Session(context.Context, authapi.SessionRequest) (authapi.Session, error) {
	a.asked <- struct{}{}
	return authapi.Session{Ticket: &ticket.Ticket{}}, <-a.answer
}

func TestASessionThatEndsWhileItIsLookedUpIsNotRemembered(t *testing.T) {
	a := slowAccounts{asked: make(chan struct{}), answer: make(chan error, 1)}
	s := newSessions(a, nil, Options{Now: time.Now})
	answered := make(chan struct{})
	look := func() {
		if _, err := s.of(t.Context(), "value", authapi.Browser{}); err != nil {
			t.Errorf("got %v", err)
		}
		answered <- struct{}{}
	}
	go look()
	<-a.asked // account has read that it lives
	s.forget()
	a.answer <- nil
	<-answered
	go look()
	select {
	case <-a.asked:
		a.answer <- nil
		<-answered
	case <-answered:
		t.Error("the second request did not ask account")
	}
}
