package console_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestAListIsSortedByTheHeadOfAColumn(t *testing.T) {
	a := newDev(t).admin(t)
	a.newUser("alice@signet.test", "Alice")
	a.newUser("zoe@signet.test", "Zoe")
	before := func(page, one, other string) {
		t.Helper()
		i, j := strings.Index(page, "<strong>"+one), strings.Index(page, "<strong>"+other)
		if i < 0 || j < 0 || i > j {
			t.Errorf("%s does not stand before %s", one, other)
		}
	}
	page := a.page("/console/users?state=enabled")
	before(page, "Alice", "Zoe")
	for _, want := range []string{
		`<th aria-sort="ascending"><a href="/console/users?sort=-name&amp;state=enabled">Name`, `<th><a href="/console/users?sort=-created&amp;state=enabled">Created</a>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	page = a.page("/console/users?sort=-name&state=enabled")
	before(page, "Zoe", "Alice")
	for _, want := range []string{
		`<th aria-sort="descending"><a href="/console/users?sort=name&amp;state=enabled">Name`, `<input type="hidden" name="sort" value="-name">`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	before(a.page("/console/users?sort=-created"), "Zoe", "Alice")
	for _, path := range []string{
		"/console/sessions?sort=seen", "/console/tokens?sort=created", "/console/audit?sort=time", "/console/verifications?sort=time", "/console/mail-keys?sort=-created", "/console/keys?sort=-used",
	} {
		if page := a.page(path); strings.Count(page, "aria-sort=") != 1 && !strings.Contains(page, `class="empty"`) {
			t.Errorf("%s: %d columns say that the list is sorted by them, want 1", path, strings.Count(page, "aria-sort="))
		}
	}
	for _, path := range sections[1:7] {
		if strings.HasSuffix(path, "roles") {
			continue
		}
		if got := a.status(path + "?sort=password"); got != http.StatusUnprocessableEntity {
			t.Errorf("%s by what is no column: got %d, want 422", path, got)
		}
	}
}
