package lease

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// The world is a lease in a database and some instances that want it. Instances
// freeze and lose their connection at random; requests take their time, before and
// after they have an effect.
type world struct {
	t     *testing.T
	seed  uint64
	rnd   *rand.Rand
	slow  time.Duration // that a request takes at most, each way
	now   time.Time
	row   row
	nodes []*node
}

type node struct {
	name          string
	member        member
	frozen, apart time.Time // until when
	next          time.Time // when to do something again
	asked         *request
}

// request is on its way: it takes effect, and later its answer arrives.
type request struct {
	begun, effect, answer time.Time
	do                    func() (ok bool)
	then                  func(ok bool)
	applied, ok           bool
}

const tick = 100 * time.Millisecond

func newWorld(t *testing.T, seed uint64, slow time.Duration) *world {
	w := &world{t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 0)), slow: slow, now: time.Unix(1e9, 0)}
	for i := range 3 {
		w.nodes = append(w.nodes, &node{name: fmt.Sprint("node ", i), member: member{pace: normal}})
	}
	return w
}

func (w *world) within(d time.Duration) time.Duration {
	return time.Duration(w.rnd.Int64N(int64(d/tick)+1)) * tick
}

// run lets time pass. Faults happen where faulty.
func (w *world) run(d time.Duration, faulty bool) {
	for end := w.now.Add(d); w.now.Before(end); w.now = w.now.Add(tick) {
		for _, n := range w.nodes {
			if faulty {
				w.trouble(n)
			}
			w.step(n)
		}
		w.judge()
	}
}

func (w *world) trouble(n *node) {
	switch w.rnd.IntN(400) {
	case 0:
		n.frozen = w.now.Add(w.within(40 * time.Second))
	case 1, 2:
		n.apart = w.now.Add(w.within(40 * time.Second))
	}
}

func (w *world) step(n *node) {
	if r := n.asked; r != nil && !r.applied && !w.now.Before(r.effect) {
		r.applied = true
		r.ok = !w.now.Before(n.apart) && r.do() // what is on its way arrives also where its sender is frozen
	}
	if w.now.Before(n.frozen) {
		return
	}
	if r := n.asked; r != nil {
		if w.now.Before(r.answer) {
			return
		}
		n.asked = nil
		if r.then(r.ok); n.asked != nil {
			return
		}
	}
	if n.member.token != 0 && !n.member.holds(w.now) {
		n.member.lost()
	}
	if !w.now.Before(n.next) {
		w.act(n)
	}
}

// act is what Keeper does when a beat or a look is due.
func (w *world) act(n *node) {
	m := &n.member
	begun := w.now
	if m.holds(w.now) {
		n.next = w.now.Add(m.pace.beat)
		token, still := m.token, false
		w.ask(n, func() bool {
			if still = w.row.owner == n.name && w.row.token == token; still {
				w.row.beat++
			}
			return true
		}, func(ok bool) {
			if ok && still {
				m.beaten(begun)
			} else if ok {
				m.lost()
			}
		})
		return
	}
	n.next = w.now.Add(m.pace.poll)
	var r row
	w.ask(n, func() bool { r = w.row; return true }, func(ok bool) {
		if ok && m.may(r, w.now) {
			w.take(n, r)
		}
	})
}

func (w *world) take(n *node, r row) {
	begun := w.now
	var token int64
	w.ask(n, func() bool {
		if w.row == r {
			w.row = row{n.name, r.token + 1, r.beat + 1}
			token = w.row.token
		}
		return true
	}, func(ok bool) {
		if ok && token != 0 {
			n.member.took(token, begun)
		}
	})
}

func (w *world) ask(n *node, do func() bool, then func(bool)) {
	effect := w.now.Add(w.within(w.slow))
	n.asked = &request{begun: w.now, effect: effect, answer: effect.Add(w.within(w.slow)), do: do, then: then}
}

// judge checks what must hold at every moment.
func (w *world) judge() {
	var holders []string
	for _, n := range w.nodes {
		if !w.now.Before(n.frozen) && n.member.holds(w.now) {
			holders = append(holders, n.name)
			if n.member.token > w.row.token {
				w.t.Fatalf("seed %d: %s has token %d, the lease %d", w.seed, n.name, n.member.token, w.row.token)
			}
		}
	}
	if len(holders) > 1 {
		w.t.Fatalf("seed %d: %v hold the lease at once", w.seed, holders)
	}
}

func (w *world) holder() (holder *node) {
	for _, n := range w.nodes {
		if n.member.holds(w.now) {
			holder = n
		}
	}
	return holder
}

func TestOneHoldsWhateverHappens(t *testing.T) {
	begin := uint64(time.Now().UnixNano())
	changes := int64(0)
	for seed := begin; seed < begin+10_000; seed++ {
		w := newWorld(t, seed, time.Second)
		w.run(90*time.Second, true)
		for _, n := range w.nodes {
			n.frozen, n.apart = time.Time{}, time.Time{}
		}
		w.run(45*time.Second, false)
		if w.holder() == nil {
			t.Fatalf("seed %d: 45 s after the last fault nobody has the lease", seed)
		}
		changes += w.row.token
	}
	if changes < 20_000 {
		t.Errorf("the lease changed hands %d times in 10,000 runs: nothing was shown", changes)
	}
	t.Logf("first seed %d, %d changes of holder", begin, changes)
}

func TestLeaseOfAKilledHolderIsTakenWithin20Seconds(t *testing.T) {
	for seed := range uint64(1000) {
		w := newWorld(t, seed, 200*time.Millisecond)
		w.run(10*time.Second, false)
		dead := w.holder()
		if dead == nil {
			t.Fatalf("seed %d: nobody took a free lease in 10 s", seed)
		}
		dead.frozen = w.now.Add(time.Hour)
		w.run(20*time.Second, false)
		if h := w.holder(); h == nil || h == dead {
			t.Fatalf("seed %d: 20 s after its holder died nobody has the lease", seed)
		}
	}
}

func TestQuietHolderIsNotRobbedBeforeItsTime(t *testing.T) {
	m := member{pace: normal}
	now := time.Unix(1e9, 0)
	held := row{"other", 7, 100}
	for _, step := range []struct {
		name  string
		row   row
		after time.Duration
		want  bool
	}{
		{"first sight, however old the beat may be", held, 0, false},
		{"just before the time", held, 15*time.Second - 1, false},
		{"a beat", row{"other", 7, 101}, 1, false},
		{"just before the time again", row{"other", 7, 101}, 15*time.Second - 1, false},
		{"at the time", row{"other", 7, 101}, 1, true},
		{"another owner with the same beat", row{"third", 8, 101}, 0, false},
		{"given back", row{"", 8, 102}, 0, true},
	} {
		now = now.Add(step.after)
		if got := m.may(step.row, now); got != step.want {
			t.Errorf("%s: got %t, want %t", step.name, got, step.want)
		}
	}
}
