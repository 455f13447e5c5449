package objects

import "signet/internal/ticket"

// The permissions of this package. Own keys need none, only a user and, for access
// tokens, the scope of the same name.
const (
	readObjects  = "objects:read"
	writeObjects = "objects:write"
)

// Permissions lists what this package asks for.
func Permissions() []ticket.Permission {
	return []ticket.Permission{
		{Name: readObjects, Text: "see access keys, grants, buckets and refused requests of the object storage"},
		{Name: writeObjects, Text: "make, rotate and revoke access keys of the object storage, and grant what they may do"},
	}
}
