package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"signet/internal/config"
)

// notACertificate is in either form of the header one that no client has: who is shown it
// says so.
const notACertificate = `:AAAA:;Cert="AAAA"`

// checkForgedCertificate sends what a client may say of its certificate through the
// public address. A proxy that passes it on lets everybody claim any certificate.
func checkForgedCertificate(ctx context.Context, cfg config.Config) (all []Finding) {
	m := cfg.Security.SenderConstraints.MTLS
	if !m.Enabled || len(m.ClientCertificateHeader.TrustedProxies) == 0 {
		return nil
	}
	client := &http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, header := range []string{"Client-Cert", "X-Forwarded-Client-Cert"} {
		f := forgedCertificate(ctx, client, strings.TrimSuffix(cfg.Server.Origin, "/")+"/token", header)
		f.What = "proxy drops " + header
		all = append(all, f)
	}
	return all
}

// forgedCertificate asks for a token without saying who asks. Certificates are read before
// that, so the answer is about the header where it was let through.
func forgedCertificate(ctx context.Context, client *http.Client, address, header string) Finding {
	const unknown = "not tried: is server.origin the address that clients use, and is Signet running?"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return Finding{Level: "warn", Text: err.Error(), Fix: unknown}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set(header, notACertificate)
	res, err := client.Do(r)
	if err != nil {
		return Finding{Level: "warn", Text: err.Error(), Fix: unknown}
	}
	defer res.Body.Close()
	var out struct {
		Error string `json:"error"`
		Why   string `json:"error_description"`
	}
	err = json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&out)
	about, _, _ := strings.Cut(out.Why, ":")
	switch {
	case err != nil || out.Error == "":
		return Finding{Level: "warn", Text: fmt.Sprintf("%s answers %d, and not as Signet does", address, res.StatusCode), Fix: unknown}
	case about == "Signet-Proxy-Secret":
		return Finding{
			Level: "fail", Text: "it does not, nor does it send the secret",
			Fix: "have it set the header, and Signet-Proxy-Secret too (deploy/nginx/signet.conf)",
		}
	case about == "Client-Cert" || about == "X-Forwarded-Client-Cert":
		return Finding{
			Level: "fail", Text: "what a client says in it reaches Signet: everybody can claim any certificate",
			Fix: "have the proxy set it, not add to it (deploy/nginx/signet.conf)",
		}
	}
	return Finding{Level: "ok", Text: address}
}
