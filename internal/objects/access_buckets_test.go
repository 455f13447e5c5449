package objects_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/ticket"
)

func TestWhoSeesBuckets(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		for name, user := range map[string]string{"anns": o.ann, "bobs": o.bob} {
			k, _ := o.key(o.as(user, o.acme), objects.NewKey{User: user})
			if _, err := o.buckets.Claim(t.Context(), o.caller(k.AccessKeyID), name); err != nil {
				t.Fatal(err)
			}
		}
		for who, c := range map[string]struct {
			ctx  context.Context
			want []string
			err  error
		}{
			"the owner":                       {o.as(o.ann, o.acme), []string{"anns"}, nil},
			"somebody of another account":     {o.as(o.eve, o.other), nil, nil},
			"an administrator":                {o.as(o.ann, o.acme, "objects:read"), []string{"anns", "bobs"}, nil},
			"another account's administrator": {o.as(o.eve, o.other, "objects:read"), nil, nil},
			"the command line":                {o.operator(), []string{"anns", "bobs"}, nil},
			"nobody":                          {t.Context(), nil, ticket.ErrNone},
			"a service key":                   {ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.Key, Account: o.acme}), nil, ticket.ErrForbidden},
		} {
			list, err := o.access.List(c.ctx, "")
			var names []string
			for _, b := range list {
				names = append(names, b.Name)
			}
			if !errors.Is(err, c.err) || !slices.Equal(names, c.want) {
				t.Errorf("%s sees %v, %v, want %v, %v", who, names, err, c.want, c.err)
			}
			_, err = o.access.Bucket(c.ctx, "bobs")
			if shown := err == nil; shown != slices.Contains(c.want, "bobs") {
				t.Errorf("%s is shown bobs: %v", who, err)
			}
		}
	})
}

func TestBucketIsHandedOver(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		ann, _ := o.key(o.as(o.ann, o.acme), objects.NewKey{User: o.ann})
		eve, _ := o.key(o.as(o.eve, o.other), objects.NewKey{User: o.eve})
		shared, _ := o.key(o.operator(), objects.NewKey{Account: "acme"})
		if _, err := o.buckets.Claim(t.Context(), o.caller(ann.AccessKeyID), "files"); err != nil {
			t.Fatal(err)
		}
		admin := o.as(o.bob, o.acme, "objects:write")
		for name, c := range map[string]struct {
			ctx  context.Context
			to   objects.NewOwner
			want error
		}{
			"by its owner alone":         {o.as(o.ann, o.acme), objects.NewOwner{User: o.bob}, ticket.ErrForbidden},
			"by another account":         {o.as(o.eve, o.other, "objects:write"), objects.NewOwner{User: o.eve}, objects.ErrNoBucket},
			"to nobody":                  {admin, objects.NewOwner{}, objects.ErrNewOwner},
			"to a user elsewhere":        {admin, objects.NewOwner{User: o.eve}, objects.ErrNewOwner},
			"to a key elsewhere":         {admin, objects.NewOwner{AccessKeyID: eve.AccessKeyID}, objects.ErrNewOwner},
			"to a key that is not there": {admin, objects.NewOwner{AccessKeyID: "AKIANOBODYNOBODY2222"}, objects.ErrNewOwner},
			"to a key of the account":    {admin, objects.NewOwner{AccessKeyID: shared.AccessKeyID}, nil},
			"to a user of the account":   {admin, objects.NewOwner{User: "bob@acme.test"}, nil},
		} {
			if err := o.access.HandOver(c.ctx, "files", c.to); !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", name, err, c.want)
			}
		}
		if err := o.access.HandOver(admin, "files", objects.NewOwner{User: "bob@acme.test"}); err != nil {
			t.Fatal(err)
		}
		if b, err := o.buckets.Get(t.Context(), "files"); err != nil || b.Owner != "user:"+o.bob || b.Account != o.acme {
			t.Errorf("got %+v, %v", b, err)
		}

		if _, err := o.buckets.Claim(t.Context(), objects.Caller{Open: true, Owner: "user:anonymous"}, "open"); err != nil {
			t.Fatal(err)
		}
		if err := o.access.HandOver(admin, "open", objects.NewOwner{User: o.bob}); !errors.Is(err, objects.ErrNoBucket) {
			t.Errorf("a bucket without account, by an administrator: got %v", err)
		}
		if err := o.access.HandOver(o.operator(), "open", objects.NewOwner{AccessKeyID: ann.AccessKeyID}); err != nil {
			t.Fatal(err)
		}
		if b, err := o.buckets.Get(t.Context(), "open"); err != nil || b.Owner != "user:"+o.ann || b.Account != o.acme {
			t.Errorf("a bucket without account: got %+v, %v", b, err)
		}
	})
}
