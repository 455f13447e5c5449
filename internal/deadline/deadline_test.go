package deadline

import (
	"context"
	"errors"
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
