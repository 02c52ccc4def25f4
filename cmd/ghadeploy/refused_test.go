package main

import (
	"errors"
	"testing"
)

// The table of real releases calls only a refusal for a known fault right.
func TestOnlyTheRefusalOfAKnownFaultIsRight(t *testing.T) {
	const known = "12.4.0 is known to fail on MariaDB 10.11.6 (#118836); nothing was touched; next: ghadeploy upgrade INVENTORY --to 12.4.1 (--allow-known-bad goes on all the same)"
	for _, tc := range []struct {
		code  int
		cause string
		right bool
	}{
		{exitUsage, known, true},
		{exitUsage, "inventory.yaml:3:1: unknown key", false},
		{exitFailed, known, false},
		{exitGate, "h1 not clustered", false},
	} {
		err := outcome(tc.code, tc.cause)
		if _, right := errors.AsType[*refusedError](err); right != tc.right {
			t.Errorf("exit %d, %s: called right: %t", tc.code, tc.cause, right)
		}
	}
}
