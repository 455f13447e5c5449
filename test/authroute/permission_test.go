package authroute_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	signettest "signet/test/signet"
)

// callers are who calls, in the order of the columns of [routes].
var callers = []string{
	"owner", "other user", "reader", "operator", "other tenant's administrator", "narrow token", "service key",
	"nobody", "expired token", "revoked token", "disabled user", "nonsense",
}

// route is an operation, the statuses that each caller gets, and what they send.
type route struct {
	statuses [12]int
	path     string // KEY stands for a live key of the owner; for more see [matrix.fill]
	body     func(m *matrix, caller string) string
}

// row is a row where those who prove nothing, or with what is no longer good, get 401.
func row(owner, other, reader, operator, tenant, narrow, service int) [12]int {
	return [12]int{owner, other, reader, operator, tenant, narrow, service, 401, 401, 401, 401, 401}
}

// own is a row where every person may act for themselves.
func own(status int) [12]int { return row(status, status, status, status, status, 403, 403) }

// operators is a row where only the operator of the node may.
func operators(status int) [12]int { return row(403, 403, 403, status, 403, 403, 403) }

// public is a row where everybody may; what is sent along must be good nevertheless.
var public = [12]int{200, 200, 200, 200, 200, 200, 200, 200, 401, 401, 401, 401}

// routes lists every operation of the public listener. A new one needs a row.
var routes = map[string]route{
	"GET /api/v1/authroute/keys":                  {statuses: own(200)},
	"POST /api/v1/authroute/keys/primary":         {statuses: row(409, 201, 201, 201, 201, 403, 403), body: (*matrix).primary},
	"POST /api/v1/authroute/keys/generate":        {statuses: row(201, 403, 403, 403, 403, 403, 403), body: (*matrix).subkey},
	"POST /api/v1/authroute/keys/delegate":        {statuses: row(201, 403, 403, 403, 403, 403, 403), body: (*matrix).delegation},
	"POST /api/v1/authroute/keys/{key_id}/revoke": {statuses: row(200, 404, 404, 200, 404, 403, 403), path: "/api/v1/authroute/keys/KEY/revoke"},
	"GET /api/v1/authroute/keys/{key_id}/events":  {statuses: row(200, 404, 200, 200, 404, 403, 200), path: "/api/v1/authroute/keys/KEY/events"},
	"GET /api/v1/authroute/verifications":         {statuses: row(403, 403, 200, 200, 403, 403, 200)},
	"GET /api/v1/authroute/domains":               {statuses: operators(200)},
	"PUT /api/v1/authroute/domains/{domain}":      {statuses: operators(200), path: "/api/v1/authroute/domains/set.test", body: fixed(`{"mode":"enforce"}`)},
	"DELETE /api/v1/authroute/domains/{domain}":   {statuses: operators(204), path: "/api/v1/authroute/domains/unset.test"},
	"GET /api/v1/authroute/bypass":                {statuses: operators(200)},
	"PUT /api/v1/authroute/bypass":                {statuses: operators(200), body: fixed(`{"seconds":1,"reason":"a test"}`)},
	"DELETE /api/v1/authroute/bypass":             {statuses: operators(204)},
	"GET /api/v1/openapi.json":                    {statuses: public},
	"GET /.well-known/authroute-keys":             {statuses: public, path: "/.well-known/authroute-keys?address=alice@enforce.test"},
	"GET /.well-known/authroute-revocations":      {statuses: public},
	"GET /jwks":                                   {statuses: public},
	// Apps prove themselves with their secret; nothing else counts.
	"POST /handoff/redeem": {statuses: row(401, 401, 401, 401, 401, 401, 401), body: fixed(`{"nonce":"x","verifier":"x"}`)},
}

// administered lists what administrators do, to users of the system account. The
// administrator of another tenant sees none of them.
var administered = map[string]route{
	"GET /api/v1/users":                                    {statuses: row(403, 403, 403, 200, 200, 403, 403)},
	"POST /api/v1/users":                                   {statuses: row(403, 403, 403, 201, 201, 403, 403), body: (*matrix).newUser},
	"GET /api/v1/users/{user}":                             {statuses: administrators(200), path: "/api/v1/users/USER"},
	"PATCH /api/v1/users/{user}":                           {statuses: administrators(200), path: "/api/v1/users/USER", body: fixed(`{"display_name":"Other"}`)},
	"POST /api/v1/users/{user}/disable":                    {statuses: administrators(204), path: "/api/v1/users/USER/disable"},
	"POST /api/v1/users/{user}/enable":                     {statuses: administrators(204), path: "/api/v1/users/USER/enable"},
	"POST /api/v1/users/{user}/addresses":                  {statuses: administrators(204), path: "/api/v1/users/USER/addresses", body: (*matrix).newAddress},
	"DELETE /api/v1/users/{user}/addresses/{address}":      {statuses: administrators(204), path: "/api/v1/users/USER/addresses/ADDRESS"},
	"PUT /api/v1/users/{user}/roles/{role}":                {statuses: administrators(204), path: "/api/v1/users/USER/roles/reader"},
	"DELETE /api/v1/users/{user}/roles/{role}":             {statuses: administrators(204), path: "/api/v1/users/USER/roles/HELD"},
	"GET /api/v1/users/{user}/tokens":                      {statuses: administrators(200), path: "/api/v1/users/USER/tokens"},
	"DELETE /api/v1/tokens/{token_id}":                     {statuses: row(404, 404, 404, 204, 404, 404, 404), path: "/api/v1/tokens/TOKEN"},
	"GET /api/v1/users/{user}/identities":                  {statuses: administrators(200), path: "/api/v1/users/USER/identities"},
	"DELETE /api/v1/users/{user}/identities/{identity_id}": {statuses: administrators(404), path: "/api/v1/users/USER/identities/idn_none"},
	"GET /api/v1/users/{user}/sessions":                    {statuses: administrators(200), path: "/api/v1/users/USER/sessions"},
	"DELETE /api/v1/users/{user}/sessions":                 {statuses: administrators(200), path: "/api/v1/users/USER/sessions"},
	"DELETE /api/v1/users/{user}/sessions/{session_id}":    {statuses: administrators(404), path: "/api/v1/users/USER/sessions/ses_none"},
	"POST /api/v1/users/{user}/setup-link":                 {statuses: administrators(201), path: "/api/v1/users/USER/setup-link"},
	"POST /api/v1/users/{user}/reset-factors":              {statuses: administrators(204), path: "/api/v1/users/USER/reset-factors"},
	"GET /api/v1/roles":                                    {statuses: row(403, 403, 403, 200, 200, 403, 403)},
	"POST /api/v1/roles":                                   {statuses: row(403, 403, 403, 201, 201, 403, 403), body: (*matrix).newRole},
	"PATCH /api/v1/roles/{role}":                           {statuses: administrators(204), path: "/api/v1/roles/ROLE", body: fixed(`{"mfa":true}`)},
	"DELETE /api/v1/roles/{role}":                          {statuses: administrators(204), path: "/api/v1/roles/ROLE"},
	"GET /api/v1/accounts":                                 {statuses: operators(200)},
	"POST /api/v1/accounts":                                {statuses: operators(201), body: (*matrix).newRole},
	"POST /api/v1/accounts/{account}/disable":              {statuses: operators(204), path: "/api/v1/accounts/ACCOUNT/disable"},
	"POST /api/v1/accounts/{account}/enable":               {statuses: operators(204), path: "/api/v1/accounts/ACCOUNT/enable"},
	"PUT /api/v1/accounts/{account}/mfa":                   {statuses: row(404, 404, 404, 204, 404, 404, 404), path: "/api/v1/accounts/ACCOUNT/mfa", body: fixed(`{"on":true}`)},
	"GET /api/v1/clients":                                  {statuses: row(403, 403, 403, 200, 200, 403, 403)},
	"POST /api/v1/clients":                                 {statuses: row(403, 403, 403, 201, 201, 403, 403), body: fixed(`{"name":"App"}`)},
	"GET /api/v1/clients/{client_id}":                      {statuses: administrators(200), path: "/api/v1/clients/CLIENT"},
	"PATCH /api/v1/clients/{client_id}":                    {statuses: administrators(200), path: "/api/v1/clients/CLIENT", body: fixed(`{"name":"Other"}`)},
	"POST /api/v1/clients/{client_id}/rotate":              {statuses: administrators(200), path: "/api/v1/clients/CLIENT/rotate"},
	"DELETE /api/v1/clients/{client_id}":                   {statuses: administrators(204), path: "/api/v1/clients/CLIENT"},
	"GET /api/v1/accounts/{account}/token-policy":          {statuses: administrators(200), path: "/api/v1/accounts/system/token-policy"},
	"PUT /api/v1/accounts/{account}/token-policy":          {statuses: administrators(200), path: "/api/v1/accounts/system/token-policy", body: fixed(`{"dpop":"optional"}`)},
	"GET /api/v1/service-keys":                             {statuses: row(403, 403, 403, 200, 200, 403, 403)},
	"POST /api/v1/service-keys":                            {statuses: row(403, 403, 403, 201, 201, 403, 403), body: fixed(`{"name":"k","permissions":["users:read"]}`)},
	"DELETE /api/v1/service-keys/{key_id}":                 {statuses: administrators(204), path: "/api/v1/service-keys/SERVICE"},
}

// stored lists what there is about the object storage: people see and share what is
// their own, administrators all of their account.
var stored = map[string]route{
	"GET /api/v1/objects/keys":                         {statuses: own(200)},
	"POST /api/v1/objects/keys":                        {statuses: row(403, 403, 403, 201, 201, 403, 403), body: fixed(`{"name":"k","grants":["files:read"]}`)},
	"GET /api/v1/objects/keys/{access_key_id}":         {statuses: administrators(200), path: "/api/v1/objects/keys/ACCESS"},
	"POST /api/v1/objects/keys/{access_key_id}/rotate": {statuses: administrators(201), path: "/api/v1/objects/keys/ACCESS/rotate"},
	"DELETE /api/v1/objects/keys/{access_key_id}":      {statuses: administrators(204), path: "/api/v1/objects/keys/ACCESS"},
	"GET /api/v1/objects/grants":                       {statuses: own(200)},
	"POST /api/v1/objects/grants":                      {statuses: own(201), body: (*matrix).newGrant},
	"DELETE /api/v1/objects/grants/{grant_id}":         {statuses: row(404, 404, 404, 204, 404, 403, 403), path: "/api/v1/objects/grants/GRANT"},
	"GET /api/v1/objects/buckets":                      {statuses: own(200)},
	"GET /api/v1/objects/buckets/{bucket}":             {statuses: own(404), path: "/api/v1/objects/buckets/nobodys"},
	"PUT /api/v1/objects/buckets/{bucket}/owner":       {statuses: row(403, 403, 403, 404, 404, 403, 403), path: "/api/v1/objects/buckets/nobodys/owner", body: fixed(`{"user":"root@enforce.test"}`)},
	"GET /api/v1/objects/denials":                      {statuses: row(403, 403, 403, 200, 200, 403, 403)},
}

// administrators is a row where the administrator of that account may, and none of another.
func administrators(status int) [12]int { return row(403, 403, 403, status, 404, 403, 403) }

// fixed is a body that is the same for all.
func fixed(body string) func(*matrix, string) string {
	return func(*matrix, string) string { return body }
}

func TestEveryRouteAnswersEachCallerAsItShould(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	all := everyRoute()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		method, path, _ := strings.Cut(name, " ")
		if all[name].path != "" {
			path = all[name].path
		}
		for n, caller := range callers {
			t.Run(name+" by "+caller, func(t *testing.T) { m.call(t, method, path, caller, all[name], n) })
		}
	}
}

func everyRoute() map[string]route {
	all := maps.Clone(routes)
	maps.Copy(all, administered)
	maps.Copy(all, stored)
	return all
}

// The matrix is complete: a route that nobody thought about fails here.
func TestEveryRouteHasARowInThePermissionMatrix(t *testing.T) {
	t.Parallel()
	f := newOffice(t, signettest.Options{})
	var description struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	f.signet.Call(http.MethodGet, "/api/v1/openapi.json", "", "").JSON(t, &description)
	served := []string{ // what the description does not list
		"GET /api/v1/openapi.json", "GET /.well-known/authroute-keys", "GET /.well-known/authroute-revocations",
		"GET /jwks", "POST /handoff/redeem",
	}
	for path, methods := range description.Paths {
		for method := range methods {
			served = append(served, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(served)
	if listed := slices.Sorted(maps.Keys(everyRoute())); !slices.Equal(listed, served) {
		t.Errorf("the matrix has\n%s\nthe server has\n%s", strings.Join(listed, "\n"), strings.Join(served, "\n"))
	}
}

// matrix is an installation with one caller of each kind.
type matrix struct {
	*office
	t      *testing.T        // of the running cell
	tokens map[string]string // by caller; the service key too
	emails map[string]string // by caller, of those who are not the owner
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{office: newOffice(t, signettest.Options{}), t: t}
	m.Run("admin", "create-role", "--name", "reader", "--permission", "authroute:read")
	m.Run("admin", "create-account", "--name", "tenant")
	m.CreateUser("reader@enforce.test", "--role", "reader")
	m.CreateUser("tenant@enforce.test", "--account", "tenant", "--role", "administrator")
	m.CreateUser("other@enforce.test")
	m.CreateUser("gone@enforce.test")

	token := func(user string, args ...string) string {
		_, secret := m.CreateToken(user, args...)
		return secret
	}
	revokedID, revoked := m.CreateToken(alice)
	m.Run("admin", "revoke-token", revokedID)
	var service struct {
		Key string `json:"service_key"`
	}
	m.JSON(&service, "admin", "create-service-key", "--name", "monitoring", "--permission", "authroute:read")
	m.Secrets.Add(service.Key)
	m.tokens = map[string]string{
		"owner": m.alice.Token, "other user": token("other@enforce.test"), "reader": token("reader@enforce.test"),
		"operator": m.admin, "other tenant's administrator": token("tenant@enforce.test"),
		"narrow token": token(alice, "--scope", "users:read"), "service key": service.Key,
		"expired token": token(alice, "--for", "3s"), "revoked token": revoked,
		"disabled user": token("gone@enforce.test"), "nonsense": "sgt_nonsense",
	}
	m.Run("admin", "user", "disable", "gone@enforce.test")
	signettest.Await(t, "token expires", arrivesWithin, func() error {
		if a := m.signet.Call(http.MethodGet, "/api/v1/authroute/keys", m.tokens["expired token"], ""); a.Status != http.StatusUnauthorized {
			return fmt.Errorf("got %d", a.Status)
		}
		return nil
	})
	m.emails = map[string]string{
		"other user": "other@enforce.test", "reader": "reader@enforce.test",
		"operator": "root@enforce.test", "other tenant's administrator": "tenant@enforce.test",
	}
	return m
}

func (m *matrix) call(t *testing.T, method, path, caller string, r route, column int) {
	m.t = t
	if before, after, ok := strings.Cut(path, "KEY"); ok {
		path = before + m.alice.NewKey(t, alice).ID + after
	}
	path = m.fill(t, path)
	if method == http.MethodDelete && strings.HasPrefix(path, "/api/v1/authroute/") && r.statuses[column] == http.StatusNoContent {
		m.prepare(t, path)
	}
	body := ""
	if r.body != nil {
		body = r.body(m, caller)
	}
	token, headers := m.tokens[caller], []string(nil)
	if caller == "service key" {
		token, headers = "", []string{"X-Api-Key", m.tokens[caller]}
	}
	a := m.signet.Call(method, path, token, body, headers...)
	if a.Status != r.statuses[column] {
		t.Errorf("got %d %s, want %d", a.Status, a.Body, r.statuses[column])
	}
	if a.Status == http.StatusUnauthorized && a.Header.Get("WWW-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate (RFC 9110, section 15.5.2)")
	}
}

// prepare makes what the operator is to delete.
func (m *matrix) prepare(t *testing.T, path string) {
	t.Helper()
	body := `{"mode":"monitor"}`
	if strings.HasSuffix(path, "/bypass") {
		body = `{"seconds":1,"reason":"a test"}`
	}
	if a := m.signet.Call(http.MethodPut, path, m.admin, body); a.Status != http.StatusOK {
		t.Fatalf("PUT %s: %d %s", path, a.Status, a.Body)
	}
}

// primary is a good first primary key for the caller's own address.
func (m *matrix) primary(caller string) string {
	address := m.emails[caller]
	if address == "" {
		address = alice
	}
	return primaryBody(m.signet.Origin, signettest.NewKey(m.t, address), time.Now()).text(m.t)
}

// subkey is a subkey for the owner's address, certified by the owner's primary.
func (m *matrix) subkey(string) string {
	return subkeyBody(m.alice.Primary, signettest.NewKey(m.t, alice), time.Now().Add(time.Hour)).text(m.t)
}

func (m *matrix) delegation(string) string {
	return body{"address": alice, "expires_at": stamp(time.Now().Add(time.Hour))}.text(m.t)
}
