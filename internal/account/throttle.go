package account

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"time"

	"signet/internal/limit"
)

// How many wrong secrets each may send: so many at once, and then one each time
// that Every passes. Right ones do not count.
var (
	// prefixRate is of a network, IPv4 /24 or IPv6 /56: an office with 50 typos, not a botnet's node.
	prefixRate = limit.Rate{Burst: 50, Every: 20 * time.Second}
	// strangerRate is of an address (an account, or none), from all browsers that it
	// is not known to have signed in with.
	strangerRate = limit.Rate{Burst: 10, Every: 6 * time.Minute}
	// deviceRate is of one browser that the user signed in with before. Strangers cannot spend it.
	deviceRate = limit.Rate{Burst: 10, Every: 6 * time.Minute}
	// codeRate is of a user, over one-time passwords and recovery codes: never more
	// than 5 wrong ones in 15 minutes.
	codeRate = limit.Rate{Burst: 5, Every: 15 * time.Minute}
)

// The networks that share a budget.
const (
	prefix4 = 24 // bits
	prefix6 = 56
)

// DeviceLife is how long a browser stays known.
const DeviceLife = 365 * 24 * time.Hour

// Origin is where a sign-in comes from.
type Origin struct {
	Address netip.Addr // of the client; those without one share a budget
	Device  string     // what NewDevice gave this browser, for each of its users, with dots between; may be empty
}

// prefix returns the network whose budget the origin spends.
func (o Origin) prefix() string {
	a := o.Address.Unmap().WithZone("")
	bits := prefix6
	if a.Is4() {
		bits = prefix4
	}
	p, _ := a.Prefix(bits) // fails for the zero address: all those are one
	return p.String()
}

// A device value is base64url of: expiry (8 bytes, Unix seconds), id (16 bytes),
// HMAC-SHA-256 over both and the user.
const (
	deviceBody = timeSize + 16
	deviceSize = deviceBody + sha256.Size
)

// NewDevice returns a value for a cookie of the browser in which the user just
// signed in. It proves nothing but that: who has it gets a budget of attempts of
// their own. It holds for DeviceLife.
func (c *Credentials) NewDevice(user string) string {
	b := appendTime(make([]byte, 0, deviceSize), c.users.now().Add(DeviceLife))[:deviceBody]
	_, _ = rand.Read(b[timeSize:]) // never fails
	return base64.RawURLEncoding.EncodeToString(append(b, c.deviceMAC(b, user)...))
}

// maxDevices is how many values of one browser are looked at: of so many users.
const maxDevices = 3

// knownDevice returns the id of the value that is of that user and alive, among those of
// a browser, which have dots between them; and whether there is one.
func (c *Credentials) knownDevice(values, user string) (id string, ok bool) {
	for i, value := range strings.SplitN(values, ".", maxDevices+1) {
		if i == maxDevices {
			break
		}
		if id, ok := c.deviceOf(value, user); ok {
			return id, true
		}
	}
	return "", false
}

func (c *Credentials) deviceOf(value, user string) (id string, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(b) != deviceSize || user == "" {
		return "", false
	}
	expires := readTime(b)
	ok = hmac.Equal(b[deviceBody:], c.deviceMAC(b[:deviceBody], user))
	return string(b[timeSize:deviceBody]), ok && c.users.now().Before(expires)
}

func (c *Credentials) deviceMAC(body []byte, user string) []byte {
	m := hmac.New(sha256.New, c.device)
	m.Write(body)
	m.Write([]byte(user))
	return m.Sum(nil)
}

// attempt takes from the buckets, runs check, and gives back unless check returned
// wrong: so wrong attempts count, also those at the same time.
func (c *Credentials) attempt(ctx context.Context, wrong error, check func() error, buckets ...limit.Bucket) error {
	if err := c.throttle.Take(ctx, buckets...); err != nil {
		return err
	}
	err := check()
	if errors.Is(err, wrong) {
		return err
	}
	// Also where the client has gone meanwhile.
	if give := c.throttle.Give(context.WithoutCancel(ctx), buckets...); err == nil {
		return give
	}
	return err
}
