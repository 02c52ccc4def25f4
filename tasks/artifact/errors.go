package artifact

// Error is an artifact that cannot be had as the inventory names it, or that is not
// what it says. Nothing was touched.
type Error struct {
	Message string
	Next    string // what to type or change; may be empty. INVENTORY stands for its name
}

// Error is the message and what to do.
func (e *Error) Error() string {
	if e.Next == "" {
		return e.Message
	}
	return e.Message + "; next: " + e.Next
}
