package recent_test

import (
	"errors"
	"testing"
	"time"

	"signet/internal/recent"
)

func TestWhatIsReadWhileItChangesIsNotKept(t *testing.T) {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	r := recent.New[string, int](func() time.Time { return now })
	get := func(v int) int {
		got, err := r.Get("x", func() (int, error) { return v, nil })
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got, err := r.Get("x", func() (int, error) { r.Forget(); return 1, nil })
	if got != 1 || err != nil {
		t.Fatalf("got %d, %v", got, err)
	}
	if got := get(2); got != 2 {
		t.Errorf("got %d, want what is read now: a change came between", got)
	}
	if got := get(3); got != 2 {
		t.Errorf("got %d, want what was read", got)
	}
	now = now.Add(time.Second)
	if got := get(4); got != 4 {
		t.Errorf("after a second: got %d, want 4", got)
	}
	now = now.Add(-time.Hour)
	if got := get(5); got != 5 {
		t.Errorf("after the clock was set back: got %d, want 5", got)
	}
	failure := errors.New("no")
	if _, err := r.Get("y", func() (int, error) { return 0, failure }); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	if got, err := r.Get("y", func() (int, error) { return 6, nil }); got != 6 || err != nil {
		t.Errorf("after a failure: got %d, %v", got, err)
	}
}
