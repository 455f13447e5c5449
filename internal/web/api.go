package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/validation"

	"signet/internal/fault"
)

// OpenAPIPath is where [API] serves its description.
const OpenAPIPath = "/api/v1/openapi.json"

// API returns a huma API on mux whose refusals are the same problems as those of
// [Handler]. Operations name their whole path, such as "/api/v1/authroute/keys",
// and return faults as they are.
//
// Bodies must be application/json. Members and query parameters that an operation
// does not know are refused by name; names are matched exactly.
func API(mux *http.ServeMux, title, version string) huma.API {
	configureHuma()
	api := humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: title, Version: version},
		},
		Formats:                      map[string]huma.Format{"application/json": jsonFormat(), "json": jsonFormat()},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	})
	api.UseMiddleware(demandJSON)
	mux.Handle("GET "+OpenAPIPath, describe(api))
	return api
}

// configureHuma sets what huma offers only as package variables: how errors are
// made (its own repeat the body), and that "Name" is not "name" (two parsers must
// not read two different bodies). All APIs of a process want the same, so setting
// them with the first is enough.
var configureHuma = sync.OnceFunc(func() {
	huma.ValidateStrictCasing = true
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return ProblemOf(context.Background(), humaError(status, msg, errs))
	}
	huma.NewErrorWithContext = humaProblem
})

func jsonFormat() huma.Format {
	f := huma.DefaultJSONFormat
	f.Unmarshal = unmarshalJSON
	return f
}

// describe serves the OpenAPI document, which is complete by the first request.
func describe(api huma.API) http.Handler {
	document := sync.OnceValues(func() ([]byte, error) { return json.Marshal(api.OpenAPI()) })
	return Handler(func(w http.ResponseWriter, _ *http.Request) error {
		b, err := document()
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(b) // the client may be gone
		return nil
	})
}

// demandJSON refuses a JSON operation's body of another type, where huma would
// take one without a type for JSON.
func demandJSON(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	body := ctx.Operation().RequestBody
	if body != nil && body.Content["application/json"] != nil && r.ContentLength != 0 && !isJSON(r.Header.Get("Content-Type")) {
		Fail(w, r, errMediaType)
		return
	}
	next(ctx)
}

// humaProblem is what huma calls for each failed request: with the error of an
// operation, or with its own findings about a request.
func humaProblem(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
	err := humaError(status, msg, errs)
	p := ProblemOf(ctx.Context(), err)
	r, w := humago.Unwrap(ctx)
	p.log(ctx.Context(), routeOf(r), err)
	p.setHeaders(w.Header())
	return p
}

func humaError(status int, msg string, errs []error) error {
	finding := firstFinding(errs)
	switch {
	case status == http.StatusRequestTimeout:
		return errSlowBody
	case status == http.StatusUnsupportedMediaType:
		return errMediaType
	case status == http.StatusRequestEntityTooLarge:
		return errBodyCap
	case finding != nil && status == http.StatusBadRequest:
		return finding.fault(fault.Malformed)
	case finding != nil:
		return finding.fault(fault.Invalid)
	case len(errs) > 0:
		return errors.Join(errs...)
	case status == http.StatusBadRequest:
		return fault.New(fault.Malformed, msg)
	}
	return &statusError{status, strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "-"), fault.New(fault.Malformed, msg)}
}

// finding is what huma found wrong with one member or parameter.
type finding struct {
	place string // as clients know it: "limit", "address.city"
	text  string
}

// firstFinding returns the first in order of place, which huma's map iteration
// does not keep; nil where errs are not findings.
func firstFinding(errs []error) *finding {
	var list []finding
	for _, err := range errs {
		if d, ok := err.(*huma.ErrorDetail); ok { //nolint:errorlint // huma hands these over bare
			list = append(list, newFinding(d))
		}
	}
	if len(list) == 0 {
		return nil
	}
	first := slices.MinFunc(list, func(a, b finding) int { return strings.Compare(a.place, b.place) })
	return &first
}

func newFinding(d *huma.ErrorDetail) finding {
	// Our own JSON errors arrive as text: "name: body names a member twice".
	if field, text, ok := strings.Cut(d.Message, ": "); ok && d.Location == "body" && isOurs(text) {
		return finding{place: field, text: text}
	}
	place := d.Location
	for _, prefix := range []string{"body", "query", "path", "header", "cookie"} {
		if rest, ok := strings.CutPrefix(place, prefix); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			place = strings.TrimPrefix(rest, ".")
			break
		}
	}
	text := d.Message
	if !isOurs(text) {
		text, _, _ = strings.Cut(text, ": ") // what follows may repeat the value
	}
	if missing, ok := strings.CutPrefix(text, "expected required property "); ok {
		missing, _, _ = strings.Cut(missing, " ")
		place, text = strings.TrimPrefix(place+"."+missing, "."), "is required"
	}
	if text == validation.MsgUnexpectedProperty {
		text = errJSONMember.Text
	}
	return finding{place: shorten(place), text: text}
}

func isOurs(text string) bool {
	for _, e := range []*fault.Error{errJSON, errJSONDepth, errJSONTwice, errJSONText, errJSONType} {
		if strings.HasPrefix(text, e.Text) {
			return true
		}
	}
	return false
}

func (f *finding) fault(k fault.Kind) *fault.Error { return fault.New(k, f.text).At(f.place) }
