// Package logfmt writes log lines the way Grafana does when its output is not
// a terminal: logger=<name> <context> t=<time> level=<level> msg=<text> <args>.
package logfmt

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Handler is a slog.Handler; the attributes of With come before the time, as
// Grafana prints them.
type Handler struct {
	mu     *sync.Mutex
	out    io.Writer
	level  slog.Leveler
	prefix string
}

// New returns a handler that writes lines of at least level to out.
func New(out io.Writer, level slog.Leveler) *Handler {
	return &Handler{mu: new(sync.Mutex), out: out, level: level}
}

// Named returns the logger that Grafana would call name.
func Named(h *Handler, name string) *slog.Logger {
	return slog.New(h).With("logger", name)
}

// Enabled reports whether a line of that level is written.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle writes one line.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(h.prefix)
	b.WriteString("t=" + r.Time.UTC().Format(time.RFC3339Nano))
	b.WriteString(" level=" + strings.ToLower(r.Level.String()))
	b.WriteString(" msg=" + strconv.Quote(r.Message))
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(" " + a.Key + "=" + format(a.Value))
		return true
	})
	b.WriteString("\n")
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.out, b.String())
	return err
}

// WithAttrs returns a handler that prints attrs before the time. A key given
// twice keeps its last value: a library's own component name replaces ours.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	parts := strings.Fields(h.prefix)
	for _, a := range attrs {
		parts = slices.DeleteFunc(parts, func(p string) bool { return strings.HasPrefix(p, a.Key+"=") })
		parts = append(parts, a.Key+"="+format(a.Value))
	}
	next.prefix = strings.Join(parts, " ") + " "
	return &next
}

// WithGroup returns h: Grafana's lines have no groups.
func (h *Handler) WithGroup(string) slog.Handler { return h }

func format(v slog.Value) string {
	s := v.String()
	if v.Kind() == slog.KindAny {
		s = fmt.Sprint(v.Any())
	}
	if strings.ContainsAny(s, " =\"\n\t") {
		return strconv.Quote(s)
	}
	return s
}
