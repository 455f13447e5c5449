package token

import (
	"encoding/json"
	"net/http"
	"slices"
)

// metadata is what clients learn of this server (RFC 8414, section 2; OpenID Connect
// Discovery, section 3). It names only what works.
type metadata struct {
	Issuer               string   `json:"issuer"`
	Authorization        string   `json:"authorization_endpoint"`
	Token                string   `json:"token_endpoint"`
	JWKS                 string   `json:"jwks_uri"`
	PAR                  string   `json:"pushed_authorization_request_endpoint"`
	Device               string   `json:"device_authorization_endpoint"`
	Introspection        string   `json:"introspection_endpoint"`
	Revocation           string   `json:"revocation_endpoint"`
	UserInfo             string   `json:"userinfo_endpoint"`
	EndSession           string   `json:"end_session_endpoint"`
	Scopes               []string `json:"scopes_supported"`
	ResponseTypes        []string `json:"response_types_supported"`
	ResponseModes        []string `json:"response_modes_supported"`
	Grants               []string `json:"grant_types_supported"`
	Challenges           []string `json:"code_challenge_methods_supported"`
	TokenAuth            []string `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs        []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuth    []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationAuth       []string `json:"revocation_endpoint_auth_methods_supported"`
	Subjects             []string `json:"subject_types_supported"`
	IDTokenAlgs          []string `json:"id_token_signing_alg_values_supported"`
	Claims               []string `json:"claims_supported"`
	ACRs                 []string `json:"acr_values_supported"`
	Prompts              []string `json:"prompt_values_supported"`
	UILocales            []string `json:"ui_locales_supported,omitempty"`
	DPoPAlgs             []string `json:"dpop_signing_alg_values_supported,omitempty"`
	IssInResponse        bool     `json:"authorization_response_iss_parameter_supported"`
	RequestParameter     bool     `json:"request_parameter_supported"`
	RequestURIParameter  bool     `json:"request_uri_parameter_supported"`
	ClaimsParameter      bool     `json:"claims_parameter_supported"`
	CertificateBound     bool     `json:"tls_client_certificate_bound_access_tokens"`
	BackchannelLogout    bool     `json:"backchannel_logout_supported"`
	BackchannelLogoutSID bool     `json:"backchannel_logout_session_supported"`
	MTLS                 *aliases `json:"mtls_endpoint_aliases,omitempty"`
}

// aliases are the endpoints that ask for a client certificate (RFC 8705, section 5).
type aliases struct {
	Token         string `json:"token_endpoint"`
	PAR           string `json:"pushed_authorization_request_endpoint"`
	Device        string `json:"device_authorization_endpoint"`
	Introspection string `json:"introspection_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
	UserInfo      string `json:"userinfo_endpoint"`
}

func (g *OAuth) metadata() metadata {
	at := func(path string) string { return g.authority.options.Issuer + path }
	auth := []string{
		string(AuthBasic), string(AuthPost), string(AuthKey), string(AuthNone),
	}
	m := metadata{
		Issuer: g.authority.options.Issuer, Authorization: at("/authorize"), Token: at(pathToken), JWKS: at("/jwks"), PAR: at(pathPAR),
		Device: at(pathDevice), Introspection: at(pathIntrospect), Revocation: at(pathRevoke), UserInfo: at(pathUserInfo),
		EndSession: at("/end_session"),
		Scopes:     []string{"openid", "profile", "email", "offline_access"}, ResponseTypes: []string{"code"}, ResponseModes: []string{"query"},
		Grants: []string{GrantCode, GrantRefresh, GrantCredentials, GrantDevice}, Challenges: []string{"S256"},
		Subjects: []string{"public"}, IDTokenAlgs: []string{string(ES256), string(EdDSA)},
		Claims: []string{"sub", "name", "locale", "email", "email_verified", "auth_time", "acr", "amr", "sid"},
		ACRs:   []string{"urn:signet:1", "urn:signet:2"}, Prompts: []string{"none", "login", "consent", "select_account"},
		TokenAuthAlgs: assertionAlgorithms(), DPoPAlgs: g.senders.Algorithms(), IssInResponse: true, RequestURIParameter: true,
		BackchannelLogout: true, BackchannelLogoutSID: true,
	}
	byCertificate := g.senders.certificateAuth()
	auth, m.CertificateBound = append(auth, byCertificate...), len(byCertificate) > 0
	if base := g.senders.MTLSOrigin(); base != "" {
		m.MTLS = &aliases{base + pathToken, base + pathPAR, base + pathDevice, base + pathIntrospect, base + pathRevoke, base + pathUserInfo}
	}
	m.TokenAuth, m.RevocationAuth = auth, auth
	m.IntrospectionAuth = slices.DeleteFunc(slices.Clone(auth), func(s string) bool { return s == string(AuthNone) })
	return m
}

// MetadataRoutes mounts what clients learn of this server. The text does not change
// while it runs.
func MetadataRoutes(mux *http.ServeMux, g *OAuth) error {
	text, err := json.MarshalIndent(g.metadata(), "", "  ")
	if err != nil {
		return err
	}
	serve := acrossOrigins(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(text) // the client may be gone
	}))
	mux.Handle("GET /.well-known/oauth-authorization-server", serve)
	mux.Handle("GET /.well-known/openid-configuration", serve)
	return nil
}
