package inventory

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
)

// Config is what belongs in grafana.ini: sections in order, keys in order.
type Config []Section

// Section is one [section] of grafana.ini.
type Section struct {
	Name string
	Keys []Key
}

// Key is one setting and where it was written.
type Key struct {
	Name  string
	Value Value
	Pos   Position
}

// Value is a setting's text, which may hold a secret.
type Value struct {
	text string
	// secret is nil when anyone may see the text; a pointer for the same reason
	// as in [Secret].
	secret *string
}

// PlainValue is text that anyone may see.
func PlainValue(text string) Value { return Value{text: text} }

// SecretValue is text that holds a secret.
func SecretValue(text string) Value { return Value{secret: &text} }

// Reveal returns the text itself.
func (v Value) Reveal() string {
	if v.secret != nil {
		return *v.secret
	}
	return v.text
}

// placeholderMark begins what stands for a reference that was not read.
const placeholderMark = "unresolved"

// Unresolved tells whether a reference in the text was not read ([Options.Resolve]).
func (v Value) Unresolved() bool {
	return v.secret != nil && strings.Contains(*v.secret, placeholderMark)
}

// IsSecret tells whether the text holds a secret.
func (v Value) IsSecret() bool { return v.secret != nil }

// String shows the text, or [Redacted] when it holds a secret.
func (v Value) String() string {
	if v.secret != nil {
		return Redacted
	}
	return v.text
}

// Format implements [fmt.Formatter], so that no verb reaches the text of a secret.
func (v Value) Format(f fmt.State, verb rune) {
	switch {
	case v.secret != nil:
		_, _ = io.WriteString(f, Redacted)
	case verb == 'q' || f.Flag('#'):
		_, _ = io.WriteString(f, strconv.Quote(v.text))
	default:
		_, _ = io.WriteString(f, v.text)
	}
}

// MarshalText implements [encoding.TextMarshaler] for JSON and YAML.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// LogValue implements [slog.LogValuer].
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }

// Get returns the value of section.key; ok is false when it is not set.
func (c Config) Get(section, key string) (v Value, ok bool) {
	for _, s := range c {
		if s.Name != section {
			continue
		}
		for _, k := range s.Keys {
			if k.Name == key {
				return k.Value, true
			}
		}
	}
	return Value{}, false
}

// clone copies the sections, so that hosts may differ without sharing memory.
func (c Config) clone() Config {
	out := make(Config, len(c))
	for i, s := range c {
		out[i] = Section{Name: s.Name, Keys: slices.Clone(s.Keys)}
	}
	return out
}

// with sets a key, in place when it exists; the receiver is changed.
func (c Config) with(section string, k Key) Config {
	for i := range c {
		if c[i].Name != section {
			continue
		}
		for j := range c[i].Keys {
			if c[i].Keys[j].Name == k.Name {
				c[i].Keys[j] = k
				return c
			}
		}
		c[i].Keys = append(c[i].Keys, k)
		return c
	}
	s := Section{Name: section, Keys: []Key{k}}
	if section == "" {
		// Keys without a section stand above all sections.
		return slices.Insert(c, 0, s)
	}
	return append(c, s)
}

// without takes a key out; the receiver is changed.
func (c Config) without(section, key string) Config {
	for i := range c {
		if c[i].Name == section {
			c[i].Keys = slices.DeleteFunc(c[i].Keys, func(k Key) bool { return k.Name == key })
		}
	}
	return slices.DeleteFunc(c, func(s Section) bool { return len(s.Keys) == 0 })
}
