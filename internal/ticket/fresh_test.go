package ticket_test

import (
	"errors"
	"testing"
	"time"

	"signet/internal/ticket"
)

func TestDangerousCallsNeedWhoIsThereNow(t *testing.T) {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	recent, old := now.Add(-ticket.FreshFor), now.Add(-ticket.FreshFor-time.Second)
	const two = "urn:signet:2"
	for name, c := range map[string]struct {
		t    *ticket.Ticket
		want error
	}{
		"nobody":                           {nil, ticket.ErrNone},
		"command line":                     {ticket.Operator(nil), nil},
		"service key":                      {&ticket.Ticket{Kind: ticket.Key}, nil},
		"API token":                        {&ticket.Ticket{Kind: ticket.User, AMR: []string{"api_token"}}, nil},
		"API token with scopes":            {&ticket.Ticket{Kind: ticket.User, AMR: []string{"api_token"}, Scopes: []string{"x"}}, nil},
		"session":                          {&ticket.Ticket{Kind: ticket.User, Session: "s", AuthTime: recent}, nil},
		"old session":                      {&ticket.Ticket{Kind: ticket.User, Session: "s", AuthTime: old, ACR: two}, ticket.ErrStepUp},
		"session of nobody knows when":     {&ticket.Ticket{Kind: ticket.User, Session: "s"}, ticket.ErrStepUp},
		"access token":                     {&ticket.Ticket{Kind: ticket.User, Session: "s", Scopes: []string{"x"}, AuthTime: recent, ACR: two}, nil},
		"access token, passkey":            {&ticket.Ticket{Kind: ticket.User, Scopes: []string{"x"}, AuthTime: recent, ACR: "phr"}, nil},
		"access token of a password":       {&ticket.Ticket{Kind: ticket.User, Scopes: []string{"x"}, AuthTime: recent, ACR: "urn:signet:1"}, ticket.ErrStale},
		"old access token":                 {&ticket.Ticket{Kind: ticket.User, Scopes: []string{"x"}, AuthTime: old, ACR: two}, ticket.ErrStale},
		"access token of a device":         {&ticket.Ticket{Kind: ticket.User, Scopes: []string{"x"}}, ticket.ErrStale},
		"access token without any scope":   {&ticket.Ticket{Kind: ticket.User, Scopes: []string{}, ACR: two}, ticket.ErrStale},
		"access token of a client":         {&ticket.Ticket{Kind: ticket.Client, Scopes: []string{"x"}}, ticket.ErrStale},
		"client that claims a fresh login": {&ticket.Ticket{Kind: ticket.Client, AuthTime: recent, ACR: "urn:signet:1"}, ticket.ErrStale},
	} {
		if err := c.t.DemandFresh(now); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}
