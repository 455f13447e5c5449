package deadline

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestDeadlineEndsLikeAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, release := Within(t.Context(), time.Second)
		child, cancel := context.WithCancel(d)
		defer cancel()
		begun := time.Now()
		if at, ok := d.Deadline(); !ok || !at.Equal(begun.Add(time.Second)) || d.Err() != nil {
			t.Errorf("at the beginning: deadline %v, %v, error %v", at, ok, d.Err())
		}
		<-child.Done()
		if took := time.Since(begun); took != time.Second || !errors.Is(child.Err(), context.DeadlineExceeded) {
			t.Errorf("a child ended after %v with %v, want 1s with DeadlineExceeded", took, child.Err())
		}
		if !errors.Is(d.Err(), context.DeadlineExceeded) {
			t.Errorf("at the end: got %v, want DeadlineExceeded", d.Err())
		}
		release()
	})
}

func TestDeadlineThatNobodyWaitedForEndsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, release := Within(t.Context(), time.Second)
		<-time.After(time.Second)
		if !errors.Is(d.Err(), context.DeadlineExceeded) {
			t.Errorf("got %v, want DeadlineExceeded", d.Err())
		}
		release()
	})
}

func TestDeadlineEndsWithItsParent(t *testing.T) {
	parent, end := context.WithCancel(t.Context())
	d, release := Within(parent, time.Hour)
	defer release()
	done := d.Done()
	end()
	<-done
	if !errors.Is(d.Err(), context.Canceled) {
		t.Errorf("got %v, want Canceled", d.Err())
	}
}

func TestDeadlineThatIsReleasedLeavesNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, release := Within(t.Context(), time.Hour)
		done := d.Done()
		release()
		select {
		case <-done:
		default:
			t.Error("its timer runs on")
		}
	})
}

func TestErrorOfADeadlineDoesNotChangeOnceItIsSeen(t *testing.T) {
	parent, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	d, release := Within(parent, time.Hour)
	seen := d.Err()
	release()
	if got := d.Err(); !errors.Is(got, seen) {
		t.Errorf("got %v after %v", got, seen)
	}
}

func TestReleasedDeadlineHasEnded(t *testing.T) {
	d, release := Within(t.Context(), time.Hour)
	release()
	release()
	select {
	case <-d.Done():
	default:
		t.Error("who waits afterwards waits for ever")
	}
	if !errors.Is(d.Err(), context.Canceled) {
		t.Errorf("got %v, want Canceled", d.Err())
	}
}

func TestDeadlineIsNotLaterThanItsParents(t *testing.T) {
	parent, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	want, _ := parent.Deadline()
	d, release := Within(parent, time.Hour)
	defer release()
	if got, ok := d.Deadline(); !ok || !got.Equal(want) {
		t.Errorf("got %v, %v, want the parent's %v", got, ok, want)
	}
}

type testKey struct{}

func TestDeadlineHasTheValuesOfItsParent(t *testing.T) {
	d, release := Within(context.WithValue(t.Context(), testKey{}, "value"), time.Hour)
	check := func(when string) {
		t.Helper()
		if got := d.Value(testKey{}); got != "value" {
			t.Errorf("%s: got %v", when, got)
		}
	}
	check("at the beginning")
	d.Done()
	check("while somebody waits")
	release()
	check("at the end")
}

func TestContextsBelowADeadlineNeedNoGoroutine(t *testing.T) {
	d, release := Within(t.Context(), time.Hour)
	defer release()
	before := runtime.NumGoroutine()
	for range 100 {
		_, cancel := context.WithCancel(d)
		defer cancel()
	}
	if more := runtime.NumGoroutine() - before; more > 50 {
		t.Errorf("100 contexts have %d goroutines", more)
	}
}
