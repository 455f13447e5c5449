package resource_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"signet/resource"
)

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFullMemoryRefusesAndForgetsNothingThatIsLive(t *testing.T) {
	c := &clock{}
	c.set(start)
	m := resource.NewMemory(3, c.now)
	take := func(id int, until time.Time) (bool, error) {
		return m.Take(t.Context(), resource.Use{ID: strconv.Itoa(id), Issued: start, Until: until})
	}
	for id := range 3 {
		if first, err := take(id, start.Add(time.Duration(id+1)*10*time.Second)); err != nil || !first {
			t.Fatalf("%d: got %t, %v", id, first, err)
		}
	}
	if first, err := take(3, start.Add(time.Minute)); err == nil || first {
		t.Errorf("the fourth of three: got %t, %v, want an error", first, err)
	}
	for id := range 3 {
		if first, err := take(id, start.Add(time.Duration(id+1)*10*time.Second)); err != nil || first {
			t.Errorf("%d a second time, while it is full: got %t, %v", id, first, err)
		}
	}
	c.add(11 * time.Second)
	if first, err := take(3, start.Add(time.Minute)); err != nil || !first {
		t.Errorf("after the first has ended: got %t, %v", first, err)
	}
	c.add(24 * time.Hour)
	for id := 10; id < 13; id++ {
		if first, err := take(id, c.now().Add(time.Minute)); err != nil || !first {
			t.Errorf("a day later: got %t, %v", first, err)
		}
	}
}

func TestProofsFromBeforeTheMemoryAreRefused(t *testing.T) {
	c := &clock{}
	c.set(start)
	m := resource.NewMemory(3, c.now)
	for _, u := range []struct {
		issued time.Time
		first  bool
	}{{start.Add(-time.Second), false}, {start, true}} {
		if got, err := m.Take(t.Context(), resource.Use{ID: u.issued.String(), Issued: u.issued, Until: start.Add(time.Minute)}); err != nil || got != u.first {
			t.Errorf("made at %s: got %t, %v", u.issued, got, err)
		}
	}
}
