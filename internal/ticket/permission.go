package ticket

// Permission is one entry of a capability's catalogue.
type Permission struct {
	Name string // area:verb
	Node bool   // concerns the whole installation: only the system account's roles may hold it
	Text string // what it allows, for the people who grant it
}
