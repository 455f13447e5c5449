package console

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// action is a page that changes something. Its texts are console.NAME.title, .text,
// .button and .done.
type action struct {
	name       string
	permission string
	fresh      bool // asks for a sign-in of the last minutes
	danger     bool
	form       func(q *request) (form, error)
	do         func(q *request) (outcome, error)
}

// form is what the page asks.
type form struct {
	Object  string // name of what is changed
	Back    string // where cancelling leads
	Command command
	API     string // the call that does the same
	Fields  []input
	Facts   []fact
	Table   *outlook
}

// input is a field of a form.
type input struct {
	Name, Label, Hint, Value string
	Kind                     string // a type of <input>, or select, check, checks
	Required, Off            bool
	Options                  []option
}

// option is one that can be chosen.
type option struct {
	Value, Text, Hint, Group string
	On, Off                  bool
}

type fact struct{ Name, Text string }

// outcome is what follows.
type outcome struct {
	to     string // address of the page that follows
	secret string // to be shown once, instead
	named  []fact // the same, of several parts
	link   string // the same, that can be opened here
	done   string // what became of it, where that is not the action's own text
}

// asked is what the template has.
type asked struct {
	form
	Title, Text, Button, Shell string
	Danger                     bool
}

// ask shows the page, with what was refused.
func (q *request) ask(a action, refused error) error {
	if a.fresh && !q.fresh(freshFor-freshEarly) && refused == nil {
		return q.seeOther("/login/confirm?next=" + url.QueryEscape(q.here()))
	}
	f, err := a.form(q)
	if err != nil {
		return err
	}
	if refused != nil {
		q.keep(f.Fields)
	}
	p := asked{form: f, Title: q.t("console." + a.name + ".title"), Text: q.t("console." + a.name + ".text"), Button: q.t("console." + a.name + ".button"), Danger: a.danger}
	if len(f.Command.words) > 0 {
		p.Shell = f.Command.String()
	}
	return q.render("act", p, "", refused)
}

// here is the address of this page, without what only the reader's eyes need.
func (q *request) here() string {
	if rest := q.without().Encode(); rest != "" {
		return q.URL.EscapedPath() + "?" + rest
	}
	return q.URL.EscapedPath()
}

// keep puts what was typed back into the fields.
func (q *request) keep(fields []input) {
	for i := range fields {
		f := &fields[i]
		sent := q.PostForm[f.Name]
		switch f.Kind {
		case "select", "checks":
			for j := range f.Options {
				f.Options[j].On = slices.Contains(sent, f.Options[j].Value)
			}
		case "check":
			f.Value = strings.Join(sent, "")
		default:
			f.Value = q.PostFormValue(f.Name)
		}
	}
}

// act does it.
func (q *request) act(a action) error {
	if a.fresh && !q.fresh(freshFor) {
		return q.seeOther("/login/confirm?next=" + url.QueryEscape(q.here()))
	}
	if err := q.ParseForm(); err != nil {
		return errForm
	}
	done, err := a.do(q)
	if err != nil {
		if !refusal(err) {
			return err
		}
		return q.ask(a, err)
	}
	if done.secret != "" || done.named != nil || done.link != "" {
		f, err := a.form(q)
		if err != nil {
			return err
		}
		return q.render("made", made{q.t("console." + a.name + ".title"), f.Object, q.t("console." + a.name + ".once"), done.secret, done.named, done.link, done.to}, "", nil)
	}
	separator := "?"
	if strings.Contains(done.to, "?") {
		separator = "&"
	}
	return q.seeOther(done.to + separator + "done=" + cmp.Or(done.done, a.name))
}

// made is a secret that is shown once.
type made struct {
	Title, Object, Text, Secret string
	Named                       []fact
	Link, Back                  string
}
