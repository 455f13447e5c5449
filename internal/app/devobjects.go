package app

import (
	"context"
	"errors"
	"fmt"

	"signet/internal/objects"
)

// devBucket is the bucket of a dev server.
const devBucket = "demo"

// DevS3 is a key of the seeded user, and a bucket of theirs.
type DevS3 struct {
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	Region          string `json:"region"`
	Bucket          string `json:"bucket"`
}

// seedObjects makes the key and the bucket of a dev server.
func (a *App) seedObjects(ctx context.Context, user string) (s DevS3, err error) {
	key, secret, err := a.ObjectKeys.Create(a.AsOperator(ctx), objects.NewKey{Name: "dev", User: user})
	if err != nil {
		return s, fmt.Errorf("access key: %w", err)
	}
	s = DevS3{AccessKeyID: key.AccessKeyID, SecretAccessKey: secret, Region: a.Config.Objects.Region, Bucket: devBucket}
	store, err := a.storage()
	if err != nil {
		return s, err
	}
	by := objects.Caller{Key: key.ID, AccessKeyID: key.AccessKeyID, Name: key.Name, Account: key.Account, User: key.User, Owner: key.Owner}
	_, err = a.Buckets.Claim(ctx, by, devBucket)
	if err != nil && !errors.Is(err, objects.ErrBucketOwned) {
		return s, err
	}
	return s, store.CreateBucket(ctx, devBucket)
}
