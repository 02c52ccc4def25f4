package remotetest

import (
	"io"
	"strings"

	"golang.org/x/crypto/ssh"
)

// BeginScript does for a session that runs nothing what the script that follows the
// command line does first: it says the script's mark on both streams.
func BeginScript(ch ssh.Channel) error {
	var head strings.Builder
	one := make([]byte, 1)
	for !strings.HasSuffix(head.String(), ";") {
		if _, err := io.ReadFull(ch, one); err != nil {
			return err
		}
		head.Write(one)
	}
	mark := strings.TrimSuffix(strings.TrimPrefix(head.String(), "echo "), ";") + "\n"
	if _, err := io.WriteString(ch.Stderr(), mark); err != nil {
		return err
	}
	_, err := io.WriteString(ch, mark)
	return err
}
