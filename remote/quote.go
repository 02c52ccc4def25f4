package remote

import "github.com/ghadeploy/ghadeploy/remote/quote"

// Quote makes one POSIX shell line of words: each word reaches the command
// exactly as it is, whatever characters it has.
func Quote(words ...string) string { return quote.Words(words...) }
