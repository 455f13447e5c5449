package token

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/seal"
	"signet/internal/ticket"
)

const (
	deviceLife  = 10 * time.Minute
	devicePause = 5 * time.Second // between two polls; more after each that came too soon

	// Letters of user codes: no vowels, so no words, and none that look like others
	// (RFC 8628, section 6.1). Eight of them are 34 bits, guessed by who is signed in only.
	deviceLetters = "BCDFGHJKLMNPQRSTVWXZ"
	deviceLength  = 8
)

// What a device is told while it waits (RFC 8628, section 3.5), and what its user is.
var (
	ErrPending    = fault.New(fault.Malformed, "nobody has let the device in yet: ask again later").Named("authorization-pending")
	ErrSlowDown   = fault.New(fault.Malformed, "the device asks too often: wait five seconds more each time").Named("slow-down")
	ErrDenied     = fault.New(fault.Malformed, "it was denied").Named("access-denied")
	ErrExpired    = fault.New(fault.Malformed, "device_code has expired: begin again").Named("expired-token")
	ErrDeviceCode = fault.New(fault.NotFound, "no device waits with this code: look at the code that the device shows, or have it show a new one").Named("no-device")
)

// DeviceResponse is the answer at /device_authorization (RFC 8628, section 3.2).
type DeviceResponse struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	ExpiresIn  int    `json:"expires_in"` // seconds
	Interval   int    `json:"interval"`   // seconds
}

// device is a device that waits, as it is kept.
type device struct {
	hash, userCode           []byte
	client                   string
	audiences, scopes        []string
	address                  string
	state                    deviceState
	pause                    time.Duration
	user, account            string
	polled, created, expires time.Time
}

type deviceState string

const (
	devicePending  deviceState = "pending"
	deviceApproved deviceState = "approved"
	deviceDenied   deviceState = "denied"
	deviceUsed     deviceState = "used"
)

// BeginDevice answers a request at /device_authorization. The answer names no address
// with the code in it: a link that somebody sends must not be all that it takes.
func (g *OAuth) BeginDevice(ctx context.Context, r Request) (DeviceResponse, error) {
	if err := checkForm(r.Form); err != nil {
		return DeviceResponse{}, err
	}
	client, err := g.clients.AuthenticateRequest(ctx, ClientRequest{
		Authorization: r.Authorization, Form: r.Form, Certificate: r.Sent.Certificate,
	})
	if err != nil {
		return DeviceResponse{}, err
	}
	if !slices.Contains(client.Grants, GrantDevice) {
		return DeviceResponse{}, ErrUnauthorized
	}
	scopes, err := scopesOf(r.Form, client.Scopes, client.Scopes)
	if err != nil {
		return DeviceResponse{}, err
	}
	audiences, err := audiencesOf(r.Form, client.audiences())
	if err != nil {
		return DeviceResponse{}, err
	}
	secret, hash := seal.NewSecret("")
	code := newUserCode()
	now := g.now()
	d := device{
		hash: hash, userCode: userCodeHash(code), client: client.ID, audiences: audiences, scopes: scopes,
		address: ticket.RequestFrom(ctx).Address, state: devicePending, pause: devicePause, created: now, expires: now.Add(deviceLife),
	}
	if err := g.db.Update(ctx, func(tx *db.Tx) error { return insertDevice(ctx, tx, d) }); err != nil {
		return DeviceResponse{}, err
	}
	return DeviceResponse{
		DeviceCode: secret, UserCode: code[:4] + "-" + code[4:], URI: g.authority.options.Issuer + "/device",
		ExpiresIn: int(deviceLife.Seconds()), Interval: int(devicePause.Seconds()),
	}, nil
}

func newUserCode() string {
	var code strings.Builder
	for range deviceLength {
		n, _ := rand.Int(rand.Reader, big.NewInt(int64(len(deviceLetters)))) // never fails
		code.WriteByte(deviceLetters[n.Int64()])
	}
	return code.String()
}

// userCodeHash returns what a user code is kept under, however it was typed: case,
// spaces and hyphens do not count.
func userCodeHash(typed string) []byte {
	return seal.SecretHash(strings.Map(func(r rune) rune {
		if !strings.ContainsRune(deviceLetters, r) {
			return -1
		}
		return r
	}, strings.ToUpper(typed)))
}

// device is the grant of a device that polls (RFC 8628, section 3.4).
func (g *OAuth) device(ctx context.Context, x exchange) (Response, error) {
	value := x.form.Get("device_code")
	if value == "" {
		return Response{}, ErrRequest.At("device_code").Because("it is missing")
	}
	d, err := g.poll(ctx, x.client, seal.SecretHash(value))
	if err != nil {
		return Response{}, err
	}
	if d.scopes, d.audiences, err = x.client.within(d.scopes, d.audiences); err != nil {
		return Response{}, err
	}
	checked, err := g.senders.Check(ctx, x.sent, x.client, d.audiences)
	if err != nil {
		return Response{}, err
	}
	person, err := g.people.ByUser(ctx, d.user, d.account)
	if err != nil {
		return Response{}, gone(err)
	}
	if err := checked.Spend(ctx); err != nil {
		return Response{}, err
	}
	// What comes of a device is never a fresh sign-in: it says nothing of when and how.
	c := code{
		client: d.client, user: d.user, account: d.account, scopes: d.scopes, audiences: d.audiences, family: newFamily(),
	}
	m, err := g.make(ctx, g.authorized(x.client, c, person, checked))
	if err != nil {
		return Response{}, err
	}
	return m.response, g.keepDevice(ctx, d, c, m)
}

// poll returns a device that was let in, and else says what it is to do.
func (g *OAuth) poll(ctx context.Context, client Client, hash []byte) (d device, err error) {
	var answer error
	err = g.db.Update(ctx, func(tx *db.Tx) error {
		answer = nil
		if d, err = findDevice(ctx, tx, hash); err != nil {
			return err
		}
		now := g.now()
		switch {
		case d.client != client.ID, d.state == deviceUsed:
			answer = ErrGrant
		case !now.Before(d.expires):
			answer = ErrExpired
		case d.state == deviceDenied:
			answer = ErrDenied
		case d.state == deviceApproved:
			return nil
		case !d.polled.IsZero() && now.Before(d.polled.Add(d.pause)):
			answer = ErrSlowDown
			return notePoll(ctx, tx, hash, now, d.pause+devicePause)
		default:
			answer = ErrPending
			return notePoll(ctx, tx, hash, now, d.pause)
		}
		return nil
	})
	if errors.Is(err, errNoToken) {
		return d, ErrGrant
	}
	if err == nil {
		err = answer
	}
	return d, err
}

// keepDevice uses the device code up and keeps what it gives.
func (g *OAuth) keepDevice(ctx context.Context, d device, c code, m made) error {
	return g.db.Update(ctx, func(tx *db.Tx) error {
		used, err := moveDevice(ctx, tx, d, deviceApproved, deviceUsed)
		if err != nil {
			return err
		}
		if !used {
			return ErrGrant
		}
		now := g.now()
		f := family{
			id: c.family, client: c.client, account: c.account, user: c.user, offline: true, audiences: c.audiences, scopes: c.scopes,
			created: now, expires: now.Add(FamilyLife),
		}
		if err := insertFamily(ctx, tx, f); err != nil {
			return err
		}
		return g.keep(ctx, tx, m)
	})
}

// WaitingDevice is a device as its user sees it before letting it in.
type WaitingDevice struct {
	Client  Client
	Scopes  []string
	Address string // where it asked from
	Created time.Time
}

// Device returns the device that waits with a user code, to who is signed in. The
// caller bounds how often somebody may ask.
func (g *OAuth) Device(ctx context.Context, userCode string) (w WaitingDevice, err error) {
	err = g.db.View(ctx, func(tx *db.Tx) error {
		d, err := g.waiting(ctx, tx, userCode)
		if err != nil {
			return err
		}
		w.Scopes, w.Address, w.Created = d.scopes, d.address, d.created
		w.Client, err = findActing(ctx, tx, d.client)
		return err
	})
	if errors.Is(err, ErrNoClient) {
		err = ErrDeviceCode
	}
	return w, err
}

func (g *OAuth) waiting(ctx context.Context, tx *db.Tx, userCode string) (device, error) {
	d, err := findDeviceByUser(ctx, tx, userCodeHash(userCode))
	if errors.Is(err, errNoToken) || err == nil && (d.state != devicePending || !g.now().Before(d.expires)) {
		return device{}, ErrDeviceCode
	}
	return d, err
}

// SettleDevice lets the device that waits with a user code in, for a person, or denies it.
// It returns ErrNoClient where the app is not there for the person's account.
func (g *OAuth) SettleDevice(ctx context.Context, userCode string, p Person, allow bool) error {
	return g.db.Update(ctx, func(tx *db.Tx) error {
		d, err := g.waiting(ctx, tx, userCode)
		if err != nil {
			return err
		}
		client, err := findActing(ctx, tx, d.client)
		if err != nil {
			return err
		}
		ok, err := servesAccount(ctx, tx, client.Account, p.Account)
		if err != nil {
			return err
		}
		if !ok {
			return ErrNoClient
		}
		d.user, d.account = p.User, p.Account
		to := deviceDenied
		if allow {
			to = deviceApproved
		}
		if ok, err = moveDevice(ctx, tx, d, devicePending, to); err != nil {
			return err
		}
		if !ok {
			return ErrDeviceCode
		}
		return g.audit.Record(ctx, tx, audit.Event{
			Action: "oauth_device.settle", Target: d.client, Account: p.Account,
			Detail: map[string]any{"user": p.User, "allowed": allow, "scopes": d.scopes, "address": d.address},
		})
	})
}
