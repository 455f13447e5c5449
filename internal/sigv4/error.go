package sigv4

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An Error is a refusal as S3 answers it. Details are the elements that follow Code
// and Message in the XML, in order.
type Error struct {
	Code    string
	Message string
	Status  int
	Details []Detail

	cause error
}

// A Detail is one more element of an error's XML.
type Detail struct{ Name, Value string }

func (e *Error) Error() string { return "sigv4: " + e.Code + ": " + e.Message }

// Unwrap returns why a body could not be read, where that is the reason.
func (e *Error) Unwrap() error { return e.cause }

// Detail returns the value of the first detail of that name, or "".
func (e *Error) Detail(name string) string {
	for _, d := range e.Details {
		if d.Name == name {
			return d.Value
		}
	}
	return ""
}

func (e *Error) with(name, value string) *Error {
	e.Details = append(e.Details, Detail{name, value})
	return e
}

func (e *Error) because(err error) *Error {
	e.cause = err
	return e
}

func refuse(status int, code, message string) *Error {
	return &Error{Code: code, Message: message, Status: status}
}

func denied(message string) *Error {
	return refuse(http.StatusForbidden, "AccessDenied", message)
}

func invalidRequest(message string) *Error {
	return refuse(http.StatusBadRequest, "InvalidRequest", message)
}

func invalidArgument(message, name, value string) *Error {
	return refuse(http.StatusBadRequest, "InvalidArgument", message).
		with("ArgumentName", name).with("ArgumentValue", value)
}

// malformed says what is wrong with the parts of a signature, with the code of the
// place where they stand.
func malformed(f Form, part, message string) *Error {
	switch f {
	case Query:
		if part != "" {
			message = "Error parsing the " + part + " parameter; " + message
		}
		return refuse(http.StatusBadRequest, "AuthorizationQueryParametersError", message)
	case PostForm:
		if part != "" {
			message = "Error parsing the " + part + " field; " + message
		}
		return refuse(http.StatusBadRequest, "InvalidArgument", message)
	default:
		return refuse(http.StatusBadRequest, "AuthorizationHeaderMalformed",
			"The authorization header is malformed; "+message)
	}
}

func unknownKey(accessKeyID string) *Error {
	return refuse(http.StatusForbidden, "InvalidAccessKeyId",
		"The AWS Access Key Id you provided does not exist in our records.").
		with("AWSAccessKeyId", accessKeyID)
}

func mismatch(accessKeyID, stringToSign, signature, canonical string) *Error {
	e := refuse(http.StatusForbidden, "SignatureDoesNotMatch",
		"The request signature we calculated does not match the signature you provided. Check your key and signing method.").
		with("AWSAccessKeyId", accessKeyID).
		with("StringToSign", stringToSign).
		with("SignatureProvided", signature).
		with("StringToSignBytes", hexBytes(stringToSign))
	// A head may have a megabyte, and who is refused gets back no more than it sent.
	if canonical != "" && len(canonical) <= maxShown {
		e = e.with("CanonicalRequest", canonical).with("CanonicalRequestBytes", hexBytes(canonical))
	}
	return e
}

// maxShown is the longest canonical request that a refusal shows.
const maxShown = 16 << 10

// hexBytes writes s as AWS shows it: two digits a byte, with blanks between them.
func hexBytes(s string) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 3*len(s))
	for i := range len(s) {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, digits[s[i]>>4], digits[s[i]&15])
	}
	return string(b)
}

func tooSkewed(at, now time.Time) *Error {
	return refuse(http.StatusForbidden, "RequestTimeTooSkewed",
		"The difference between the request time and the current time is too large.").
		with("RequestTime", at.UTC().Format(longDate)).
		with("ServerTime", now.UTC().Format(time.RFC3339)).
		with("MaxAllowedSkewMilliseconds", strconv.FormatInt(MaxSkew.Milliseconds(), 10))
}

func expired(at time.Time, lifetime time.Duration, now time.Time) *Error {
	return denied("Request has expired").
		with("X-Amz-Expires", strconv.FormatInt(int64(lifetime/time.Second), 10)).
		with("Expires", at.Add(lifetime).UTC().Format(time.RFC3339)).
		with("ServerTime", now.UTC().Format(time.RFC3339))
}

func notSigned(names []string) *Error {
	return denied("There were headers present in the request which were not signed").
		with("HeadersNotSigned", strings.Join(names, ", "))
}

func incomplete(err error) *Error {
	return refuse(http.StatusBadRequest, "IncompleteBody", "The request body terminated unexpectedly").because(err)
}

func missingLength() *Error {
	return refuse(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
}

func tooLarge(size, limit int64) *Error {
	e := refuse(http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	if size >= 0 {
		e = e.with("ProposedSize", strconv.FormatInt(size, 10))
	}
	return e.with("MaxSizeAllowed", strconv.FormatInt(limit, 10))
}

func tooSmall(size, limit int64) *Error {
	return refuse(http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size").
		with("ProposedSize", strconv.FormatInt(size, 10)).
		with("MinSizeAllowed", strconv.FormatInt(limit, 10))
}

func badToken() *Error {
	return refuse(http.StatusBadRequest, "InvalidToken", "The provided token is malformed or otherwise invalid.")
}

// signatureV2 refuses the forms of Signature Version 2, and says how to leave them:
// boto3 before 1.44 still presigns with them in us-east-1.
func signatureV2() *Error {
	return invalidRequest("The authorization mechanism you have provided is not supported. " +
		"Please use AWS4-HMAC-SHA256 (in boto3 and the AWS CLI: signature_version=s3v4).")
}

func signatureV4A() *Error {
	return invalidRequest("The authorization mechanism AWS4-ECDSA-P256-SHA256 (SigV4A) is not supported. " +
		"Please use AWS4-HMAC-SHA256.")
}
