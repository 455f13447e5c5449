// Package page gives login and console one look: layouts, style, languages and the
// headers that every page has. Pages work without script, and load nothing from
// anywhere else.
//
// A capability parses its pages with [Site.Parse] and shows them with [Pages.Show].
package page

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/language"

	"signet/internal/locale"
)

//go:embed templates/*.html
var layouts embed.FS

// Layout is the frame around a page.
type Layout string

// The layouts.
const (
	Card  Layout = "card"  // one thing to do, in the middle
	Shell Layout = "shell" // navigation beside the content
)

// policy lets a page use what this origin serves, and nothing inline.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// Site is what all pages share. It is safe for concurrent use.
type Site struct {
	texts  *locale.Bundle
	assets *assets
	now    func() time.Time
}

// New returns a site in the languages of texts.
func New(texts *locale.Bundle, now func() time.Time) (*Site, error) {
	a, err := loadAssets()
	return &Site{texts: texts, assets: a, now: now}, err
}

// Routes serves style and scripts at /assets/, for ever: their names change with them.
func (s *Site) Routes(mux *http.ServeMux) { mux.Handle("GET /assets/{name}", s.assets) }

// Pages are the pages of one capability, in every language. A page is made when it is
// first shown in a language: all of them would be most of what a process has in memory,
// and few are ever asked for.
type Pages struct {
	site  *Site
	base  *template.Template // layout and parts; it is never executed, so that it can be cloned
	files fs.FS
	paths map[string]string // of the files, by the names of the pages

	lock sync.Mutex
	made map[pageKey]*template.Template
}

type pageKey struct {
	name string
	tag  language.Tag
}

// Parse parses every *.html in a directory of files, each a page of its file's name
// that defines "title" and "main" for the layout. Files there, and above it, whose
// names begin with "_" are parts that all of them may use.
func (s *Site) Parse(layout Layout, files fs.FS, dir string) (*Pages, error) {
	base, err := template.New("page").Funcs(s.funcs(s.texts.Choose())).ParseFS(layouts, "templates/parts.html", "templates/"+string(layout)+".html")
	if err != nil {
		return nil, err
	}
	for _, pattern := range []string{path.Join(path.Dir(dir), "_*.html"), path.Join(dir, "_*.html")} {
		parts, err := fs.Glob(files, pattern)
		if err == nil && len(parts) > 0 {
			base, err = base.ParseFS(files, parts...)
		}
		if err != nil {
			return nil, err
		}
	}
	names, err := fs.Glob(files, path.Join(dir, "*.html"))
	if err != nil {
		return nil, err
	}
	p := &Pages{site: s, base: base, files: files, paths: map[string]string{}, made: map[pageKey]*template.Template{}}
	for _, name := range names {
		if strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		p.paths[strings.TrimSuffix(path.Base(name), ".html")] = name
		if _, err := p.parse(name, s.texts.Choose()); err != nil { // so that a mistake is found at the start
			return nil, err
		}
	}
	return p, nil
}

func (p *Pages) parse(file string, texts *locale.Texts) (*template.Template, error) {
	t, err := p.base.Clone()
	if err != nil {
		return nil, err
	}
	return t.Funcs(p.site.funcs(texts)).ParseFS(p.files, file)
}

// page returns the template of a page.
func (p *Pages) page(name string, texts *locale.Texts) (*template.Template, error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	key := pageKey{name, texts.Tag}
	if t := p.made[key]; t != nil {
		return t, nil
	}
	if !p.Has(name) {
		return nil, fmt.Errorf("no page %q", name)
	}
	t, err := p.parse(p.paths[name], texts)
	if err == nil {
		p.made[key] = t
	}
	return t, err
}

// View is what one showing of a page has.
type View struct {
	Data   any
	App    string   // name of the app that the person signs in to; may be empty
	Person string   // who is signed in; may be empty
	Nav    []Item   // of the shell
	Notice string   // something that went well
	Error  string   // something that did not
	Script []string // names of assets

	FormOrigin string // another origin that a form of the page is sent to; may be empty

	// Set by Show.
	Lang, Path string
	Languages  []Language
}

// Item is one entry of the navigation. One without an address is a heading.
type Item struct {
	Href, Text, Icon string
	Current          bool
}

// Language is one that the page is there in.
type Language struct {
	Tag, Name, Href string
	Current         bool
}

// Show writes the page of that name in the language of the request. Where that fails
// nothing is written.
func (p *Pages) Show(w http.ResponseWriter, r *http.Request, status int, name string, v View) error {
	texts := p.site.TextsOf(r)
	t, err := p.page(name, texts)
	if err != nil {
		return err
	}
	v.Lang, v.Path, v.Languages = texts.Tag.String(), r.URL.Path, p.site.languages(r, texts)
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout", v); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Content-Language", v.Lang)
	h.Set("Content-Security-Policy", policyFor(v.FormOrigin))
	// Without any referrer, browsers send "Origin: null" with forms.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), microphone=(), geolocation=()")
	h.Add("Vary", "Accept-Language, Cookie")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client may be gone
	return nil
}

// policyFor is the policy of a page whose forms may be sent to another origin too.
func policyFor(origin string) string {
	if origin == "" {
		return policy
	}
	return strings.Replace(policy, "form-action 'self'", "form-action 'self' "+origin, 1)
}

// Has reports whether there is such a page.
func (p *Pages) Has(name string) bool { return p.paths[name] != "" }

type textsKey struct{}

// localeCookie keeps the language that somebody chose.
const localeCookie = "signet-locale"

// Languages chooses the language of each request: the parameter locale, which is
// kept in a cookie, then that cookie, then Accept-Language.
func (s *Site) Languages(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), textsKey{}, s.choose(w, r))))
	})
}

func (s *Site) choose(w http.ResponseWriter, r *http.Request) *locale.Texts {
	kept := ""
	if c, err := r.Cookie(localeCookie); err == nil {
		kept = c.Value
	}
	wished := r.URL.Query().Get("locale")
	t := s.texts.Choose(wished, kept, r.Header.Get("Accept-Language"))
	if wished != "" && t.Tag.String() != kept {
		SetLocale(w, t.Tag.String())
	}
	return t
}

// SetLocale keeps a language at the browser.
func SetLocale(w http.ResponseWriter, tag string) {
	http.SetCookie(w, &http.Cookie{
		Name: localeCookie, Value: tag, Path: "/", MaxAge: 365 * 24 * 3600, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// All returns the texts of every language.
func (s *Site) All() []*locale.Texts { return s.texts.All() }

// TextsOf returns the texts that [Site.Languages] chose for the request.
func (s *Site) TextsOf(r *http.Request) *locale.Texts {
	if t, ok := r.Context().Value(textsKey{}).(*locale.Texts); ok {
		return t
	}
	return s.texts.Choose(r.Header.Get("Accept-Language"))
}

// languages lists the languages with the address of this page in each.
func (s *Site) languages(r *http.Request, now *locale.Texts) []Language {
	if r.Method != http.MethodGet || r.URL.Query().Has("code") || r.URL.Query().Has("state") {
		return nil // it answers a form or a provider: its address is good once
	}
	var all []Language
	for _, t := range s.texts.All() {
		q := maps.Clone(r.URL.Query())
		q.Set("locale", t.Tag.String())
		all = append(all, Language{Tag: t.Tag.String(), Name: t.Name(), Href: "?" + q.Encode(), Current: t == now})
	}
	return all
}
