package client

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// usualRegion is what a server's objects.region is unless it was configured.
const usualRegion = "us-east-1"

// WithCredentials signs requests of [Client.S3] with an access key. Where the server's
// authentication is off, any two texts will do.
func WithCredentials(accessKeyID, secretAccessKey string) Option {
	return func(c *Client) { c.keys.AccessKeyID, c.keys.SecretAccessKey = accessKeyID, secretAccessKey }
}

// WithSessionToken adds the token of temporary keys (AssumeRoleWithWebIdentity).
func WithSessionToken(token string) Option {
	return func(c *Client) { c.keys.SessionToken = token }
}

// WithRegion signs for another region than us-east-1: the server's objects.region.
func WithRegion(region string) Option { return func(c *Client) { c.region = region } }

// S3 returns a client of the server's buckets: path style, with the region set. It
// sends requests without a proof where [WithCredentials] was not given.
func (c *Client) S3() *s3.Client {
	o := s3.Options{
		BaseEndpoint: aws.String(c.origin), Region: c.region, UsePathStyle: true, Credentials: aws.AnonymousCredentials{},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}
	if k := c.keys; k.AccessKeyID != "" {
		o.Credentials = credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, k.SessionToken)
	}
	return s3.New(o)
}
