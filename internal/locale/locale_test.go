package locale_test

import (
	"testing"
	"testing/fstest"
	"time"

	"signet/internal/locale"
)

func load(t *testing.T) *locale.Bundle {
	t.Helper()
	b, err := locale.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheStrongestWishThatCanBeMetWins(t *testing.T) {
	b := load(t)
	for _, c := range []struct {
		name   string
		wishes []string
		want   string
	}{
		{"nothing wished", nil, "en"},
		{"parameter before cookie", []string{"de", "fr"}, "de"},
		{"empty parameter, cookie", []string{"", "fr", "de"}, "fr"},
		{"a region of a language", []string{"de-CH"}, "de"},
		{"Accept-Language by quality", []string{"", "", "", "it;q=0.9, fr;q=0.8, en;q=0.1"}, "fr"},
		{"unknown language, then the next wish", []string{"ja", "de"}, "de"},
		{"forged: path", []string{"../../etc/passwd", "de"}, "de"},
		{"forged: markup", []string{"<script>", "de"}, "de"},
		{"forged: header", []string{"de\r\nSet-Cookie: x", "fr"}, "fr"},
		{"forged: very long", []string{string(make([]byte, 1<<20)), "fr"}, "fr"},
	} {
		if got := b.Choose(c.wishes...).Tag.String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestALanguageIsAddedByAFile(t *testing.T) {
	b, err := locale.Load(fstest.MapFS{"texts/time.it.yaml": {Data: []byte("time.now: proprio ora\n")}})
	if err != nil {
		t.Fatal(err)
	}
	it := b.Choose("it-IT")
	if got := it.T("time.now"); got != "proprio ora" {
		t.Errorf("got %q", got)
	}
	if got := it.N("time.minutes", 2); got != "2 minutes ago" {
		t.Errorf("what the file lacks: got %q, want English", got)
	}
	if it.Name() != "italiano" {
		t.Errorf("name: got %q", it.Name())
	}
}

func TestTimesAreSaidInTheLargestUnitThatFits(t *testing.T) {
	en, now := load(t).Choose("en"), time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Time{}, "never"},
		{now, "just now"},
		{now.Add(-time.Minute), "1 minute ago"},
		{now.Add(-59 * time.Minute), "59 minutes ago"},
		{now.Add(-47 * time.Hour), "47 hours ago"},
		{now.Add(-48 * time.Hour), "2 days ago"},
		{now.Add(90 * time.Minute), "in 1 hour"},
		{now.AddDate(0, 0, 7), "in 7 days"},
		{now.AddDate(0, 0, 30).Add(-20 * time.Second), "in 30 days"},
	} {
		if got := en.Ago(c.at, now); got != c.want {
			t.Errorf("%s: got %q, want %q", c.at, got, c.want)
		}
	}
}
