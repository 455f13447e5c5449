package browser

import (
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// traffic is what all tabs of a browser asked for.
type traffic struct {
	mu    sync.Mutex
	hosts []string
	bytes float64
}

// watch notes what the tab asks for from now on.
func (b *Tab) watch() {
	b.t.Helper()
	err := chromedp.Listen(b.ctx, func(event any) {
		b.traffic.mu.Lock()
		defer b.traffic.mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if u, err := url.Parse(e.Request.URL); err == nil && strings.HasPrefix(u.Scheme, "http") && !slices.Contains(b.traffic.hosts, u.Host) {
				b.traffic.hosts = append(b.traffic.hosts, u.Host)
			}
		case *network.EventLoadingFinished:
			b.traffic.bytes += e.EncodedDataLength
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
}

// Hosts returns the hosts, with ports, that all tabs of the browser asked so far.
func (b *Tab) Hosts() []string {
	b.traffic.mu.Lock()
	defer b.traffic.mu.Unlock()
	return slices.Clone(b.traffic.hosts)
}

// Weight opens an address with an empty cache and returns how many bytes came.
func (b *Tab) Weight(address string) int {
	b.t.Helper()
	call(b, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
	b.received()
	b.Go(address)
	call(b, network.SetCacheDisabled, network.SetCacheDisabledParams{})
	return b.received()
}

// received returns how many bytes came since it was called last.
func (b *Tab) received() int {
	b.traffic.mu.Lock()
	defer b.traffic.mu.Unlock()
	n := b.traffic.bytes
	b.traffic.bytes = 0
	return int(n)
}
