package upstream

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"

	"signet/internal/fault"
	"signet/internal/objects"
)

// owned is what services say of a bucket that is there already, and is ours.
var owned = objects.ErrBucketOwned.Word

type locationDocument struct {
	XMLName  xml.Name `xml:"CreateBucketConfiguration"`
	Space    string   `xml:"xmlns,attr"`
	Location string   `xml:"LocationConstraint"`
}

// MayMake implements [objects.Store]: the service may have buckets of others who have
// the same key, or of its owner.
func (s *Store) MayMake(ctx context.Context, bucket string) error {
	if s.o.Adopt {
		return nil
	}
	_, err := s.List(ctx, objects.List{Bucket: bucket, Max: 1}) // which every service has
	switch {
	case err == nil:
		return objects.ErrBucketExists
	case errors.Is(err, objects.ErrNoSuchBucket):
		return nil
	}
	return err
}

// CreateBucket implements [objects.Store].
func (s *Store) CreateBucket(ctx context.Context, bucket string) error {
	c := call{method: http.MethodPut, bucket: bucket}
	if s.o.Region != "us-east-1" { // which S3 does not want named
		var err error
		if c, err = sendXML(c, locationDocument{Space: namespace, Location: s.o.Region}); err != nil {
			return err
		}
	}
	_, err := s.ask(ctx, c, nil)
	if e, ok := fault.As(err); ok && e.Word == owned {
		return nil
	}
	return err
}

// DeleteBucket implements [objects.Store].
func (s *Store) DeleteBucket(ctx context.Context, bucket string) error {
	_, err := s.ask(ctx, call{method: http.MethodDelete, bucket: bucket}, nil)
	return noBucket(err)
}

// noBucket tells what is missing where no key was asked for.
func noBucket(err error) error {
	if errors.Is(err, objects.ErrNoSuchKey) {
		return objects.ErrNoSuchBucket
	}
	return err
}

type versioningDocument struct {
	XMLName xml.Name           `xml:"VersioningConfiguration"`
	Space   string             `xml:"xmlns,attr"`
	Status  objects.Versioning `xml:",omitempty"`
}

// Versioning implements [objects.Store].
func (s *Store) Versioning(ctx context.Context, bucket string) (objects.Versioning, error) {
	var doc struct{ Status objects.Versioning }
	_, err := s.ask(ctx, call{method: http.MethodGet, bucket: bucket, query: url.Values{"versioning": {""}}}, &doc)
	return doc.Status, noBucket(err)
}

// SetVersioning implements [objects.Store].
func (s *Store) SetVersioning(ctx context.Context, bucket string, v objects.Versioning) error {
	c, err := sendXML(call{method: http.MethodPut, bucket: bucket, query: url.Values{"versioning": {""}}}, versioningDocument{Space: namespace, Status: v})
	if err != nil {
		return err
	}
	_, err = s.ask(ctx, c, nil)
	return noBucket(err)
}
