package localfile

import (
	"bytes"
	"regexp"
)

// keyStart is how files with private keys begin: PEM (OpenSSH's, PKCS), PuTTY, age.
var keyStart = regexp.MustCompile(`^(-----BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File-|AGE-SECRET-KEY-)`)

// IsPrivateKey tells whether a file is a private key rather than what it was named as, so
// that nothing of it is quoted.
func IsPrivateKey(b []byte) bool {
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")))
		if len(line) > 0 && line[0] != '#' {
			return keyStart.Match(line)
		}
	}
	return false
}
