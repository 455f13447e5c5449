package browser

import (
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
)

// looks are how pages are looked at.
var looks = []struct {
	name  string
	width int64
	dark  bool
}{
	{"light", 1280, false}, {"dark", 1280, true}, {"390", 390, false}, {"390-dark", 390, true},
}

// Look keeps pictures of the page: light, dark, and on a narrow screen. It fails where
// a narrow screen would have to be scrolled sideways, and where axe finds what keeps
// people out.
func (b *Tab) Look(name string) {
	b.t.Helper()
	for _, l := range looks {
		scheme := "light"
		if l.dark {
			scheme = "dark"
		}
		call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: l.width, Height: 900, DeviceScaleFactor: 1, Mobile: l.width < 500,
		})
		call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		b.Shot(name + "-" + l.name)
		if l.width < 500 {
			b.fits(name)
		} else {
			b.accessible(name + ", " + scheme)
		}
	}
	call(b, emulation.ClearDeviceMetricsOverride, cdp.Empty{})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
}

// fits fails where a narrow screen would have to be scrolled sideways.
func (b *Tab) fits(name string) {
	b.t.Helper()
	wide := Value[int](b, `document.documentElement.scrollWidth - window.innerWidth`)
	if wide > 0 {
		b.t.Errorf("%s is %d px wider than a narrow screen", name, wide)
	}
}
