package artifact

// Error is an artifact that cannot be had as the inventory names it, or that is not
// what it says. Nothing was touched.
type Error struct{ Message string }

// Error is the message.
func (e *Error) Error() string { return e.Message }
