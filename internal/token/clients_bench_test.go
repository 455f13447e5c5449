package token_test

import (
	"testing"
	"time"

	"signet/internal/audit"
	"signet/internal/db/dbtest"
	"signet/internal/token"
)

func BenchmarkClientProvesItselfBySecret(b *testing.B) {
	d := dbtest.SQLite(b)
	if _, err := d.SQL().ExecContext(b.Context(), `INSERT INTO accounts (id, name, kind, created_at) VALUES ('acme', 'acme', 'tenant', $1)`, start); err != nil {
		b.Fatal(err)
	}
	s := token.NewClients(d, byName{}, audit.Discard, token.ClientOptions{Now: time.Now})
	c, secret, err := s.Create(member(b.Context(), "acme", "oauth:clients"), token.NewClient{
		Name: "App", Grants: []string{token.GrantCredentials}, Scopes: []string{"a", "b"}, Audiences: []string{api},
	})
	if err != nil {
		b.Fatal(err)
	}
	r := token.ClientRequest{Authorization: basic(c.ID, secret)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.AuthenticateRequest(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
