package app

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"signet/internal/audit"
	"signet/internal/config"
	"signet/internal/ticket"
	"signet/internal/web"
)

func TestRefusalsAreOnRecord(t *testing.T) {
	cfg := config.Default()
	cfg.Server.DataDir = t.TempDir()
	a, err := OpenOrCreate(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	h := web.Chain(web.Handler(func(http.ResponseWriter, *http.Request) error { return ticket.ErrForbidden }),
		recordRefusals(a.Audit, http.StatusUnauthorized), recordRefusals(a.Audit, http.StatusForbidden))
	ctx := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: "usr_x"})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodPut, "/api/v1/x?token=geheim", nil))

	rows, _, err := a.Audit.List(a.AsOperator(t.Context()), audit.Filter{Action: "api.refuse"}, "")
	if err != nil || len(rows) != 1 {
		t.Fatalf("got %d rows, %v, want 1", len(rows), err)
	}
	if r := rows[0]; r.Target != "PUT /api/v1/x" || r.Reason != "403" || r.Outcome != audit.Refused || r.Actor.ID != "usr_x" {
		t.Errorf("got %+v", r)
	}
}

func TestNoMailedCodeIsOnRecord(t *testing.T) {
	for path, want := range map[string]string{
		"/setup/geheim": "/setup/{code}", "/login/link/geheim": "/login/link/{code}", "//setup/geheim": "//setup/{code}",
		"/login": "/login", "/api/v1/users/usr_x": "/api/v1/users/usr_x",
	} {
		if got := withoutCode(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}
