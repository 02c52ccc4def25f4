package check

import (
	"fmt"
	"strings"
)

// memberlistPing is what a running node answers (hashicorp/memberlist net.go: a
// pingMsg for an empty node name is acknowledged to its sender). A cluster with
// a label drops what does not carry it, one without drops what does.
func memberlistPing(label string) string {
	ping := "\x00\x82\xa5SeqNo\x01\xa4Node\xa0"
	if label == "" || len(label) > 255 {
		return ping
	}
	return "\xf4" + string([]byte{byte(len(label))}) + label + ping
}

// printfBytes writes bytes so that printf(1) prints exactly them.
func printfBytes(text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, `\x%02x`, text[i])
	}
	return b.String()
}
