package app

import (
	"slices"
	"strings"
	"testing"

	"signet/internal/console"
)

func TestEveryPermissionHasWordsInTheConsole(t *testing.T) {
	texts := console.Texts()
	for _, p := range Permissions() {
		if id := "console.permission." + strings.ReplaceAll(p.Name, ":", "."); !slices.Contains(texts, id) {
			t.Errorf("%s is not among the translated permissions (internal/console/roles.go)", p.Name)
		}
	}
}
