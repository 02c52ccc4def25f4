//go:build !linux && !darwin

package ui

import (
	"context"
	"os"
)

// keys are not read here; Ctrl-C ends what waits for one.
func keys(context.Context, *os.File) (<-chan byte, func()) { return nil, func() {} }
