package main

import (
	"bytes"
	"io"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/mask"
)

// hideSecrets keeps a cluster's secrets out of all that is shown from now on, whoever wrote
// it: a host, a program on it, another server. It is the last look, at the one place that
// everything passes; what is known to hold secrets is masked where it is made.
func (a *app) hideSecrets(c *inventory.Cluster) {
	a.hide = mask.For(c).Line
	a.streams.Out = hidingWriter{a.streams.Out, a.hide}
	a.streams.Err = hidingWriter{a.streams.Err, a.hide}
}

// hidingWriter masks what is written, a document or some lines at a time.
type hidingWriter struct {
	to   io.Writer
	hide func(string) string
}

// Write masks p and says that all of it was written.
func (w hidingWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.to, w.hide(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// hidden is what write writes, masked as one text.
func (a *app) hidden(write func(io.Writer) error) (string, error) {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return "", err
	}
	if a.hide == nil {
		return b.String(), nil
	}
	return a.hide(b.String()), nil
}
