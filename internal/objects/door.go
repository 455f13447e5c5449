package objects

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"signet/internal/sigv4"
	"signet/internal/ticket"
)

// DoorOptions is what a door needs to know, and whom it asks.
type DoorOptions struct {
	Region      string   // that requests must be signed for
	Hosts       []string // names under which buckets are hosts, in lower case
	Open        bool     // authentication is off
	Uniform     bool     // every refusal of a proof is AccessDenied
	AllowPublic bool     // buckets may be opened to everybody
	MaxBody     int64    // bytes of one request's object; 0: 5 GiB

	Proxies []netip.Prefix // whose X-Forwarded-Host and X-Forwarded-Proto count

	Lookup      sigv4.KeyLookup                                          // the credential's holder is a Caller
	Admit       func(Caller) error                                       // ErrSlowDown where a key asks too often
	Allow       func(context.Context, Caller, Question) error            // ErrAccessDenied
	Visible     func(context.Context, Caller) ([]Bucket, error)          // that the caller may list
	CheckPolicy func(bucket string, doc []byte) (public bool, err error) // whether it opens the bucket to everybody
	STS         http.Handler                                             // POST / ; nil: none
	Denied      func(context.Context, Denial)                            // is told of each refusal; nil: nobody
	Metrics     *Metrics                                                 // nil: nothing is counted
	Now         func() time.Time
}

// maxBody is how long an object in one request may be: 5 GiB, as S3's.
const maxBody = 5 << 30

// Door answers S3's REST API. It is an [http.Handler], safe for concurrent use.
type Door struct {
	store   Store
	buckets *Buckets
	table   operationTable
	unknown strangers
	o       DoorOptions
}

// NewDoor returns a door to what s keeps.
func NewDoor(s Store, b *Buckets, o DoorOptions) *Door {
	if o.MaxBody == 0 {
		o.MaxBody = maxBody
	}
	return &Door{store: s, buckets: b, table: newOperationTable(), unknown: make(strangers, maxStrangers), o: o}
}

// request is one request on its way through the door.
type request struct {
	target

	w      http.ResponseWriter
	r      *http.Request
	op     *operation
	query  url.Values
	caller Caller
	bucket Bucket      // where the address names one
	body   *sigv4.Body // nil in forms
	form   *sigv4.PostedForm
	signed bool
	origin string // how the client reached the door
	taken  int64  // bytes of objects that came in
	given  int64  // and went out
}

func (q *request) Context() context.Context { return q.r.Context() }

// ServeHTTP implements [http.Handler].
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, status, began := newRequest(w, r), http.StatusOK, d.o.Now()
	defer func() { d.o.Metrics.observe(q, status, d.o.Now().Sub(began)) }() // also where the connection is cut
	if err := d.answer(q); err != nil {                                     //nolint:contextcheck // the request carries it
		status = d.refuse(q, err) //nolint:contextcheck // the request carries it
	}
}

func newRequest(w http.ResponseWriter, r *http.Request) *request {
	w.Header()["X-Amz-Request-Id"] = []string{ticket.RequestFrom(r.Context()).ID}
	r.Header.Del("Cookie") // of the neighbours on this host's name: cookies ignore ports
	return &request{w: w, r: r}
}

// answer goes through the steps of a request in the order in which each may rely on
// those before it.
func (d *Door) answer(q *request) error {
	var err error
	if q.query, err = url.ParseQuery(q.r.URL.RawQuery); err != nil {
		return errURI
	}
	if q.target, err = readTarget(q.r, d.host(q.r), d.o.Hosts); err != nil {
		return err
	}
	q.origin = d.origin(q.r)
	if q.r.Method == http.MethodOptions {
		return d.preflight(q)
	}
	if q.level() == service && q.r.Method == http.MethodPost {
		return d.serveSTS(q)
	}
	found, unknown := d.table.find(q.r, q.level(), q.query)
	q.op = found
	if err := d.prove(q); err != nil {
		return err
	}
	if unknown != nil {
		return unknown
	}
	q.r.Pattern = "S3 " + q.op.name
	if err := d.o.Admit(q.caller); err != nil {
		return err
	}
	if err := d.enter(q); err != nil {
		return err
	}
	return q.op.serve(d, q)
}

// prove finds out who sent the request, and sets up its body.
func (d *Door) prove(q *request) error {
	o := sigv4.Options{Now: d.o.Now(), Region: d.o.Region, Service: "s3", Host: d.host(q.r), Bucket: q.target.bucket, MaxBody: d.o.MaxBody}
	var id sigv4.Identity
	var err error
	posted, open := q.op != nil && q.op.name == "PostObject", d.o.Open && !d.foreign(q)
	switch {
	case posted:
		id, err = d.proveForm(q, open, o)
	case open:
		id, q.body, err = sigv4.Unverified(q.r, o)
	default:
		id, q.body, err = sigv4.Verify(q.r, d.o.Lookup, o)
	}
	if err != nil {
		return err
	}
	q.signed = id.Form != sigv4.None || open
	if open || d.o.Open && id.Credential != nil {
		q.caller = Caller{Name: "anonymous", Owner: "user:anonymous", Open: true}
		return nil
	}
	if id.Credential == nil {
		return nil
	}
	q.caller, _ = id.Credential.Holder().(Caller)
	return d.privately(q, id)
}

// privately refuses bodies that nothing protects: without TLS, a body that is not part
// of what is signed could be changed on its way.
func (d *Door) privately(q *request, id sigv4.Identity) error {
	loose := id.Payload == sigv4.Unsigned || id.Payload == sigv4.StreamingUnsignedTrailer
	if !loose || q.r.ContentLength == 0 || q.form != nil || d.private(q.r) {
		return nil
	}
	return errUnsignedBody
}

// enter asks whether the caller may do what the request's address names.
func (d *Door) enter(q *request) error {
	if q.target.bucket == "" {
		if q.caller.Anonymous() {
			return ErrAccessDenied
		}
		return nil
	}
	if q.op.name == "CreateBucket" {
		return nil // Buckets.Claim asks
	}
	var err error
	if q.bucket, err = d.buckets.Get(q.Context(), q.target.bucket); err != nil {
		return err
	}
	if want := q.r.Header.Get("X-Amz-Expected-Bucket-Owner"); want != "" && want != q.bucket.Account {
		return ErrAccessDenied
	}
	d.allowOrigin(q)
	if q.op.name == "DeleteObjects" || q.op.name == "PostObject" {
		return nil // each key is asked for by itself
	}
	return d.may(q, q.op, q.bucket, q.key, q.query.Get("versionId"))
}

// may asks whether q's caller may do op to a key of a bucket.
func (d *Door) may(q *request, op *operation, b Bucket, key, version string) error {
	if q.caller.Open {
		return nil
	}
	if q.caller.Anonymous() && !d.o.AllowPublic { // also where a policy is from a time when it was allowed
		return ErrAccessDenied
	}
	return d.o.Allow(q.Context(), q.caller, Question{
		Action: actionOf(op, version), Needs: op.needs, Bucket: b, Key: key, Values: d.values(q, version),
	})
}

// values are what the conditions of policies can ask for.
func (d *Door) values(q *request, version string) map[string][]string {
	secure := "false"
	if d.secure(q.r) {
		secure = "true"
	}
	v := map[string][]string{
		"aws:sourceip":        {ticket.RequestFrom(q.Context()).Address},
		"aws:securetransport": {secure},
	}
	if ua := q.r.UserAgent(); ua != "" {
		v["aws:useragent"] = []string{ua}
	}
	if ref := q.r.Referer(); ref != "" {
		v["aws:referer"] = []string{ref}
	}
	if version != "" {
		v["s3:versionid"] = []string{version}
	}
	if q.op.level == bucket {
		for _, name := range []string{"prefix", "delimiter", "max-keys"} {
			if q.query.Has(name) {
				v["s3:"+name] = q.query[name][:1]
			}
		}
	}
	return v
}

func (d *Door) origin(r *http.Request) string {
	if d.secure(r) {
		return "https://" + d.host(r)
	}
	return "http://" + d.host(r)
}

// host is Host as the client sent it: a trusted proxy may have changed it.
func (d *Door) host(r *http.Request) string {
	if h := r.Header.Get("X-Forwarded-Host"); h != "" && d.proxied(r) {
		return h
	}
	return r.Host
}

// private reports whether nobody on the way can change the request.
func (d *Door) private(r *http.Request) bool {
	if d.secure(r) {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.IP.IsLoopback() && !d.proxied(r)
}

// secure reports whether the client spoke TLS.
func (d *Door) secure(r *http.Request) bool {
	return r.TLS != nil || d.proxied(r) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

func (d *Door) proxied(r *http.Request) bool {
	if len(d.o.Proxies) == 0 {
		return false
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	for _, p := range d.o.Proxies {
		if p.Contains(peer.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// serveSTS hands POST / to the service that makes temporary keys.
func (d *Door) serveSTS(q *request) error {
	if d.o.STS == nil || d.o.Open {
		return ErrNotImplemented
	}
	leave, err := d.unknown.enter(q.w)
	if err != nil {
		return err
	}
	defer leave()
	q.r.Pattern = "STS"
	q.r.Host = d.host(q.r) // that was signed
	d.o.STS.ServeHTTP(q.w, q.r)
	return nil
}
