package objects

// Operation is an operation of the door, as tests of who may see it.
type Operation struct {
	Name, Action string
	Needs        Role
	OfObject     bool // its address names a key
}

// Operations are all operations, with those on versions.
func Operations() (all []Operation) {
	for _, op := range operations() {
		all = append(all, Operation{op.name, op.action, op.needs, op.level == object || op.name == "DeleteObjects" || op.name == "PostObject"})
		if named := ofVersion[op.action]; named != "" && op.level == object {
			all = append(all, Operation{op.name + " of a version", named, op.needs, true})
		}
	}
	return all
}
