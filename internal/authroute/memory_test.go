package authroute

import (
	"testing"
	"time"
)

// handClock is a time that a test moves.
type handClock struct{ time.Time }

func (c *handClock) now() time.Time          { return c.Time }
func (c *handClock) advance(d time.Duration) { c.Time = c.Add(d) }

func TestMemoryKeepsWhatIsUsed(t *testing.T) {
	c := &handClock{time.Unix(1_000_000, 0)}
	m := newMemory[string, int](100, time.Minute, c.now)
	m.put("used", 1)
	m.put("unused", 2)
	for range 10 {
		c.advance(59 * time.Second)
		if v, ok := m.get("used"); !ok || v != 1 {
			t.Fatalf("used: got %d, %v, want 1", v, ok)
		}
	}
	if _, ok := m.get("unused"); ok {
		t.Error("unused: still there after ten minutes")
	}
	c.advance(time.Hour)
	if _, ok := m.get("used"); ok {
		t.Error("used: still there after an hour without use")
	}
}

func TestMemoryKeepsAtLeastForItsTime(t *testing.T) {
	c := &handClock{time.Unix(1_000_000, 0)}
	m := newMemory[int, int](1000, time.Minute, c.now)
	for i := range 100 {
		m.put(i, i)
		c.advance(7 * time.Second)
		if _, ok := m.get(i - 8); i >= 8 && !ok {
			t.Fatalf("%d: gone after %s", i-8, 63*time.Second-7*time.Second)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory[int, int](1000, time.Hour, time.Now)
	for i := range 100_000 {
		m.put(i, i)
		m.get(i - 700)
		if n := m.len(); n > 1000 {
			t.Fatalf("%d values, want at most 1000", n)
		}
	}
	if _, ok := m.get(99_999); !ok {
		t.Error("the last value is gone")
	}
}

func TestMemoryHasTheLastValueOnly(t *testing.T) {
	m := newMemory[string, int](4, time.Hour, time.Now)
	m.put("a", 1)
	m.put("b", 1)
	m.put("c", 1) // a and b are old now
	m.put("a", 2)
	if v, _ := m.get("a"); v != 2 {
		t.Errorf("got %d, want 2", v)
	}
}
