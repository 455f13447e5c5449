package objects

import "signet/internal/fault"

// What the door refuses, by S3's own codes (API reference, "Error responses"). The code
// is the word of the fault; statusOf gives its HTTP status.
var (
	ErrAccessDenied    = code(fault.Forbidden, "AccessDenied", "Access Denied")
	ErrNoSuchBucket    = code(fault.NotFound, "NoSuchBucket", "The specified bucket does not exist")
	ErrNoSuchKey       = code(fault.NotFound, "NoSuchKey", "The specified key does not exist.")
	ErrNoSuchVersion   = code(fault.NotFound, "NoSuchVersion", "The specified version does not exist.")
	ErrNoSuchUpload    = code(fault.NotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
	ErrNoSuchPolicy    = code(fault.NotFound, "NoSuchBucketPolicy", "The bucket policy does not exist")
	ErrNoSuchCORS      = code(fault.NotFound, "NoSuchCORSConfiguration", "The CORS configuration does not exist")
	ErrBucketExists    = code(fault.Conflict, "BucketAlreadyExists", "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.")
	ErrBucketOwned     = code(fault.Conflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.")
	ErrBucketNotEmpty  = code(fault.Conflict, "BucketNotEmpty", "The bucket you tried to delete is not empty")
	ErrConflict        = code(fault.Conflict, "ConditionalRequestConflict", "The conditional request cannot succeed due to a conflicting operation against this resource.")
	ErrBucketName      = code(fault.Malformed, "InvalidBucketName", "The specified bucket is not valid.")
	ErrKeyTooLong      = code(fault.Malformed, "KeyTooLongError", "Your key is too long")
	ErrArgument        = code(fault.Malformed, "InvalidArgument", "Invalid Argument")
	ErrRequest         = code(fault.Malformed, "InvalidRequest", "Invalid Request")
	ErrDigest          = code(fault.Malformed, "BadDigest", "The Content-MD5 or checksum value that you specified did not match what the server received.")
	ErrMalformedXML    = code(fault.Malformed, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	ErrMalformedPolicy = code(fault.Malformed, "MalformedPolicy", "This policy contains invalid Json")
	ErrInvalidTag      = code(fault.Malformed, "InvalidTag", "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation.")
	ErrInvalidPart     = code(fault.Malformed, "InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
	ErrPartOrder       = code(fault.Malformed, "InvalidPartOrder", "The list of parts was not in ascending order. The parts list must be specified in order by part number.")
	ErrPartNumber      = code(fault.Malformed, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
	ErrTooSmall        = code(fault.Malformed, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
	ErrTooLarge        = code(fault.TooLarge, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	ErrMetaTooLarge    = code(fault.Malformed, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
	ErrPrecondition    = code(fault.Conflict, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	ErrNotModified     = code(fault.Conflict, "NotModified", "Not Modified")
	ErrRange           = code(fault.Malformed, "InvalidRange", "The requested range is not satisfiable")
	ErrPartOfObject    = code(fault.Malformed, "InvalidPartNumber", "The requested partnumber is not satisfiable")
	ErrMethod          = code(fault.Malformed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
	ErrNotImplemented  = code(fault.Malformed, "NotImplemented", "A header or query you provided implies functionality that is not implemented.")
	ErrNoACL           = code(fault.Malformed, "AccessControlListNotSupported", "The bucket does not allow ACLs")
	ErrPublic          = code(fault.Forbidden, "AccessDenied", "Public access is not allowed here: the operator allows it with objects.allowPublic: true")
	ErrBucketState     = code(fault.Conflict, "InvalidBucketState", "The request is not valid with the current state of the bucket.")
	ErrSlowDown        = code(fault.TooMany, "SlowDown", "Please reduce your request rate.")
	ErrUnavailable     = code(fault.Unavailable, "ServiceUnavailable", "Service is unable to handle request.")
	ErrTimeout         = code(fault.Timeout, "RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period.")
	ErrNoSpace         = code(fault.NoSpace, "InsufficientStorage", "The disk is full.")
)

// What the door alone refuses.
var (
	errURI            = code(fault.Malformed, "InvalidURI", "Couldn't parse the specified URI.")
	errMessageTooLong = code(fault.Malformed, "MaxMessageLengthExceeded", "Your request was too big.")
	errUnsignedBody   = code(fault.Forbidden, "AccessDenied", "Without TLS the body must be part of what is signed: send x-amz-content-sha256 with its hash, or use https")
	errHeader         = code(fault.Malformed, "NotImplemented", "A header you provided implies functionality that is not implemented.")
	errStorageClass   = code(fault.Malformed, "InvalidStorageClass", "The storage class you specified is not valid")
	errManyTags       = code(fault.Malformed, "BadRequest", "Object tags cannot be greater than 10")
	errCopySource     = code(fault.Malformed, "InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	errLocation       = code(fault.Malformed, "InvalidLocationConstraint", "The specified location-constraint is not valid")
	errEncoding       = code(fault.Malformed, "InvalidArgument", "Invalid Encoding Method specified in Request")
	errCORS           = code(fault.Forbidden, "AccessForbidden", "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.")
	errPreflight      = code(fault.Malformed, "BadRequest", "The request of the browser cannot be read.")
	errResponseHeader = code(fault.Malformed, "InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests.")
)

func code(k fault.Kind, word, text string) *fault.Error { return fault.New(k, text).Named(word) }
