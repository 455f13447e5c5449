package web_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signet/internal/fault"
	"signet/internal/ticket"
	"signet/internal/web"
)

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

func TestClientAddressComesFromTrustedProxiesOnly(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	cases := []struct {
		name, remote string
		forwarded    []string
		want         string
	}{
		{"no proxy", "198.51.100.7:5", nil, "198.51.100.7"},
		{"stranger claims", "198.51.100.7:5", []string{"1.2.3.4"}, "198.51.100.7"},
		{"one proxy", "10.0.0.1:5", []string{"203.0.113.9"}, "203.0.113.9"},
		{"client lies before the proxy", "10.0.0.1:5", []string{"1.2.3.4, 203.0.113.9"}, "203.0.113.9"},
		{"two proxies", "10.0.0.1:5", []string{"203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		{"two header lines", "10.0.0.1:5", []string{"1.2.3.4", "203.0.113.9"}, "203.0.113.9"},
		{"nonsense stops the walk", "10.0.0.1:5", []string{"1.2.3.4, x, 10.0.0.2"}, "10.0.0.2"},
		{"proxy without header", "10.0.0.1:5", nil, "10.0.0.1"},
		{"IPv6 proxy", "[fd00::1]:5", []string{"2001:db8::1"}, "2001:db8::1"},
		{"mapped proxy", "[::ffff:10.0.0.1]:5", []string{"203.0.113.9"}, "203.0.113.9"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got string
			h := web.Identify(proxies)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got = ticket.RequestFrom(r.Context()).Address
			}))
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/", http.NoBody)
			r.RemoteAddr = c.remote
			r.Header["X-Forwarded-For"] = c.forwarded
			h.ServeHTTP(httptest.NewRecorder(), r)
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestRequestIDIsTakenFromTrustedProxiesOnly(t *testing.T) {
	proxy := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")} // httptest's client
	for _, c := range []struct {
		name    string
		proxies []netip.Prefix
		sent    string
		kept    bool
	}{
		{"from proxy", proxy, "abc-1", true},
		{"from anybody", nil, "abc-1", false},
		{"with a line break", proxy, "abc\nlevel=ERROR", false},
		{"too long", proxy, strings.Repeat("a", 65), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := do(t, web.Identify(c.proxies)(http.HandlerFunc(ok)), "GET", "/", "", "X-Request-Id", c.sent)
			got := w.Header().Get("X-Request-Id")
			if (got == c.sent) != c.kept || got == "" {
				t.Errorf("sent %q, got %q, want kept %v", c.sent, got, c.kept)
			}
		})
	}
}

func TestHostMustBeAName(t *testing.T) {
	mw, err := web.Hosts("https://auth.example.org", "http://localhost:8080", "*.s3.example.org", "s3.example.org", "node1:9464")
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		host, local string
		want        int
	}{
		{"auth.example.org", "192.0.2.5:8080", 204},
		{"AUTH.example.org", "192.0.2.5:8080", 204},
		{"auth.example.org:443", "192.0.2.5:8080", 204},
		{"auth.example.org:8080", "192.0.2.5:8080", 204},
		{"auth.example.org:8081", "192.0.2.5:8080", 421},
		{"bucket.s3.example.org", "192.0.2.5:9000", 204},
		{"s3.example.org:9000", "192.0.2.5:9000", 204},
		{"a.b.s3.example.org", "192.0.2.5:9000", 421},
		{".s3.example.org", "192.0.2.5:9000", 421},
		{"evils3.example.org", "192.0.2.5:9000", 421},
		{"node1:9464", "192.0.2.5:9464", 204},
		{"evil.test", "192.0.2.5:8080", 421},
		{"", "192.0.2.5:8080", 421},
		{"192.0.2.5:8080", "192.0.2.5:8080", 421},
		{"127.0.0.1:9000", "192.0.2.5:9000", 421},
		{"127.0.0.1:9000", "127.0.0.1:9000", 204},
		{"localhost:9000", "127.0.0.1:9000", 204},
		{"[::1]:9000", "[::1]:9000", 204},
		{"127.0.0.1", "127.0.0.1:9000", 421},
		{"127.0.0.1:9001", "127.0.0.1:9000", 421},
		{"evil.test:9000", "127.0.0.1:9000", 421},
		{"localhost.evil.test:9000", "127.0.0.1:9000", 421},
		{"localhost:8080", "127.0.0.1:9000", 204}, // configured as an origin
	}
	for _, c := range cases {
		t.Run(c.host+" at "+c.local, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/", http.NoBody)
			local, err := net.ResolveTCPAddr("tcp", c.local)
			if err != nil {
				t.Fatal(err)
			}
			r = r.WithContext(withLocal(r, local))
			r.Host = c.host
			w := httptest.NewRecorder()
			mw(http.HandlerFunc(ok)).ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("got %d, want %d", w.Code, c.want)
			}
		})
	}
	for _, bad := range []string{"", "a b", "https://", "x/y"} {
		if _, err := web.Hosts(bad); err == nil {
			t.Errorf("name %q was accepted", bad)
		}
	}
}

func TestAnswersTellBrowsersToKeepOut(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /x", ok)
	h := wrap(t, mux, web.Options{})
	for _, path := range []string{"/x", "/missing"} {
		got := do(t, h, "GET", path, "").Header()
		for name, want := range map[string]string{
			"X-Content-Type-Options":  "nosniff",
			"Cache-Control":           "no-store",
			"X-Frame-Options":         "DENY",
			"Referrer-Policy":         "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if got.Get(name) != want {
				t.Errorf("%s: %s: got %q, want %q", path, name, got.Get(name), want)
			}
		}
	}
}

func TestUnknownRoutesAndMethodsAreProblems(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /x", ok)
	h := wrap(t, mux, web.Options{})

	if p := problem(t, do(t, h, "GET", "/y", "")); p.Status != 404 {
		t.Errorf("unknown path: got %+v", p)
	}
	w := do(t, h, "GET", "/x", "")
	if p := problem(t, w); p.Status != 405 || p.Type != "urn:signet:problem:method-not-allowed" || w.Header().Get("Allow") != "POST" {
		t.Errorf("wrong method: got %+v, Allow %q", p, w.Header().Get("Allow"))
	}
}

func TestAccessLogKeepsCodesOut(t *testing.T) {
	log := captureLog(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /setup/{token}", ok)
	h := wrap(t, mux, web.Options{})
	do(t, h, "GET", "/setup/hunter2?code=hunter2", "", "Authorization", "Bearer hunter2", "Cookie", "s=hunter2")
	do(t, h, "GET", "/setpu/hunter2?code=hunter2", "")

	s := log.String()
	if strings.Contains(s, "hunter2") {
		t.Errorf("log has a secret:\n%s", s)
	}
	if !strings.Contains(s, `route="GET /setup/{token}" status=204`) || !strings.Contains(s, `route="GET /setpu/..." status=404`) {
		t.Errorf("log lacks a route or status:\n%s", s)
	}
}

func TestURLThatIsNotTextIsRefused(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /x/{id}", ok)
	for _, o := range []web.Options{{}, {AnyURL: true}} {
		h := wrap(t, mux, o)
		for _, target := range []string{"/x/a%00b", "/x/a%ffb", "/x/a?q=%00", "/x/a?q=%ff", "/x/a?%00=q"} {
			want := 400
			if o.AnyURL {
				want = 204
			}
			if w := do(t, h, "GET", target, ""); w.Code != want {
				t.Errorf("AnyURL %v: %s: got %d, want %d", o.AnyURL, target, w.Code, want)
			}
		}
	}
}

func TestRequestEndsAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		captureLog(t)
		mux := http.NewServeMux()
		mux.Handle("GET /slow", web.Handler(func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return r.Context().Err()
		}))
		began := time.Now()
		w := do(t, wrap(t, mux, web.Options{Deadline: 3 * time.Second}), "GET", "/slow", "")
		if took := time.Since(began); w.Code != 504 || took != 3*time.Second {
			t.Errorf("got %d after %v, want 504 after 3s", w.Code, took)
		}
	})
}

func TestStreamOutlivesTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle("GET /stream", web.Handler(func(w http.ResponseWriter, r *http.Request) error {
			ctx, cancel, err := web.Stream(w, r)
			if err != nil {
				return err
			}
			defer cancel()
			timer := time.NewTimer(time.Hour)
			defer timer.Stop()
			select {
			case <-ctx.Done():
				return errors.New("ended")
			case <-timer.C:
			}
			if ticket.RequestFrom(ctx).ID == "" {
				return errors.New("values are lost")
			}
			w.WriteHeader(http.StatusNoContent)
			return nil
		}))
		if w := do(t, wrap(t, mux, web.Options{}), "GET", "/stream", ""); w.Code != 204 {
			t.Errorf("got %d %s, want 204", w.Code, w.Body)
		}
	})
}

type limiter struct{ retry time.Duration }

func (l limiter) Allow(*http.Request) (time.Duration, bool) { return l.retry, l.retry == 0 }

func TestRateLimitSaysWhenToComeBack(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", ok)
	w := do(t, wrap(t, mux, web.Options{Limiter: limiter{7 * time.Second}}), "GET", "/", "")
	if p := problem(t, w); p.Status != 429 || w.Header().Get("Retry-After") != "7" {
		t.Errorf("got %+v, Retry-After %q", p, w.Header().Get("Retry-After"))
	}
	if w := do(t, wrap(t, mux, web.Options{Limiter: limiter{}}), "GET", "/", ""); w.Code != 204 {
		t.Errorf("allowed: got %d", w.Code)
	}
}

func TestCookieRoutesRefuseOtherSites(t *testing.T) {
	check, err := web.SameOrigin("https://app.example.org")
	if err != nil {
		t.Fatal(err)
	}
	h := web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		if err := check(r); err != nil {
			return err
		}
		ok(w, r)
		return nil
	})
	for _, c := range []struct {
		name, method, site, origin string
		want                       int
	}{
		{"own page", "POST", "same-origin", "", 204},
		{"other site", "POST", "cross-site", "https://evil.test", 403},
		{"sibling site", "POST", "same-site", "https://x.example.org", 403},
		{"old browser, other origin", "POST", "", "https://evil.test", 403},
		{"trusted origin", "POST", "cross-site", "https://app.example.org", 204},
		{"no browser", "POST", "", "", 204},
		{"link from elsewhere", "GET", "cross-site", "", 204},
	} {
		t.Run(c.name, func(t *testing.T) {
			var header []string
			if c.site != "" {
				header = append(header, "Sec-Fetch-Site", c.site)
			}
			if c.origin != "" {
				header = append(header, "Origin", c.origin)
			}
			w := do(t, h, c.method, "/", "", header...)
			if w.Code != c.want {
				t.Errorf("got %d, want %d", w.Code, c.want)
			}
			if w.Code == 403 && problem(t, w).Type != "urn:signet:problem:cross-origin" {
				t.Errorf("got %s", w.Body)
			}
		})
	}
}

func TestInnerMiddlewareRefusesUnderTheRequestAndItsRoute(t *testing.T) {
	log := captureLog(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /x/{id}", func(w http.ResponseWriter, r *http.Request) {
		if web.Caller(r) == nil {
			t.Error("handler has no ticket")
		}
		ok(w, r)
	})
	h := wrap(t, mux, web.Options{Inner: []web.Middleware{web.Authenticate(credential("A"))}})
	if p := problem(t, do(t, h, "GET", "/x/1", "", "A", "bad")); p.Status != 401 || p.RequestID == "" {
		t.Errorf("got %+v, want 401 with the request's id", p)
	}
	if w := do(t, h, "GET", "/x/1", "", "A", "good"); w.Code != 204 || !strings.Contains(log.String(), `route="GET /x/{id}" status=204`) {
		t.Errorf("got %d and log:\n%s", w.Code, log)
	}
}

// credential is an authenticator of one header.
type credential string

func (c credential) Authenticate(r *http.Request) (*ticket.Ticket, error) {
	switch r.Header.Get(string(c)) {
	case "":
		return nil, nil
	case "good":
		return &ticket.Ticket{Subject: string(c)}, nil
	case "broken":
		return nil, errors.New("database on fire")
	}
	return nil, web.WithHeader(fault.New(fault.Unauthorized, "bad "+string(c)), "WWW-Authenticate", string(c))
}

func TestOneGoodCredentialMakesTheTicket(t *testing.T) {
	captureLog(t)
	for _, c := range []struct {
		name    string
		header  []string
		status  int
		subject string
		scheme  string
	}{
		{"none", nil, 204, "", ""},
		{"good", []string{"A", "good"}, 204, "A", ""},
		{"other good", []string{"B", "good"}, 204, "B", ""},
		{"bad", []string{"A", "bad"}, 401, "", "A"},
		{"good and bad", []string{"A", "good", "B", "bad"}, 401, "", "B"},
		{"two good", []string{"A", "good", "B", "good"}, 400, "", ""},
		{"two Authorization headers", []string{"Authorization", "Bearer a", "Authorization", "Bearer b"}, 400, "", ""},
		{"store is broken", []string{"A", "broken"}, 500, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var subject string
			h := web.Authenticate(credential("A"), credential("B"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if caller := web.Caller(r); caller != nil {
					subject = caller.Subject
				}
				ok(w, r)
			}))
			w := do(t, h, "GET", "/", "", c.header...)
			if w.Code != c.status || subject != c.subject || w.Header().Get("WWW-Authenticate") != c.scheme {
				t.Errorf("got %d %q %q, want %d %q %q", w.Code, subject, w.Header().Get("WWW-Authenticate"), c.status, c.subject, c.scheme)
			}
		})
	}
}
