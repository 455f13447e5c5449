package main

import (
	"sync"
	"time"
)

// sessionLife is how long a sign-in lasts here, unless Signet says sooner that its
// session has ended.
const sessionLife = 8 * time.Hour

// session is who is signed in.
type session struct {
	User, Account      string
	Name               string // as the user is called; by OAuth only
	Roles, Permissions []string
	AMR                []string // how they proved themselves (RFC 8176)
	ACR                string   // and how good that is
	AuthTime           time.Time

	sid     string // session at Signet
	expires time.Time
}

// sessions keeps them in memory, by the random id in the browser's cookie. An app of
// several instances keeps them in its database, under the SHA-256 of the id.
type sessions struct {
	now func() time.Time

	lock sync.Mutex
	byID map[string]session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, byID: map[string]session{}}
}

// start keeps s, and returns its id.
func (a *sessions) start(s session) (id string) {
	a.lock.Lock()
	defer a.lock.Unlock()
	for id, s := range a.byID {
		if !a.now().Before(s.expires) {
			delete(a.byID, id)
		}
	}
	id, s.expires = random(), a.now().Add(sessionLife)
	a.byID[id] = s
	return id
}

func (a *sessions) find(id string) *session {
	a.lock.Lock()
	defer a.lock.Unlock()
	s, ok := a.byID[id]
	if !ok || !a.now().Before(s.expires) {
		return nil
	}
	return &s
}

func (a *sessions) end(id string) {
	a.lock.Lock()
	defer a.lock.Unlock()
	delete(a.byID, id)
}

// endSignet ends what came of a session at Signet.
func (a *sessions) endSignet(sid string) {
	a.lock.Lock()
	defer a.lock.Unlock()
	for id, s := range a.byID {
		if s.sid == sid {
			delete(a.byID, id)
		}
	}
}
