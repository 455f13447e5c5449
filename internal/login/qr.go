package login

import (
	"fmt"
	"html/template"
	"strings"

	"rsc.io/qr"
)

// qrCode returns a QR code as SVG, four modules of quiet zone around it (ISO 18004). It
// is for eyes only: pages show the secret as text beside it.
func qrCode(text string) (template.HTML, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", err
	}
	const quiet = 4
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	size := code.Size + 2*quiet
	return template.HTML(fmt.Sprintf( //nolint:gosec // numbers alone
		`<svg class="qr" aria-hidden="true" viewBox="0 0 %d %d" shape-rendering="crispEdges"><path d="%s" fill="#000"/></svg>`, size, size, path.String())), nil
}
