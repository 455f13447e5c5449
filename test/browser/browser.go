// Package browser drives Debian's Chromium for tests, as a person would: by labels and
// the words on buttons.
//
// Each test has a browser of its own, with an empty profile. It ends with the test.
package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take to show something.
const patience = 15 * time.Second

// Tab is one tab of a browser.
type Tab struct {
	t       testing.TB
	ctx     context.Context
	traffic *traffic
}

// New starts a browser and returns its first tab.
func New(t testing.TB) *Tab {
	t.Helper()
	path := chromium(t)
	o := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("lang", "en"), chromedp.Flag("accept-lang", "en"),
		// Nothing of a test may leave the machine, a browser's own errands included.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1"),
	)
	if os.Geteuid() == 0 {
		o = append(o, chromedp.NoSandbox)
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), o...)
	t.Cleanup(stop)
	return open(t, allocator, new(traffic))
}

// chromium returns the browser's program, which scripts/test-deps installs.
func chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no chromium: run scripts/test-deps")
	return ""
}

func open(t testing.TB, parent context.Context, seen *traffic, o ...chromedp.ContextOption) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, o...)
	t.Cleanup(cancel)
	tab := &Tab{t: t, ctx: ctx, traffic: seen}
	if err := chromedp.Do(ctx); err != nil { // starts it; a deadline here would end it
		t.Fatalf("browser does not start: %v", err)
	}
	tab.watch() //nolint:contextcheck // the tab has it
	return tab
}

// Stranger opens a tab that shares nothing with the others, as that of another browser
// would be. It ends with t.
func (b *Tab) Stranger(t testing.TB) *Tab {
	t.Helper()
	return open(t, b.ctx, b.traffic, chromedp.WithNewBrowserContext())
}

// run runs one action within the time that a page has.
func run[T any](b *Tab, a chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, a)
}

// call sends one command of the browser's protocol, and ends the test where it fails.
func call[P, R any](b *Tab, cmd cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	res, err := chromedp.Call(ctx, cmd, params)
	if err != nil {
		b.failed(cmd.Method, err)
	}
	return res
}

// failed ends the test with what the page says.
func (b *Tab) failed(what string, err error) {
	b.t.Helper()
	b.Shot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
	b.t.Fatalf("%s: %v\nat %s:\n%s", what, err, b.URL(), b.Text())
}

// Go opens an address.
func (b *Tab) Go(url string) {
	b.t.Helper()
	if _, err := run(b, chromedp.Navigate(url)); err != nil {
		b.failed("open "+url, err)
	}
}

// URL returns the address of the page.
func (b *Tab) URL() string { return b.ask(`location.href`) }

// Text returns what the page says.
func (b *Tab) Text() string { return b.ask(`document.body ? document.body.innerText : ""`) }

// Title returns the page's heading.
func (b *Tab) Title() string {
	return b.ask(`document.querySelector("h1") ? document.querySelector("h1").innerText : ""`)
}

// ask returns a text of the page; it is empty where the browser is gone, and the test
// fails elsewhere.
func (b *Tab) ask(script string) string {
	text, _ := run(b, chromedp.Evaluate[string](script))
	return text
}

// Press presses the button or link with those words, and waits for the page that
// follows where there is one.
func (b *Tab) Press(words string) {
	b.t.Helper()
	b.press("[document]", words)
}

// PressBeside is Press for the button in the first list item or section that says what
// it is about, such as Link beside GitHub.
func (b *Tab) PressBeside(about, words string) {
	b.t.Helper()
	b.press(fmt.Sprintf(`[...document.querySelectorAll("li"), ...document.querySelectorAll("section")].filter(e => e.innerText.includes(%s))`, quote(about)), words)
}

func (b *Tab) press(within, words string) {
	b.t.Helper()
	b.until("press "+words, fmt.Sprintf(`(() => {
		const words = %s;
		const seen = e => e.offsetParent !== null && !e.disabled;
		const all = %s.flatMap(e => [...e.querySelectorAll("button, a, summary")]).filter(e => seen(e));
		const hit = all.find(e => e.innerText.trim() === words) || all.find(e => e.innerText.trim().startsWith(words));
		if (!hit) return false;
		hit.click();
		return true;
	})()`, quote(words), within))
}

// Fill types into the field with that label, instead of what is there.
func (b *Tab) Fill(label, text string) {
	b.t.Helper()
	b.until("find field "+label, fmt.Sprintf(`(() => {
		const label = [...document.querySelectorAll("label")].find(e => e.offsetParent !== null && e.innerText.trim() === %s);
		const field = label && (document.getElementById(label.htmlFor) || label.querySelector("input"));
		if (!field) return false;
		field.focus();
		field.select && field.select();
		return true;
	})()`, quote(label)))
	call(b, input.InsertText, input.InsertTextParams{Text: text}) // all at once: keys take their time
}

// Tick ticks the box with that label.
func (b *Tab) Tick(label string) {
	b.t.Helper()
	b.until("tick "+label, fmt.Sprintf(`(() => {
		const box = [...document.querySelectorAll("label")].find(e => e.innerText.trim() === %s)?.querySelector("input");
		if (!box) return false;
		box.checked = true;
		return true;
	})()`, quote(label)))
}

// Choose chooses from the list with that label.
func (b *Tab) Choose(label, option string) {
	b.t.Helper()
	b.until("choose "+option, fmt.Sprintf(`(() => {
		const label = [...document.querySelectorAll("label")].find(e => e.innerText.trim() === %s);
		const list = label && document.getElementById(label.htmlFor);
		const hit = list && [...list.options].find(e => e.text.trim() === %s);
		if (!hit) return false;
		hit.selected = true;
		return true;
	})()`, quote(label), quote(option)))
}

// Sees waits until the page says those words.
func (b *Tab) Sees(words string) {
	b.t.Helper()
	b.until(fmt.Sprintf("see %q", words), fmt.Sprintf(`document.body && document.body.innerText.includes(%s)`, quote(words)))
}

// At waits until the address begins like that.
func (b *Tab) At(prefix string) {
	b.t.Helper()
	b.until("be at "+prefix, fmt.Sprintf(`location.href.startsWith(%s) && document.readyState === "complete"`, quote(prefix)))
}

// Value returns what a script in the page says; a promise is waited for.
func Value[T any](b *Tab, script string) T {
	b.t.Helper()
	v, err := run(b, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.failed("run script", err)
	}
	return v
}

// until waits until a script in the page says true. A page that is just going away is asked again.
func (b *Tab) until(what, script string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script)); err == nil && ok {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.failed(what, ctx.Err())
		}
	}
}

func quote(s string) string {
	text, _ := json.Marshal(s) // a string always can be
	return string(text)
}

// Cookie returns a cookie of the page's origin, nil where there is none.
func (b *Tab) Cookie(name string) *network.Cookie {
	b.t.Helper()
	for _, c := range call(b, network.GetCookies, network.GetCookiesParams{}).Cookies {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Cookies returns all cookies of the page's origin, as a request has them.
func (b *Tab) Cookies() string {
	b.t.Helper()
	var all []string
	for _, c := range call(b, network.GetCookies, network.GetCookiesParams{}).Cookies {
		all = append(all, c.Name+"="+c.Value)
	}
	return strings.Join(all, "; ")
}

// Accepts has the browser ask for pages in a language.
func (b *Tab) Accepts(language string) {
	b.t.Helper()
	call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": language}})
}

// Script switches script on or off for the pages to come.
func (b *Tab) Script(on bool) {
	b.t.Helper()
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// Artifacts is the directory that pictures are kept in.
func Artifacts() string {
	if dir := os.Getenv("SIGNET_ARTIFACTS"); dir != "" {
		return dir
	}
	return filepath.Join("..", "artifacts")
}

// Shot keeps a picture of the page as it is.
func (b *Tab) Shot(name string) {
	b.t.Helper()
	picture, err := run(b, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Logf("no picture of %s: %v", name, err)
		return
	}
	dir := Artifacts()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600); err != nil {
		b.t.Fatal(err)
	}
}
