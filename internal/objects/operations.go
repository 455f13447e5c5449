package objects

import (
	"net/http"
	"net/url"
	"slices"
)

// operation is one thing that can be asked of the door, and what it takes to be
// allowed to. Operations that touch more than the address names ask further
// questions of their own: the source of a copy, each key of DeleteObjects.
type operation struct {
	name   string
	method string
	level  level
	sub    string // the sub-resource in the query; empty: none
	copies bool   // with the header x-amz-copy-source
	action string // of policies, where no version is named
	needs  Role
	serve  func(*Door, *request) error
}

// operations is all that the door does. What is not here is NotImplemented.
func operations() []operation {
	const get, head, put, post, remove = http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete
	return []operation{
		{name: "ListBuckets", method: get, level: service, action: "s3:ListAllMyBuckets", serve: (*Door).listBuckets},

		{name: "CreateBucket", method: put, level: bucket, action: "s3:CreateBucket", serve: (*Door).createBucket},
		{name: "HeadBucket", method: head, level: bucket, action: "s3:ListBucket", needs: Read, serve: (*Door).headBucket},
		{name: "DeleteBucket", method: remove, level: bucket, action: "s3:DeleteBucket", needs: Admin, serve: (*Door).deleteBucket},
		{name: "GetBucketLocation", method: get, level: bucket, sub: "location", action: "s3:GetBucketLocation", needs: Read, serve: (*Door).getLocation},

		{name: "ListObjects", method: get, level: bucket, action: "s3:ListBucket", needs: Read, serve: (*Door).listObjects},
		{name: "ListObjectsV2", method: get, level: bucket, sub: "list-type", action: "s3:ListBucket", needs: Read, serve: (*Door).listObjectsV2},
		{name: "ListObjectVersions", method: get, level: bucket, sub: "versions", action: "s3:ListBucketVersions", needs: Read, serve: (*Door).listVersions},
		{name: "ListMultipartUploads", method: get, level: bucket, sub: "uploads", action: "s3:ListBucketMultipartUploads", needs: Read, serve: (*Door).listUploads},

		{name: "GetBucketPolicy", method: get, level: bucket, sub: "policy", action: "s3:GetBucketPolicy", needs: Admin, serve: (*Door).getPolicy},
		{name: "PutBucketPolicy", method: put, level: bucket, sub: "policy", action: "s3:PutBucketPolicy", needs: Admin, serve: (*Door).putPolicy},
		{name: "DeleteBucketPolicy", method: remove, level: bucket, sub: "policy", action: "s3:DeleteBucketPolicy", needs: Admin, serve: (*Door).deletePolicy},
		{name: "GetBucketAcl", method: get, level: bucket, sub: "acl", action: "s3:GetBucketAcl", needs: Admin, serve: (*Door).getACL},
		{name: "PutBucketAcl", method: put, level: bucket, sub: "acl", action: "s3:PutBucketAcl", needs: Admin, serve: (*Door).putACL},
		{name: "GetBucketVersioning", method: get, level: bucket, sub: "versioning", action: "s3:GetBucketVersioning", needs: Read, serve: (*Door).getVersioning},
		{name: "PutBucketVersioning", method: put, level: bucket, sub: "versioning", action: "s3:PutBucketVersioning", needs: Admin, serve: (*Door).putVersioning},
		{name: "GetBucketCors", method: get, level: bucket, sub: "cors", action: "s3:GetBucketCORS", needs: Admin, serve: (*Door).getCORS},
		{name: "PutBucketCors", method: put, level: bucket, sub: "cors", action: "s3:PutBucketCORS", needs: Admin, serve: (*Door).putCORS},
		{name: "DeleteBucketCors", method: remove, level: bucket, sub: "cors", action: "s3:PutBucketCORS", needs: Admin, serve: (*Door).deleteCORS},

		{name: "PutObject", method: put, level: object, action: "s3:PutObject", needs: Write, serve: (*Door).putObject},
		{name: "PostObject", method: post, level: bucket, action: "s3:PutObject", needs: Write, serve: (*Door).postObject},
		{name: "GetObject", method: get, level: object, action: "s3:GetObject", needs: Read, serve: (*Door).getObject},
		{name: "HeadObject", method: head, level: object, action: "s3:GetObject", needs: Read, serve: (*Door).headObject},
		{name: "DeleteObject", method: remove, level: object, action: "s3:DeleteObject", needs: Write, serve: (*Door).deleteObject},
		{name: "DeleteObjects", method: post, level: bucket, sub: "delete", action: "s3:DeleteObject", needs: Write, serve: (*Door).deleteObjects},
		{name: "CopyObject", method: put, level: object, copies: true, action: "s3:PutObject", needs: Write, serve: (*Door).copyObject},

		{name: "GetObjectTagging", method: get, level: object, sub: "tagging", action: "s3:GetObjectTagging", needs: Read, serve: (*Door).getTagging},
		{name: "PutObjectTagging", method: put, level: object, sub: "tagging", action: "s3:PutObjectTagging", needs: Write, serve: (*Door).putTagging},
		{name: "DeleteObjectTagging", method: remove, level: object, sub: "tagging", action: "s3:DeleteObjectTagging", needs: Write, serve: (*Door).deleteTagging},

		{name: "CreateMultipartUpload", method: post, level: object, sub: "uploads", action: "s3:PutObject", needs: Write, serve: (*Door).createUpload},
		{name: "UploadPart", method: put, level: object, sub: "uploadId", action: "s3:PutObject", needs: Write, serve: (*Door).uploadPart},
		{name: "UploadPartCopy", method: put, level: object, sub: "uploadId", copies: true, action: "s3:PutObject", needs: Write, serve: (*Door).uploadPartCopy},
		{name: "ListParts", method: get, level: object, sub: "uploadId", action: "s3:ListMultipartUploadParts", needs: Write, serve: (*Door).listParts},
		{name: "CompleteMultipartUpload", method: post, level: object, sub: "uploadId", action: "s3:PutObject", needs: Write, serve: (*Door).completeUpload},
		{name: "AbortMultipartUpload", method: remove, level: object, sub: "uploadId", action: "s3:AbortMultipartUpload", needs: Write, serve: (*Door).abortUpload},
	}
}

// ofVersion are the actions of policies that have a name of their own where the
// request names a version.
var ofVersion = map[string]string{
	"s3:GetObject": "s3:GetObjectVersion", "s3:DeleteObject": "s3:DeleteObjectVersion",
	"s3:GetObjectTagging": "s3:GetObjectVersionTagging", "s3:PutObjectTagging": "s3:PutObjectVersionTagging",
	"s3:DeleteObjectTagging": "s3:DeleteObjectVersionTagging",
}

// actionOf is the action that policies know op under, where the version is named or not.
func actionOf(op *operation, version string) string {
	if named := ofVersion[op.action]; version != "" && named != "" {
		return named
	}
	return op.action
}

// subresources are the query parameters that make a request another operation; among
// them those that the door does not have, so that nobody takes GET ?torrent for GET.
var subresources = []string{
	"abac", "accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption", "intelligent-tiering", "inventory", "legal-hold",
	"lifecycle", "list-type", "location", "logging", "metadataConfiguration", "metadataTable", "metrics", "notification", "object-lock",
	"ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication", "requestPayment", "restore", "retention",
	"select", "session", "tagging", "torrent", "uploadId", "uploads", "versioning", "versions", "website",
}

type operationKey struct {
	method string
	level  level
	sub    string
	copies bool
}

type operationTable map[operationKey]*operation

func newOperationTable() operationTable {
	t := operationTable{}
	for _, op := range operations() {
		t[operationKey{op.method, op.level, op.sub, op.copies}] = &op
	}
	return t
}

// find returns the operation that a request asks for: ErrNotImplemented where S3 may
// have it and the door has not.
func (t operationTable) find(r *http.Request, l level, query url.Values) (*operation, error) {
	k := operationKey{method: r.Method, level: l}
	for name := range query {
		if !slices.Contains(subresources, name) {
			continue
		}
		if k.sub != "" {
			return nil, ErrArgument.Because("the query names two sub-resources: %s and %s", k.sub, name)
		}
		k.sub = name
	}
	k.copies = k.method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != ""
	if op := t[k]; op != nil {
		return op, nil
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete:
		return nil, ErrNotImplemented
	}
	return nil, ErrMethod
}
