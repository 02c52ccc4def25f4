package ui
// LIVE
// NewLive x
func NewLive(s Streams, verbose bool) Progress { return NewPlain(s, verbose) }
