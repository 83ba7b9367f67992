package upstream

// IsNode marks Call as an object with a global id.
func (*Call) IsNode() {}
