package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"signet/internal/fault"
	"signet/internal/ticket"
	"signet/internal/web"
)

type thing struct {
	Name   string    `json:"name" maxLength:"10"`
	Secret string    `json:"secret,omitempty" pattern:"^[a-z]+$"`
	Count  int       `json:"count,omitempty"`
	Mail   string    `json:"mail,omitempty" format:"email"`
	Link   string    `json:"link,omitempty" format:"uri"`
	At     time.Time `json:"at,omitzero"`
	Parts  []struct {
		ID string `json:"id"`
	} `json:"parts,omitempty"`
	Any any `json:"any,omitempty"`
}

type input struct {
	ID    string `path:"id"`
	Limit int    `query:"limit" maximum:"100"`
	Body  thing
}

type output struct{ Body thing }

// api serves POST /api/v1/things/{id}, which returns its body, or err.
func api(t testing.TB, err error) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	huma.Register(web.API(mux, "test", "1"), huma.Operation{
		OperationID: "create-thing", Method: http.MethodPost, Path: "/api/v1/things/{id}",
	}, func(_ context.Context, in *input) (*output, error) {
		if err != nil {
			return nil, err
		}
		return &output{Body: in.Body}, nil
	})
	return wrap(t, mux, web.Options{MaxBody: 100_000})
}

const asJSON = "application/json"

func TestBadRequestsAreRefusedByName(t *testing.T) {
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	cases := []struct {
		name, target, contentType, body string
		status                          int
		word, field                     string
	}{
		{"good", "/1", asJSON, `{"name":"a"}`, 200, "", ""},
		{"good with charset", "/1", "application/json; charset=UTF-8", `{"name":"a"}`, 200, "", ""},
		{"no JSON", "/1", asJSON, `{"name":hunter2}`, 400, "malformed", ""},
		{"broken off", "/1", asJSON, `{"name":"hunter2`, 400, "malformed", ""},
		{"trailing data", "/1", asJSON, `{"name":"a"}{"name":"hunter2"}`, 400, "malformed", ""},
		{"empty", "/1", asJSON, ``, 400, "malformed", ""},
		{"not UTF-8", "/1", asJSON, "{\"name\":\"hunter2\xff\"}", 400, "malformed", ""},
		{"NUL", "/1", asJSON, `{"name":"hunter2\u0000"}`, 400, "malformed", ""},
		{"NUL in a name", "/1", asJSON, `{"name\u0000":"hunter2"}`, 400, "malformed", ""},
		{"same member twice", "/1", asJSON, `{"name":"a","name":"hunter2"}`, 400, "malformed", "name"},
		{"same member twice inside", "/1", asJSON, `{"name":"a","any":[{"x":{"y":1}},{"x":1,"x":2}]}`, 400, "malformed", "x"},
		{"same member by escape", "/1", asJSON, `{"name":"a","n\u0061me":"hunter2"}`, 400, "malformed", "name"},
		{"too deep", "/1", asJSON, `{"name":"a","any":` + deep + `}`, 400, "malformed", ""},
		{"bottomless", "/1", asJSON, strings.Repeat("[", 90_000), 400, "malformed", ""},
		{"unknown member", "/1", asJSON, `{"name":"a","nam":"hunter2"}`, 422, "invalid", "nam"},
		{"other case", "/1", asJSON, `{"name":"a","Name":"hunter2"}`, 422, "invalid", "Name"},
		{"unknown member inside", "/1", asJSON, `{"name":"a","parts":[{"id":"x","hm":1}]}`, 422, "invalid", "parts[0].hm"},
		{"member missing", "/1", asJSON, `{}`, 422, "invalid", "name"},
		{"member missing inside", "/1", asJSON, `{"name":"a","parts":[{}]}`, 422, "invalid", "parts[0].id"},
		{"too long", "/1", asJSON, `{"name":"hunter2hunter2"}`, 422, "invalid", "name"},
		{"wrong pattern", "/1", asJSON, `{"name":"a","secret":"hunter2"}`, 422, "invalid", "secret"},
		{"wrong type", "/1", asJSON, `{"name":{"x":"hunter2"}}`, 422, "invalid", "name"},
		{"null", "/1", asJSON, `{"name":null}`, 422, "invalid", "name"},
		{"array for object", "/1", asJSON, `["hunter2"]`, 422, "invalid", ""},
		{"string for object", "/1", asJSON, `"hunter2"`, 422, "invalid", ""},
		{"null for object", "/1", asJSON, `null`, 422, "invalid", ""},
		{"number out of range", "/1", asJSON, `{"name":"a","count":1e300}`, 422, "invalid", "count"},
		{"number beyond floats", "/1", asJSON, `{"name":"a","count":1e999}`, 400, "malformed", ""},
		{"bad address", "/1", asJSON, `{"name":"a","mail":"hunter2@@"}`, 422, "invalid", "mail"},
		{"bad link", "/1", asJSON, `{"name":"a","link":"https://hunter2%zz"}`, 422, "invalid", "link"},
		{"bad time", "/1", asJSON, `{"name":"a","at":"hunter2"}`, 422, "invalid", "at"},
		{"year beyond RFC 3339", "/1", asJSON, `{"name":"a","at":"0000-13-99T99:99:99Z"}`, 422, "invalid", "at"},
		{"bad query", "/1?limit=hunter2", asJSON, `{"name":"a"}`, 422, "invalid", "limit"},
		{"query too big", "/1?limit=101", asJSON, `{"name":"a"}`, 422, "invalid", "limit"},
		{"unknown query", "/1?limt=1", asJSON, `{"name":"a"}`, 422, "invalid", "limt"},
		{"form", "/1", "application/x-www-form-urlencoded", `name=a`, 415, "unsupported-media-type", ""},
		{"text", "/1", "text/plain", `{"name":"a"}`, 415, "unsupported-media-type", ""},
		{"no type", "/1", "", `{"name":"a"}`, 415, "unsupported-media-type", ""},
		{"type with other charset", "/1", "application/json; charset=utf-16", `{"name":"a"}`, 415, "unsupported-media-type", ""},
		{"other JSON", "/1", "application/x+json", `{"name":"a"}`, 415, "unsupported-media-type", ""},
		{"over the cap", "/1", asJSON, `{"name":"` + strings.Repeat("a", 100_000) + `"}`, 413, "too-large", ""},
		{"NUL in the path", "/%00", asJSON, `{"name":"a"}`, 400, "malformed", ""},
	}
	log := captureLog(t)
	h := api(t, nil)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := do(t, h, "POST", "/api/v1/things"+c.target, c.body, "Content-Type", c.contentType)
			if w.Code == http.StatusOK && c.status == http.StatusOK {
				return
			}
			p := problem(t, w)
			if w.Code != c.status || p.Type != "urn:signet:problem:"+c.word || p.Field != c.field {
				t.Errorf("got %d %s %q (%s), want %d %s %q", w.Code, p.Type, p.Field, p.Detail, c.status, c.word, c.field)
			}
			if strings.Contains(w.Body.String(), "hunter2") {
				t.Errorf("answer repeats a value: %s", w.Body)
			}
			if p.RequestID == "" || p.Title == "" || p.Detail == "" {
				t.Errorf("got %+v, want request_id, title and detail", p)
			}
		})
	}
	if s := log.String(); strings.Contains(s, "hunter2") || strings.Contains(s, "level=ERROR") {
		t.Errorf("log has a value or an error:\n%s", s)
	}
}

func TestBodyOfUnknownLengthIsCappedToo(t *testing.T) {
	r := strings.NewReader(`{"name":"` + strings.Repeat("a", 100_000) + `"}`)
	h := api(t, nil)
	w := doReader(t, h, "/api/v1/things/1", struct{ *strings.Reader }{r})
	if p := problem(t, w); p.Status != 413 || p.Type != "urn:signet:problem:too-large" {
		t.Errorf("got %+v, want 413", p)
	}
}

func TestOperationsFailLikeHandlers(t *testing.T) {
	log := captureLog(t)
	cases := []struct {
		err    error
		status int
		word   string
	}{
		{fault.New(fault.NotFound, "no such thing").At("id"), 404, "not-found"},
		{fmt.Errorf("store: %w", fault.New(fault.Conflict, "taken")), 409, "conflict"},
		{fault.New(fault.TooMany, "slow down").After(3 * time.Second), 429, "too-many"},
		{ticket.ErrNone, 401, "unauthorized"},
		{errors.New("hunter2 on fire"), 500, "internal"},
	}
	for _, c := range cases {
		t.Run(c.word, func(t *testing.T) {
			w := do(t, api(t, c.err), "POST", "/api/v1/things/1", `{"name":"a"}`, "Content-Type", asJSON)
			p := problem(t, w)
			if w.Code != c.status || p.Type != "urn:signet:problem:"+c.word || p.RequestID == "" {
				t.Errorf("got %d %+v, want %d %s", w.Code, p, c.status, c.word)
			}
			if strings.Contains(w.Body.String(), "hunter2") {
				t.Errorf("answer tells an internal text: %s", w.Body)
			}
			if c.status == 401 && w.Header().Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
			if c.status == 429 && w.Header().Get("Retry-After") != "3" {
				t.Errorf("Retry-After: got %q, want 3", w.Header().Get("Retry-After"))
			}
		})
	}
	if n := strings.Count(log.String(), "hunter2 on fire"); n != 1 {
		t.Errorf("internal error logged %d times, want once:\n%s", n, log)
	}
}

func TestDescriptionNamesTheProblemShape(t *testing.T) {
	w := do(t, api(t, nil), "GET", web.OpenAPIPath, "")
	var doc struct {
		OpenAPI    string
		Paths      map[string]json.RawMessage
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	if doc.OpenAPI != "3.1.0" || doc.Paths["/api/v1/things/{id}"] == nil {
		t.Errorf("got %s", w.Body)
	}
	for _, member := range []string{"type", "title", "status", "detail", "field", "request_id"} {
		if doc.Components.Schemas["Problem"].Properties[member] == nil {
			t.Errorf("problem schema lacks %q: %v", member, doc.Components.Schemas)
		}
	}
}

func TestHandlersDecodeJSONAsStrictly(t *testing.T) {
	h := web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		var v thing
		if err := web.DecodeJSON(r, &v); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		field                   string
	}{
		{"good", asJSON, `{"name":"a"}`, 204, ""},
		{"unknown", asJSON, `{"name":"a","nam":"hunter2"}`, 422, "nam"},
		{"twice", asJSON, `{"name":"a","name":"hunter2"}`, 400, "name"},
		{"other type", asJSON, `{"count":"hunter2"}`, 422, "count"},
		{"fraction", asJSON, `{"count":1.2222}`, 422, "count"},
		{"bad time", asJSON, `{"at":"hunter2"}`, 400, ""},
		{"broken", asJSON, `{"name":`, 400, ""},
		{"trailing", asJSON, `{"name":"a"} hunter2`, 400, ""},
		{"form", "text/plain", `{"name":"a"}`, 415, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := do(t, h, "POST", "/", c.body, "Content-Type", c.contentType)
			if w.Code != c.status {
				t.Fatalf("got %d %s, want %d", w.Code, w.Body, c.status)
			}
			if strings.Contains(w.Body.String(), "hunter2") || strings.Contains(w.Body.String(), "1.2222") {
				t.Errorf("answer repeats a value: %s", w.Body)
			}
			if c.status != 204 && problem(t, w).Field != c.field {
				t.Errorf("field: got %s, want %q", w.Body, c.field)
			}
		})
	}
}

func FuzzBodiesNeverBreakTheServer(f *testing.F) {
	captureLog(f)
	for _, seed := range []string{`{"name":"a"}`, `{"name":"a","any":[1,{"x":null}]}`, `[]`, `"\u0000"`, `{"at":"2026-01-02T03:04:05Z","count":-1e3}`} {
		f.Add(seed)
	}
	h := api(f, nil)
	f.Fuzz(func(t *testing.T, body string) {
		w := do(t, h, "POST", "/api/v1/things/1", body, "Content-Type", asJSON)
		if w.Code >= 500 {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}
