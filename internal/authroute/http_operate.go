package authroute

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"signet/internal/fault"
	"signet/internal/ticket"
)

// operate mounts what operators see and set.
func (h handler) operate(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/verifications", "search-verifications", "Search what was judged of mails", 200), h.verifications)
	huma.Register(api, operation(http.MethodGet, "/domains", "list-mail-domains", "How each sender domain is treated", 200), h.domains)
	huma.Register(api, operation(http.MethodPut, "/domains/{domain}", "set-mail-domain-mode", "Set the mode of a sender domain", 200), h.setDomain)
	huma.Register(api, operation(http.MethodDelete, "/domains/{domain}", "unset-mail-domain-mode", "Return to the configured mode", 204), h.unsetDomain)
	huma.Register(api, operation(http.MethodGet, "/bypass", "show-bypass", "Whether verification is bypassed", 200), h.showBypass)
	huma.Register(api, operation(http.MethodPut, "/bypass", "start-bypass", "Bypass verification for a time", 200), h.startBypass)
	huma.Register(api, operation(http.MethodDelete, "/bypass", "stop-bypass", "End the bypass", 204), h.stopBypass)
}

type verificationJSON struct {
	MessageID     string `json:"message_id"`
	Sender        string `json:"sender_email"`
	KeyID         string `json:"key_id"`
	Result        string `json:"verification_result" enum:"pass,fail,none,temperror"`
	Reason        string `json:"failure_reason"`
	At            string `json:"verified_at"`
	Instance      string `json:"instance"`
	QueueID       string `json:"queue_id"`
	ClientAddress string `json:"client_address"`
	Mode          string `json:"mode"`
	Action        string `json:"action"`
}

type pageJSON struct {
	Verifications []verificationJSON `json:"verifications" doc:"The last written first"`
	Next          string             `json:"next,omitempty" doc:"Cursor of the next page; missing at the end"`
}

func (h handler) verifications(ctx context.Context, in *struct {
	MessageID string `query:"message_id"`
	Sender    string `query:"sender" doc:"Envelope sender"`
	KeyID     string `query:"key_id"`
	Result    string `query:"result" doc:"pass, fail, none or temperror"`
	From      string `query:"from" doc:"Not before this RFC 3339 time"`
	To        string `query:"to" doc:"Before this RFC 3339 time"`
	Cursor    string `query:"cursor" doc:"next of the page before"`
	Limit     int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
},
) (*output[pageJSON], error) {
	f := Filter{MessageID: in.MessageID, Sender: in.Sender, KeyID: in.KeyID, Result: Result(in.Result)}
	var err error
	if f.From, err = instant("from", in.From); err != nil {
		return nil, err
	}
	if f.To, err = instant("to", in.To); err != nil {
		return nil, err
	}
	page, next, err := h.Verdicts.Search(ctx, f, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &output[pageJSON]{Body: pageJSON{Verifications: []verificationJSON{}, Next: next}}
	for _, v := range page {
		out.Body.Verifications = append(out.Body.Verifications, verificationJSON{
			v.MessageID, v.Sender, v.KeyID, string(v.Result), string(v.Cause), v.At.Format(time.RFC3339Nano),
			v.Instance, v.QueueID, v.ClientAddress, string(v.Mode), v.Action,
		})
	}
	return out, nil
}

// instant reads a time that bounds a search; empty is no bound.
func instant(field, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fault.New(fault.Invalid, "is not an RFC 3339 time such as 2027-01-31T12:00:00Z").At(field)
	}
	return t, nil
}

type domainJSON struct {
	Domain    string `json:"domain"`
	Mode      string `json:"mode" enum:"monitor,quarantine,enforce,require"`
	Hosted    bool   `json:"hosted" doc:"Keys of the domain are registered here"`
	Set       bool   `json:"set" doc:"Set at run time, over the configuration"`
	UpdatedAt string `json:"updated_at,omitempty"`
	UpdatedBy string `json:"updated_by,omitempty"`
}

func domainOut(d Treated) domainJSON {
	out := domainJSON{Domain: d.Name, Mode: string(d.Mode), Hosted: d.Hosted, Set: d.Set, UpdatedBy: d.By}
	if !d.Updated.IsZero() {
		out.UpdatedAt = formatTime(d.Updated)
	}
	return out
}

func (h handler) domains(ctx context.Context, _ *struct{}) (*output[[]domainJSON], error) {
	all, err := h.Domains.List(ctx)
	if err != nil {
		return nil, err
	}
	out := &output[[]domainJSON]{Body: []domainJSON{}}
	for _, d := range all {
		out.Body = append(out.Body, domainOut(d))
	}
	return out, nil
}

func (h handler) setDomain(ctx context.Context, in *struct {
	Domain string `path:"domain"`
	Body   struct {
		Mode string `json:"mode" enum:"monitor,quarantine,enforce,require"`
	}
},
) (*output[domainJSON], error) {
	if err := h.Domains.SetMode(ctx, in.Domain, Mode(in.Body.Mode)); err != nil {
		return nil, err
	}
	return &output[domainJSON]{domainJSON{Domain: in.Domain, Mode: in.Body.Mode, Hosted: h.Domains.Hosted(in.Domain), Set: true}}, nil
}

func (h handler) unsetDomain(ctx context.Context, in *struct {
	Domain string `path:"domain"`
},
) (*struct{}, error) {
	return nil, h.Domains.Unset(ctx, in.Domain)
}

type bypassJSON struct {
	Active bool   `json:"active"`
	Until  string `json:"until,omitempty"`
}

func (h handler) showBypass(ctx context.Context, _ *struct{}) (*output[bypassJSON], error) {
	if err := ticket.From(ctx).Demand("authroute:admin"); err != nil {
		return nil, err
	}
	out := &output[bypassJSON]{}
	if until, on := h.Bypass.Until(); on {
		out.Body = bypassJSON{true, formatTime(until)}
	}
	return out, nil
}

func (h handler) startBypass(ctx context.Context, in *struct {
	Body struct {
		Seconds int    `json:"seconds" minimum:"1" maximum:"86400" doc:"How long"`
		Reason  string `json:"reason" doc:"Why; it stands in the audit log"`
	}
},
) (*output[bypassJSON], error) {
	lasting := time.Duration(in.Body.Seconds) * time.Second
	if err := h.Bypass.Start(ctx, lasting, in.Body.Reason); err != nil {
		return nil, err
	}
	return &output[bypassJSON]{bypassJSON{true, formatTime(h.Now().Add(lasting))}}, nil
}

func (h handler) stopBypass(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, h.Bypass.Stop(ctx)
}
